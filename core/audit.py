"""Who did what and when: one row and one line of the log for each sign-in and each change."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import Connection, insert, select

from core.accounts_schema import audit
from core.redaction import redact

LONGEST_SUBJECT = 255  # characters
LONGEST_DETAIL = 2000

log = structlog.get_logger("audit")


def record_audit(
    connection: Connection, at_ms: int, who: str, action: str, subject: str = "", detail: str = ""
) -> None:
    """Write an action down, in the transaction that does it.

    Args:
        who: name of the viewer, or ``command line``.
        action: such as ``incident acknowledged``; a few words that do not vary.
        subject: what it was done to, such as ``incident 7``.
        detail: one line for a person; credentials are taken out.
    """
    subject, detail = redact(subject)[:LONGEST_SUBJECT], redact(detail)[:LONGEST_DETAIL]
    row = {"at": at_ms, "who": who, "action": action, "subject": subject, "detail": detail}
    connection.execute(insert(audit).values(row))
    log.info(action, who=who, subject=subject, detail=detail)


def audit_lines(connection: Connection, limit: int = 200) -> list[dict[str, Any]]:
    """The last lines, the newest first, with the table's columns; ``at`` in ms UTC."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]
