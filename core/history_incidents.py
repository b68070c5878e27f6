"""Asking for incidents, and acknowledging them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, or_, select, update

from core.history_schema import incidents as table

MOST_INCIDENTS = 1000


def incidents(
    connection: Connection,
    *,
    open_only: bool = False,
    camera: str | None = None,
    cameras: Collection[str] | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    limit: int = MOST_INCIDENTS,
) -> list[dict[str, Any]]:
    """Incidents, the newest first, as dicts with the table's columns; instants in ms UTC.

    Args:
        camera: only of this camera.
        cameras: only of these, and of none (the workers').
        from_ms, to_ms: only those that were open at some time between the two.
    """
    query = select(table).order_by(table.c.raised_at.desc(), table.c.id.desc()).limit(limit)
    if open_only:
        query = query.where(table.c.cleared_at.is_(None))
    if camera is not None:
        query = query.where(table.c.camera == camera)
    if cameras is not None:
        query = query.where(table.c.camera.in_(["", *cameras]))
    if from_ms is not None:
        query = query.where(or_(table.c.cleared_at.is_(None), table.c.cleared_at >= from_ms))
    if to_ms is not None:
        query = query.where(table.c.raised_at < to_ms)
    return [dict(row) for row in connection.execute(query).mappings()]


def acknowledge(connection: Connection, incident: int, by: str, note: str, now_ms: int) -> bool:
    """Marks an incident as seen; False where somebody already has, or there is no such incident."""
    done = connection.execute(
        update(table)
        .where(table.c.id == incident, table.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now_ms, acknowledged_by=by, note=note)
    )
    return bool(done.rowcount == 1)
