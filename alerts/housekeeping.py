"""Sums of minutes and hours, how much of them was unknown, and the forgetting of old rows.

How long a camera was unknown within a minute is the longer of two: the time that no reading covers
(each covers the time until it is too old to be shown), which holds also for minutes in which this
service was down and caught up later; and the time for which the status was seen not to be ok,
which holds also where readings came that could not be trusted.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from sqlalchemy import Connection, select

from core.history import prune, raw_values, roll_up
from core.history_raw import MINUTE_MS
from core.history_schema import raw
from core.settings import CameraSettings, KeepSettings
from core.status import freshness_limit_s

SETTLE_MS = 5_000  # a minute is summed up so long after its end, when its last readings are there
MINUTES_PER_ROUND = 100  # of cameras, so that one transaction stays short
LONGEST_TICK_S = 5.0  # a longer break between two looks was not watched
KEPT_MS = 3_600_000  # how long seen unknown time is remembered for a minute summed up again
PRUNE_EVERY_S = 60.0

CameraMinute = tuple[str, int]  # camera, beginning of the minute in ms UTC


class Housekeeping:
    """What to sum up, for the cameras of one shard.

    Args:
        prunes: whether this shard also deletes what is older than ``keep``, for all.
    """

    def __init__(self, cameras: Iterable[CameraSettings], keep: KeepSettings, prunes: bool) -> None:
        self._cameras = {camera.id: camera for camera in cameras}
        self._keep = keep
        self._prunes = prunes
        self._open: set[CameraMinute] = set()
        self._newest: dict[str, int] = {}
        self._unknown_s: dict[CameraMinute, float] = defaultdict(float)
        self._looked_at: float | None = None
        self._next_prune = 0.0

    def touch(self, camera: str, at_ms: int) -> None:
        """A reading captured at this instant was stored."""
        self._open.add((camera, at_ms // MINUTE_MS * MINUTE_MS))
        self._newest[camera] = max(at_ms, self._newest.get(camera, 0))

    def look(self, unknown: Iterable[str], now_ms: int) -> None:
        """These cameras' statuses are not ok now; called about once a second."""
        now = time.monotonic()
        passed = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        for camera in unknown:
            key = (camera, now_ms // MINUTE_MS * MINUTE_MS)
            self._unknown_s[key] += min(passed, LONGEST_TICK_S)
            self._open.add(key)

    def find_open(self, connection: Connection) -> None:
        """Minutes with readings that a service before this one did not come to sum up."""
        start = (raw.c.at - raw.c.at % MINUTE_MS).label("start")
        for camera in self._cameras.values():
            zones = [zone.id for zone in camera.zones]
            rows = connection.execute(  # what was summed up has been packed
                select(start).where(raw.c.camera == camera.id, raw.c.zone.in_(zones)).distinct()
            )
            self._open |= {(camera.id, at) for at in rows.scalars()}

    def due(self, now_ms: int) -> list[CameraMinute]:
        """Minutes that can be summed up now."""
        ended = (
            (camera, start)
            for camera, start in self._open
            # A file played fast is stamped ahead of the clock.
            if start + MINUTE_MS + SETTLE_MS <= max(now_ms, self._newest.get(camera, 0))
        )
        return list(islice(ended, MINUTES_PER_ROUND))

    def sum_up(self, connection: Connection, due: Sequence[CameraMinute]) -> None:
        """Write the sums of these minutes and of their hours."""
        for camera_id, start in due:
            camera = self._cameras[camera_id]
            for zone in camera.zones:
                uncovered = self._uncovered_s(connection, camera, zone.id, start)
                unknown = max(uncovered, self._unknown_s.get((camera_id, start), 0.0))
                roll_up(connection, camera_id, zone.id, start, unknown)

    def settle(self, done: Sequence[CameraMinute], now_ms: int) -> None:
        """These minutes are committed."""
        self._open.difference_update(done)
        for key in [key for key in self._unknown_s if key[1] < now_ms - KEPT_MS]:
            del self._unknown_s[key]

    def prune(self, connection: Connection, now_ms: int) -> None:
        """Once a minute, delete some of what is older than it is to be kept."""
        if self._prunes and time.monotonic() >= self._next_prune:
            prune(connection, self._keep, now_ms)
            self._next_prune = time.monotonic() + PRUNE_EVERY_S

    def _uncovered_s(
        self, connection: Connection, camera: CameraSettings, zone: str, start: int
    ) -> float:
        """Seconds of a minute in which the last reading was too old to be shown."""
        limit_ms = freshness_limit_s(camera) * 1000
        end = start + MINUTE_MS
        values = raw_values(connection, camera.id, zone, start - round(limit_ms) + 1, end)
        covered_to, uncovered_ms = float(start), 0.0
        for value in values:
            uncovered_ms += max(0.0, value.at - covered_to)
            covered_to = max(covered_to, value.at + limit_ms)
        return (uncovered_ms + max(0.0, end - covered_to)) / 1000
