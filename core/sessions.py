"""Sessions: browsers that are signed in, until they leave, stay away too long, or too long at all.

The browser holds a random name in a cookie, the database its hash. What the session may do is read
anew at each look-up, so that a change of the user counts at once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, or_, select, update

from core.accounts import cameras_json, cameras_of, secret_hash
from core.accounts_schema import sessions, users
from core.roles import Role, Viewer

SEEN_EVERY_MS = 60_000  # how exactly a session's last use is written down


@dataclass(frozen=True)
class Lifetime:
    """How long sessions last, ms: since their last use, and since they began."""

    idle_ms: int
    whole_ms: int


def begin_session(connection: Connection, viewer: Viewer, now_ms: int, *, local: bool) -> str:
    """A new session; its name, for the cookie.

    Args:
        local: the viewer is a user of ours; else role and cameras stay as they are now.
    """
    session = secrets.token_urlsafe(32)
    row = {
        "hash": secret_hash(session),
        "account": viewer.name if local else None,
        "name": viewer.name,
        "role": None if local else viewer.role.value,
        "cameras": None if local else cameras_json(viewer.cameras),
        "created_at": now_ms,
        "seen_at": now_ms,
    }
    connection.execute(insert(sessions).values(row))
    return session


def session_viewer(
    connection: Connection, session: str, lifetime: Lifetime, now_ms: int
) -> tuple[Viewer, int] | None:
    """Who is signed in and when the session was last written down as used; None when it ended."""
    query = (
        select(sessions, users.c.role.label("user_role"), users.c.cameras.label("user_cameras"))
        .select_from(sessions.outerjoin(users, users.c.name == sessions.c.account))
        .where(sessions.c.hash == secret_hash(session))
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if now_ms - row.seen_at > lifetime.idle_ms or now_ms - row.created_at > lifetime.whole_ms:
        return None
    if row.account is None:
        return Viewer(row.name, Role(row.role), cameras_of(row.cameras)), row.seen_at
    return Viewer(row.name, Role(row.user_role), cameras_of(row.user_cameras)), row.seen_at


def touch_session(connection: Connection, session: str, now_ms: int) -> None:
    """Write down that a session is in use."""
    place = sessions.c.hash == secret_hash(session)
    connection.execute(update(sessions).where(place).values(seen_at=now_ms))


def end_session(connection: Connection, session: str) -> None:
    """Sign a browser out."""
    connection.execute(delete(sessions).where(sessions.c.hash == secret_hash(session)))


def delete_ended(connection: Connection, lifetime: Lifetime, now_ms: int) -> None:
    """Forget the sessions that are over."""
    connection.execute(
        delete(sessions).where(
            or_(
                sessions.c.seen_at < now_ms - lifetime.idle_ms,
                sessions.c.created_at < now_ms - lifetime.whole_ms,
            )
        )
    )
