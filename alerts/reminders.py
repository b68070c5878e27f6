"""Reminders: an open incident that nobody acknowledges is told again, then to a second channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from alerts.notices import Happening, Measured, local_time, place
from alerts.outbox_rows import HELD_BACK, change_incident, write_outbox
from alerts.words import say
from core.history_schema import incidents, outbox, zone_states
from core.settings import Site
from crowd.configured import maintenance_of
from crowd.levels import rank

REMINDER = "reminder"
TELLING = ("raised", "escalated", REMINDER)  # after one of these was delivered the time runs
FRESH_MS = 60_000  # a value older than this is not told as today's
OF_INCIDENTS = (
    "id", "kind", "camera", "zone", "level", "peak_level", "unit", "peak", "raised_at",
)  # fmt: skip
OF_NOTICES = (
    "incident", "change", "event", "channel", "level", "sent_at", "dropped_at", "error",
)  # fmt: skip
UNHEEDED = (incidents.c.cleared_at.is_(None), incidents.c.acknowledged_at.is_(None))


def write_reminders(connection: Connection, site: Site, now_ms: int) -> None:
    """Put the reminders that are due into the outbox.

    A reminder is due when `alerts.reminder.after` has passed since a notice of the incident was
    delivered last, and goes to the channels that heard of it. From the second one on it also goes
    to `alerts.reminder.channel`. While somebody works on the camera it is written as held back:
    the time runs anew, but it is none of the `alerts.reminder.at_most`.
    """
    if site.alerts.reminder.after <= 0:
        return
    told: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(
        select(*(outbox.c[name] for name in OF_NOTICES))
        .join(incidents, incidents.c.id == outbox.c.incident)
        .where(*UNHEEDED, outbox.c.event.in_(TELLING))
    ):
        told.setdefault(row.incident, []).append(row)
    waiting = select(*(incidents.c[name] for name in OF_INCIDENTS)).where(*UNHEEDED)
    for incident in connection.execute(waiting).all():
        _remind(connection, site, incident, told.get(incident.id, []), now_ms)


def _remind(
    connection: Connection, site: Site, incident: Row[Any], told: Sequence[Row[Any]], now_ms: int
) -> None:
    settings = site.alerts.reminder
    delivered = [row.sent_at for row in told if row.sent_at is not None]
    held_back = [row.dropped_at for row in told if row.error == HELD_BACK]
    if not delivered or now_ms - max(delivered + held_back) < settings.after * 1000:
        return
    last = [row for row in told if row.change == max(each.change for each in told)]
    on_its_way = any(row.sent_at is None and row.dropped_at is None for row in last)
    if on_its_way and all(row.sent_at is None for row in last):
        return
    reminders = [
        row
        for row in told
        if row.event == REMINDER and row.level == incident.level and row.error != HELD_BACK
    ]
    before = len({row.change for row in reminders})
    if before >= settings.at_most:
        return
    heard = {row.channel for row in told if row.sent_at is not None}
    channels = [
        channel.name
        for channel in site.alerts.receivers
        if (channel.name in heard and rank(incident.level) >= rank(channel.min_level))
        or (before > 0 and channel.name == settings.channel)
    ]
    if not channels:
        return
    worked_on = maintenance_of(site.alerts.maintenance, incident.camera, site.site.zone)
    write_outbox(
        connection,
        site,
        _happening(connection, site, incident, change_incident(connection, incident.id), now_ms),
        (incident.camera, incident.zone or ""),
        channels,
        incident.level,
        now_ms,
        held_back=worked_on is not None and worked_on.holds(now_ms),
    )


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
    columns = ("at", "count", "smoothed", "low", "high")
    row = (
        connection.execute(
            select(*(zone_states.c[name] for name in columns)).where(
                zone_states.c.camera == incident.camera, zone_states.c.zone == incident.zone
            )
        )
        .mappings()
        .one_or_none()
    )
    if incident.kind != "crowd" or row is None or now_ms - row["at"] > FRESH_MS:
        return None, None
    count, value = float(row["count"]), float(row["smoothed"])
    density = incident.unit == "persons/m2"
    if density and count <= 0:
        return None, count  # of nobody there is no telling how many m2 the interval's people have
    scale = value / count if count > 0 else 1.0
    return Measured(value, row["low"] * scale, row["high"] * scale), count if density else None
