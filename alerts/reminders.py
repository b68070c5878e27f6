"""Reminders: an open incident that nobody acknowledges is told again, then to a second channel."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from alerts.notices import Happening, Measured, local_time, notice, place
from alerts.words import say
from core.history_schema import incidents, outbox, zone_states
from core.settings import Site
from crowd.levels import rank

REMINDER = "reminder"
TELLING = ("raised", "escalated", REMINDER)  # after one of these was delivered the time runs
FRESH_MS = 60_000  # a value older than this is not told as today's


def write_reminders(connection: Connection, site: Site, now_ms: int) -> int:
    """Put the reminders that are due into the outbox; returns how many rows.

    A reminder is due when `alerts.reminder.after` has passed since a notice of the incident was
    delivered last, and goes to the channels that heard of it. From the second one on it also goes
    to `alerts.reminder.channel`.
    """
    settings = site.alerts.reminder
    if settings.after <= 0:
        return 0
    waiting = connection.execute(
        select(incidents).where(
            incidents.c.cleared_at.is_(None), incidents.c.acknowledged_at.is_(None)
        )
    ).all()
    return sum(_remind(connection, site, incident, now_ms) for incident in waiting)


def _remind(connection: Connection, site: Site, incident: Row[Any], now_ms: int) -> int:
    settings = site.alerts.reminder
    told = connection.execute(
        select(outbox).where(outbox.c.incident == incident.id, outbox.c.event.in_(TELLING))
    ).all()
    delivered = [row.sent_at for row in told if row.sent_at is not None]
    if not delivered or now_ms - max(delivered) < settings.after * 1000:
        return 0
    last = [row for row in told if row.change == max(each.change for each in told)]
    on_its_way = any(row.sent_at is None and row.dropped_at is None for row in last)
    if on_its_way and all(row.sent_at is None for row in last):
        return 0
    reminders = [row for row in told if row.event == REMINDER and row.level == incident.level]
    before = len({row.change for row in reminders})
    if before >= settings.at_most:
        return 0
    heard = {row.channel for row in told if row.sent_at is not None}
    channels = [
        channel.name
        for channel in site.alerts.receivers
        if (channel.name in heard and rank(incident.level) >= rank(channel.min_level))
        or (before > 0 and channel.name == settings.channel)
    ]
    if not channels:
        return 0
    change = connection.execute(
        update(incidents)
        .where(incidents.c.id == incident.id)
        .values(change=incidents.c.change + 1)
        .returning(incidents.c.change)
    ).scalar_one()
    happening = _happening(connection, site, incident, change, now_ms)
    text = notice(happening, site.site.zone, site.site.language)
    rows = [
        {
            "incident": incident.id,
            "change": change,
            "event": REMINDER,
            "channel": channel,
            "level": incident.level,
            "camera": incident.camera,
            "zone": incident.zone,
            "title": text.title,
            "body": text.body,
            "key": text.key,
            "created_at": now_ms,
            "attempts": 0,
            "next_at": 0,
        }
        for channel in channels
    ]
    connection.execute(insert(outbox), rows)
    return len(rows)


def _happening(
    connection: Connection, site: Site, incident: Row[Any], change: int, now_ms: int
) -> Happening:
    language = site.site.language
    raised = local_time(incident.raised_at, site.site.zone)
    measured, people = _measured(connection, incident, now_ms)
    crowd = incident.kind == "crowd"
    return Happening(
        incident.id,
        change,
        REMINDER,
        incident.level,
        place(site, incident.kind, incident.camera, incident.zone or ""),
        now_ms,
        incident.unit,
        measured,
        incident.peak if crowd else None,
        incident.peak_level,
        people,
        remark="unknown",
        detail=say("Raised {at}; nobody has acknowledged it.", language, at=raised),
    )


def _measured(
    connection: Connection, incident: Row[Any], now_ms: int
) -> tuple[Measured | None, float | None]:
    """The zone's value now, in the incident's unit, and its people where that is a density."""
    state = connection.execute(
        select(zone_states).where(
            zone_states.c.camera == incident.camera, zone_states.c.zone == incident.zone
        )
    )
    row = state.mappings().one_or_none()
    if incident.kind != "crowd" or row is None or now_ms - row["at"] > FRESH_MS:
        return None, None
    count, value = float(row["count"]), float(row["smoothed"])
    scale = value / count if count > 0 else 1.0
    measured = Measured(value, row["low"] * scale, row["high"] * scale)
    return measured, count if incident.unit == "persons/m2" else None
