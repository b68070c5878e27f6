"""What levels under edit would have raised: the stored values of a zone through the same rules.

A week of values takes a while, so that replays run one after the other in a thread, the last day
first. The page asks for the same again until there is a result; one that nobody asks for is ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from core.history import incidents
from core.history_blocks import RawValue
from core.history_replay import StoredRun, ValuesGoneError, stored_run
from core.settings import CameraSettings, Levels, Zone
from core.status import freshness_limit_s
from crowd.configured import maintenance_of, zone_tracker
from crowd.replay import CrowdIncident, replay_zone
from dashboard.running import Dashboard
from dashboard.text import say

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SPANS_DAYS = (1, 7)
WANTED_FOR_S = 5.0  # a replay that was not asked for so long is given up
LOOK_EVERY = 2_000  # values
KEPT = 32
SHOWN = 8

log = structlog.get_logger()


@dataclass(frozen=True)
class Replayed:
    """What a stretch of time up to now comes to."""

    days: int
    incidents: list[CrowdIncident]
    recorded: int  # incidents that were raised in that time by the levels of then
    from_ms: int  # later than asked for, where older values are gone


class _GivenUpError(Exception):
    """Nobody asks any more."""


class UnmeasuredError(ValueError):
    """The densest place was not measured when the values were stored."""


class Replays:
    """Replays of one process."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="replay")
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], Future[Replayed | None]] = {}
        self._wanted: dict[str, float] = {}

    def ask(
        self, dashboard: Dashboard, camera: CameraSettings, zone: Zone, area_m2: float | None
    ) -> dict[str, Any]:
        """What is known by now, for the browser: a ``sentence``, ``incidents`` and ``pending``."""
        hour = dashboard.values.now_ms() // HOUR_MS
        site = f"{dashboard.loaded.path} {dashboard.loaded.version}"
        key = f"{site} {camera.id} {zone.model_dump_json()} {area_m2} {hour}"
        with self._lock:
            self._wanted[key] = time.monotonic()
            futures = [
                self._future(dashboard, camera, zone, area_m2, days, key) for days in SPANS_DAYS
            ]
            for old in list(self._running)[:-KEPT]:
                del self._running[old]
            for unknown in self._wanted.keys() - {name for name, _ in self._running}:
                del self._wanted[unknown]
        done = [future for future in futures if future.done()]
        failures = [failure for future in done if (failure := future.exception())]
        if failures:
            unmeasured = isinstance(failures[0], UnmeasuredError)
            key = "setup.replay.no_worst_cell" if unmeasured else "setup.replay.failed"
            return _only(zone.id, say(key))
        return {
            "zone": zone.id,
            "pending": len(done) < len(futures),
            **_told(dashboard, done[-1].result() if done else None, any_done=bool(done)),
        }

    def _future(
        self,
        dashboard: Dashboard,
        camera: CameraSettings,
        zone: Zone,
        area_m2: float | None,
        days: int,
        key: str,
    ) -> Future[Replayed | None]:
        """The replay that is under way or done; a new one where there is none."""
        known = self._running.get((key, days))
        if known is None or (known.done() and isinstance(known.exception(), _GivenUpError)):
            work = (dashboard, camera, zone, area_m2, days, key)
            known = self._running[key, days] = self._pool.submit(self._replay, *work)
        return known

    def _replay(
        self,
        dashboard: Dashboard,
        camera: CameraSettings,
        zone: Zone,
        area_m2: float | None,
        days: int,
        key: str,
    ) -> Replayed | None:
        """The incidents of a zone in the last days; None where nothing was counted."""
        now = dashboard.values.now_ms()
        assert zone.levels is not None
        try:
            with dashboard.history.snapshot() as connection:
                run, start = _stored(connection, camera.id, zone.id, now - days * DAY_MS, now)
                if run is None:
                    return None
                site = dashboard.site
                tracker = zone_tracker(
                    zone,
                    area_m2,
                    freshness_limit_s(camera),
                    site.site.zone,
                    maintenance_of(site.alerts.maintenance, camera.id, site.site.zone),
                )
                found = replay_zone(
                    tracker,
                    self._while_wanted(run.values, key, zone.levels.measure == "worst_cell"),
                    camera=camera.id,
                    zone=zone.id,
                    unit=zone.levels.unit,
                    scenes=run.scenes,
                )
                rows = incidents(connection, camera=camera.id, from_ms=start, to_ms=now)
            raised = [row for row in rows if row["kind"] == "crowd" and row["zone"] == zone.id]
            return Replayed(days, found, len(raised), start)
        except (_GivenUpError, UnmeasuredError):
            raise
        except Exception:
            log.exception("a replay failed", camera=camera.id, zone=zone.id)
            raise

    def _while_wanted(
        self, values: Iterator[RawValue], key: str, by_cell: bool
    ) -> Iterator[RawValue]:
        for number, value in enumerate(values):
            if by_cell and value.worst is None:
                raise UnmeasuredError
            if number % LOOK_EVERY == 0 and self._is_unwanted(key):
                raise _GivenUpError
            yield value

    def _is_unwanted(self, key: str) -> bool:
        return time.monotonic() - self._wanted.get(key, 0.0) > WANTED_FOR_S


