"""What broker, disk and this process use, for the System page. Everything here may be unknown."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from core.history_size import history_bytes
from dashboard.running import Dashboard


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes; None where they cannot be known."""

    broker_used: int | None = None
    broker_limit: int | None = None
    disk_free: int | None = None
    disk_size: int | None = None
    history_size: int | None = None
    dashboard_memory: int = 0
    queues: dict[str, int] = field(default_factory=dict)  # frames waiting, per camera

    @property
    def broker_share(self) -> float | None:
        """How full the broker is, 0 to 1."""
        if self.broker_used is None or not self.broker_limit:
            return None
        return self.broker_used / self.broker_limit


def measure(dashboard: Dashboard) -> Machine:
    """All of it, now."""
    used, limit, queues = measure_broker(dashboard)
    free, size = measure_disk(dashboard.site.history.url)
    memory = psutil.Process().memory_info().rss
    return Machine(used, limit, free, size, measure_history(dashboard), memory, queues)


def measure_broker(dashboard: Dashboard) -> tuple[int | None, int | None, dict[str, int]]:
    """Bytes that the broker uses and may use (0: any), and the frames that wait, by camera."""
    cameras = [camera.id for camera in dashboard.site.cameras]
    try:
        info: Any = dashboard.client.info("memory")
        with dashboard.client.pipeline(transaction=False) as pipeline:
            for camera in cameras:
                pipeline.xlen(dashboard.keys.frames(camera))
            waiting = pipeline.execute()
    except (redis.RedisError, OSError):
        return None, None, {}
    queues = dict(zip(cameras, waiting, strict=True))
    return int(info["used_memory"]), int(info["maxmemory"]), queues


def measure_disk(url: str) -> tuple[int | None, int | None]:
    """Free and whole size of the history's disk; only of an SQLite file."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None, None
    try:
        usage = shutil.disk_usage(Path(parsed.database).parent)
    except OSError:
        return None, None
    return usage.free, usage.total


def measure_history(dashboard: Dashboard) -> int | None:
    """Bytes of the history itself, as `core.history_size` counts them."""
    try:
        with dashboard.history.snapshot() as connection:
            return history_bytes(connection)
    except SQLAlchemyError:
        return None


def size_words(size: int | None) -> str:
    """A size as people read it.

    >>> size_words(1_530_000_000), size_words(48_000_000), size_words(None)
    ('1.5 GB', '48 MB', '–')
    """
    if size is None:
        return "–"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
