"""The other workers of the site, known by their heartbeats."""

from __future__ import annotations

import os
from typing import Any

import redis

from core.messages import HEARTBEAT_GONE_S, Heartbeat, Keys, MessageError, Service

HEARTBEATS_LOOKED_AT = 200  # at one each 2 s, enough for dozens of processes


def live_workers(client: redis.Redis, keys: Keys, now_ms: int) -> list[Heartbeat]:
    """The newest heartbeat of each worker that is alive."""
    entries: Any = client.xrevrange(keys.heartbeats(), count=HEARTBEATS_LOOKED_AT)
    newest: dict[str, Heartbeat] = {}
    for _, fields in entries:
        try:
            heartbeat = Heartbeat.from_fields(fields)
        except MessageError:
            continue
        fresh = now_ms - heartbeat.at <= HEARTBEAT_GONE_S * 1000
        if heartbeat.service is Service.WORKER and fresh:
            newest.setdefault(heartbeat.id, heartbeat)
    return list(newest.values())


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def threads_for(cores: int, workers_here: int) -> int:
    """Threads for the model of one worker where several share a machine's cores."""
    return max(1, cores // max(1, workers_here))
