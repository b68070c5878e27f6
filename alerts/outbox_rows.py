"""What is written when a change of an incident is told: its number, and a row per channel."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, insert, update

from alerts.notices import Happening, notice
from core.history_schema import incidents, outbox
from core.settings import Site

HELD_BACK = "held back: maintenance"  # said on the page of the incident, instead of vanishing


def change_incident(connection: Connection, incident: int, **values: Any) -> int:
    """Update an incident and return the number of this change."""
    return int(
        connection.execute(
            update(incidents)
            .where(incidents.c.id == incident)
            .values(change=incidents.c.change + 1, **values)
            .returning(incidents.c.change)
        ).scalar_one()
    )


def write_outbox(
    connection: Connection,
    site: Site,
    happening: Happening,
    place: tuple[str, str],
    channels: Collection[str],
    level: str,
    now_ms: int,
    *,
    held_back: bool,
) -> int:
    """Put a notice into the outbox, once per channel; returns how many rows.

    Args:
        place: ids of camera and zone, empty for none.
        channels: names of those that are to hear of it.
        level: that the notice is about, which of a clear is the one before.
        held_back: somebody works on the camera: the rows are written as dropped.
    """
    text = notice(happening, site.site.zone, site.site.language)
    settled = {"dropped_at": now_ms, "error": HELD_BACK} if held_back else {}
    camera, zone = place
    rows: list[dict[str, Any]] = [
        {
            "incident": happening.incident,
            "change": happening.change,
            "event": happening.event,
            "channel": channel.name,
            "level": level,
            "camera": camera,
            "zone": zone or None,
            "title": text.title,
            "body": text.body,
            "key": text.key,
            # A late reading makes a late notice; a fast recording may run ahead of the clock.
            "created_at": min(happening.at_ms, now_ms),
            "attempts": 0,
            "next_at": 0,
            **settled,
        }
        for channel in site.alerts.receivers
        if channel.name in channels
    ]
    if rows:
        connection.execute(insert(outbox), rows)
    return len(rows)
