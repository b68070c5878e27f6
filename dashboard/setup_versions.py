"""The versions of the site file that were applied, and the way back to one."""

from __future__ import annotations

import difflib

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from core.config_versions import ConfigVersion, versions
from core.site_secrets import without_secrets
from dashboard.markup import moment
from dashboard.running import Dashboard
from dashboard.setup import restore
from dashboard.setup_messages import attempt, history_away, tell
from dashboard.text import say
from dashboard.viewer import current_viewer

SHOWN = 20
BY_WORDS = {"start": "setup.by_start"}


def show(dashboard: Dashboard) -> None:
    """The last versions, newest first."""
    with st.expander(say("setup.versions"), icon=":material/history:"):
        st.caption(say("setup.versions_why"))
        try:
            with dashboard.history.snapshot() as connection:
                found = versions(connection, SHOWN)
        except SQLAlchemyError as error:
            st.error(history_away(error))
            return
        for version in found:
            _show(dashboard, version)


def _show(dashboard: Dashboard, version: ConfigVersion) -> None:
    by = say(BY_WORDS[version.by]) if version.by in BY_WORDS else version.by
    time = moment(version.at, dashboard.site.site.zone)
    title = say("setup.version", time=time, by=by, version=version.version)
    runs = version.version == dashboard.loaded.version
    with st.container(border=True, key=f"version-{version.id}"):
        st.markdown(f"**{title}**" + (f" · {say('setup.version_now')}" if runs else ""))
        if runs:
            return
        with st.popover(say("setup.difference")):
            changes = difference(without_secrets(dashboard.loaded.text), version.text)
            if changes:
                st.code(changes, language="diff")
            else:
                st.write(say("setup.no_difference"))
        st.button(
            say("setup.restore"),
            key=f"restore-{version.id}",
            on_click=_restore,
            args=(dashboard, version),
        )


def _restore(dashboard: Dashboard, version: ConfigVersion) -> None:
    with attempt():
        applied = restore(dashboard, current_viewer(), version)
        tell(say("setup.restored", version=version.version), applied)


def difference(now: str, then: str) -> str:
    """What would change in the site file, as a unified diff without its head."""
    lines = difflib.unified_diff(now.splitlines(), then.splitlines(), lineterm="", n=2)
    return "\n".join(list(lines)[2:])
