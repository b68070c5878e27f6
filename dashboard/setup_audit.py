"""On the set-up page: who did what, the newest first."""

from __future__ import annotations

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from core.audit import audit_lines
from dashboard import markup
from dashboard.running import Dashboard
from dashboard.setup_messages import history_away
from dashboard.text import say

MOST_LINES = 200


def show_audit(dashboard: Dashboard) -> None:
    """The last lines of the audit, folded away until somebody asks."""
    with st.expander(say("audit.title")):
        try:
            with dashboard.history.snapshot() as connection:
                lines = audit_lines(connection, MOST_LINES)
        except SQLAlchemyError as error:
            st.error(history_away(error))
            return
        zone = dashboard.site.site.zone
        head = [say(f"audit.{name}") for name in ("at", "who", "action", "subject", "detail")]
        rows = [
            (
                markup.moment(line["at"], zone),
                line["who"],
                line["action"],
                line["subject"],
                line["detail"],
            )
            for line in lines
        ]
        st.html(markup.page(markup.table(head, rows), st.context.theme.type or "dark"))
