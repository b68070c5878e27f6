"""What ``/metrics`` says of the broker, the history, incidents and notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import redis
from prometheus_client.core import Metric
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from core.follow import split_id
from core.history_schema import outbox
from core.messages import ALERTS_GROUP
from core.roles import Viewer
from core.settings import LEVEL_NAMES
from dashboard.machine import measure_broker, measure_disk, measure_history
from dashboard.metrics_cameras import gauge
from dashboard.running import Dashboard

OUTAGE_KINDS = ("camera", "worker")
OUTAGE_LEVEL = "warning"


def broker_metrics(dashboard: Dashboard, viewer: Viewer) -> Iterator[Metric]:
    """Whether the broker works, how full it is, and what waits in it."""
    ok = dashboard.live.broker_ok
    up = gauge("broker_up", "1 while the broker answers and takes messages.")
    up.add_metric([], ok)
    yield up
    if not ok:
        return  # it would only make this answer late
    used, limit, queues = measure_broker(dashboard)
    memory = gauge("broker_memory_bytes", "Memory that the broker uses.")
    most = gauge("broker_memory_limit_bytes", "Memory that it may use; absent without a limit.")
    waiting = gauge("frames_waiting", "Frames that no worker has taken yet.", ("camera",))
    if used is not None:
        memory.add_metric([], used)
    if limit:
        most.add_metric([], limit)
    for camera, number in queues.items():
        if viewer.may_see(camera):
            waiting.add_metric([camera], number)
    yield from (memory, most, waiting, _backlog(dashboard))


def _backlog(dashboard: Dashboard) -> Metric:
    family = gauge(
        "alerts_backlog_seconds",
        "Age of the oldest reading that is not yet evaluated and stored; 0 when none waits.",
        ("shard",),
    )
    for shard in range(dashboard.site.broker.shards):
        try:
            since = _oldest_waiting_ms(dashboard.client, dashboard.keys.readings(shard))
        except (redis.RedisError, OSError):
            continue  # nobody has read from this shard yet, or the broker has just gone
        age_ms = 0 if since is None else max(0, dashboard.values.now_ms() - since)
        family.add_metric([str(shard)], age_ms / 1000)
    return family


def _oldest_waiting_ms(client: redis.Redis, stream: str) -> int | None:
    """When the oldest reading came that the alerts service has not acknowledged; None without one.

    Raises:
        redis.RedisError: there is no such stream or group.
    """
    pending: Any = client.xpending(stream, ALERTS_GROUP)
    if pending["pending"]:
        return split_id(pending["min"])[0]
    groups: Any = client.xinfo_groups(stream)
    mine = next(each for each in groups if each["name"] == ALERTS_GROUP.encode())
    after = b"(" + mine["last-delivered-id"]
    following: Any = client.xrange(stream, min=after, count=1)
    return split_id(following[0][0])[0] if following else None


def history_metrics(dashboard: Dashboard) -> Iterator[Metric]:
    """Whether the history can be read, how large it is, and the room on its disk."""
    up = gauge("history_up", "1 while the history database can be read.")
    up.add_metric([], dashboard.values.history_ok)
    size = gauge("history_size_bytes", "Size of the history database.")
    free = gauge("history_disk_free_bytes", "Free room on the disk of an SQLite history.")
    own = measure_history(dashboard)
    if own is not None:
        size.add_metric([], own)
    room = measure_disk(dashboard.site.history.url)[0]
    if room is not None:
        free.add_metric([], room)
    yield from (up, size, free)


def incident_metrics(dashboard: Dashboard, viewer: Viewer) -> Iterator[Metric]:
    """Open incidents, and those of them that nobody has acknowledged."""
    labels = ("kind", "level")
    is_open = gauge("incidents_open", "Open incidents by their present level.", labels)
    alone = gauge("incidents_unacknowledged", "Open incidents nobody has acknowledged.", labels)
    if dashboard.values.history_ok:
        kinds = [("crowd", level) for level in LEVEL_NAMES]
        kinds += [(kind, OUTAGE_LEVEL) for kind in OUTAGE_KINDS]
        tally, waiting = (Counter(dict.fromkeys(kinds, 0)) for _ in range(2))
        for row in dashboard.values.open_incidents:
            if viewer.may_see(row["camera"]):
                place = (str(row["kind"]), str(row["level"]))
                tally[place] += 1
                waiting[place] += row["acknowledged_at"] is None
        for family, numbers in ((is_open, tally), (alone, waiting)):
            for place, number in numbers.items():
                family.add_metric(place, number)
    yield from (is_open, alone)


def notice_metrics(dashboard: Dashboard) -> Iterator[Metric]:
    """What became of notices, and what waits for each channel."""
    outcomes = gauge("notifications", "Notices in the outbox by what became of them.", ("outcome",))
    for outcome, number in notification_tally(dashboard).items():
        outcomes.add_metric([outcome], number)
    labels = ("channel",)
    pending = gauge("outbox_pending", "Notices that are neither delivered nor dropped.", labels)
    failing = gauge("outbox_failing", "Those of them that were tried in vain.", labels)
    oldest = gauge("outbox_oldest_age_seconds", "Age of the oldest; 0 when none waits.", labels)
    for channel, (number, failed, age_s) in _waiting(dashboard).items():
        pending.add_metric([channel], number)
        failing.add_metric([channel], failed)
        oldest.add_metric([channel], age_s)
    yield from (outcomes, pending, failing, oldest)


def _waiting(dashboard: Dashboard) -> dict[str, tuple[int, int, float]]:
    """Channel to notices that wait, those tried in vain, and the oldest's age; {} when unknown."""
    query = select(outbox.c.channel, outbox.c.attempts, outbox.c.created_at).where(
        outbox.c.sent_at.is_(None), outbox.c.dropped_at.is_(None)
    )
    try:
        with dashboard.history.snapshot() as connection:
            rows = connection.execute(query).all()
    except SQLAlchemyError:
        return {}
    now = dashboard.values.now_ms()
    names = {channel.name for channel in dashboard.site.alerts.channels}
    found = dict.fromkeys(sorted(names | {row.channel for row in rows}), (0, 0, 0.0))
    for row in rows:
        number, failed, age_s = found[row.channel]
        age_s = max(age_s, (now - row.created_at) / 1000)
        found[row.channel] = (number + 1, failed + (row.attempts > 0), age_s)
    return found


def notification_tally(dashboard: Dashboard) -> dict[str, int]:
    """Notifications sent, dropped, failing (tried in vain) and waiting; empty without history."""
    sent, dropped = outbox.c.sent_at.is_not(None), outbox.c.dropped_at.is_not(None)
    pending = ~sent & ~dropped
    rules = {
        "sent": sent,
        "dropped": dropped,
        "failing": pending & (outbox.c.attempts > 0),
        "waiting": pending & (outbox.c.attempts == 0),
    }
    try:
        with dashboard.history.snapshot() as connection:
            return {
                name: connection.execute(
                    select(func.count()).select_from(outbox).where(rule)
                ).scalar_one()
                for name, rule in rules.items()
            }
    except SQLAlchemyError:
        return {}