def _stored(
    connection: Any, camera: str, zone: str, from_ms: int, to_ms: int
) -> tuple[StoredRun | None, int]:
    """A zone's values, and the instant from which they are there."""
    try:
        return stored_run(connection, camera, zone, from_ms, to_ms), from_ms
    except ValuesGoneError as gone:
        start = gone.earliest_ms
        if start is None or start >= to_ms:
            return None, from_ms
        return stored_run(connection, camera, zone, start, to_ms), start


_replays = Replays()


def replay(
    dashboard: Dashboard, camera: CameraSettings, draft: Mapping[str, Any], area_m2: float | None
) -> dict[str, Any] | None:
    """What the levels of a zone under edit would have raised; None where it has none.

    Args:
        draft: of the zone (`dashboard.setup_zones`).
        area_m2: of the zone, where it is calibrated.
    """
    if not draft["levels"]:
        return None
    running = next((zone for zone in camera.zones if zone.id == draft["id"]), None)
    if running is None:
        return _only(draft["id"], say("setup.replay.new"))
    plain = running.model_dump(mode="json")
    ground = plain["ground"] and {key: plain["ground"][key] for key in draft["ground"] or {}}
    if (plain["polygon"], ground or None) != (draft["polygon"], draft["ground"]):
        return _only(draft["id"], say("setup.replay.other_outline"))
    before = plain["levels"] or {}
    try:
        levels = Levels.model_validate({**before, **draft["levels"]})
        zone = running.model_copy(update={"levels": levels})
        return _replays.ask(dashboard, camera, zone, area_m2)
    except ValidationError:
        return None  # the problems of the file say what is wrong
    except SQLAlchemyError:
        return _only(draft["id"], say("setup.replay.failed"))


def _only(zone: str, sentence: str) -> dict[str, Any]:
    return {"zone": zone, "pending": False, "sentence": sentence, "incidents": []}


def _told(dashboard: Dashboard, found: Replayed | None, *, any_done: bool) -> dict[str, Any]:
    if found is None:
        words = say("setup.replay.nothing" if any_done else "setup.replay.pending")
        return {"sentence": words, "incidents": []}
    zone = dashboard.site.site.zone

    def moment(at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%m-%d %H:%M:%S")

    def line(incident: CrowdIncident) -> str:
        density = incident.unit == "persons/m2"
        end = incident.cleared_at
        return say(
            "setup.replay.incident",
            start=moment(incident.raised_at),
            end=say("setup.replay.open") if end is None else moment(end),
            level=say(f"level.{incident.peak_level}"),
            peak=f"{incident.peak:.1f}" if density else f"{incident.peak:.0f}",
            unit=say("per_m2" if density else "people"),
        )

    newest = sorted(found.incidents, key=lambda each: each.raised_at, reverse=True)
    words = say(
        "setup.replay.found",
        n=len(found.incidents),
        recorded=found.recorded,
        start=moment(found.from_ms),
    )
    return {"sentence": words, "incidents": [line(each) for each in newest[:SHOWN]]}
