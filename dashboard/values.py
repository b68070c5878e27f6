"""The values that viewers see, kept in one place for the API, the event stream and the pages."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from core import history as history_queries
from core.history import History
from core.history_schema import zone_states
from core.live import LiveView
from core.messages import Reading
from core.settings import LEVEL_NAMES, CameraSettings, Zone
from core.status import freshness_limit_s
from dashboard.overlay import Overlays

log = structlog.get_logger()

LEVELS = ("normal", *LEVEL_NAMES)  # lowest first
COUNTS = {"count", "low", "high"}
POLL_EVERY_S = 1.0
NOTIFY_EVERY_S = 0.5
FIRST_LOOK_S = 2.0  # for the broker to answer before the first values are shown
RECENT_SPACING_MS = 2000
RECENT_KEPT = 150  # five minutes at that spacing


@dataclass(frozen=True)
class ZoneValue:
    """A zone now; every value is None while it is unknown."""

    id: str
    count: float | None = None  # people
    low: float | None = None  # 90 % interval, people
    high: float | None = None
    density: float | None = None  # persons per m2, where the zone is calibrated
    worst_cell: float | None = None  # the same at its densest place, over the zone's cell_m2
    level: str | None = None  # one of LEVELS, where the zone has levels


@dataclass(frozen=True)
class CameraValue:
    """A camera now. Equal values need not be sent again: ages are left to whoever reads them."""

    id: str
    name: str
    status: str  # ok | unknown
    reason: str | None  # why unknown
    detail: str  # one sentence for an operator, or empty
    reading_at: int | None  # ms UTC, capture of the last ok reading
    count: float | None  # people; None while unknown
    low: float | None
    high: float | None
    level: str | None  # the worst of its zones
    zones: tuple[ZoneValue, ...]
    picture_seq: int | None  # of the newest picture to be had
    picture_at: int | None  # ms UTC, its capture

    def age_s(self, now_ms: int) -> float | None:
        """Age of the last ok reading, seconds."""
        return None if self.reading_at is None else max(0.0, (now_ms - self.reading_at) / 1000)


class Values:
    """Puts readings, statuses and the alerts service's zone values together.

    One thread watches the broker's view and polls the history database once a second; all
    viewers share it.

    Args:
        cameras: of the site, in its order.
        live: the process's view of the broker.
        overlays: says which picture of a camera can be shown.
        history: where the alerts service keeps zone values and incidents.
    """

    def __init__(
        self,
        cameras: Sequence[CameraSettings],
        live: LiveView,
        overlays: Overlays,
        history: History,
    ) -> None:
        self.settings = tuple(cameras)
        self.live = live
        self.overlays = overlays
        self.history = history
        self.history_ok = True
        self.open_incidents: list[dict[str, Any]] = []
        self.incidents_revision = 0
        self._zone_rows: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._last_ok: dict[str, int] = {}
        self._current: dict[str, tuple[int, CameraValue]] = {}
        self._recent: dict[str, deque[tuple[int, float | None]]] = {
            camera.id: deque(maxlen=RECENT_KEPT) for camera in cameras
        }
        self._revision = 0
        self._lock = threading.Lock()
        self._looking = threading.RLock()  # held while cameras are gone through
        self._subscribers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="values", daemon=True)

    def start(self) -> None:
        """Look once, then go on looking in a thread. ``live`` must have been started."""
        self.live.wait(0, FIRST_LOOK_S)
        self._poll()
        self._recall()
        self._refresh(self.now_ms())
        self._thread.start()

    def stop(self) -> None:
        """End the thread and every stream that waits for a change."""
        self._stop.set()
        self._notify()
        self._thread.join(timeout=5)

    def watch(self, cameras: Sequence[CameraSettings]) -> None:
        """Give the values of these cameras from now on; nobody looks at others when it returns."""
        ids = {camera.id for camera in cameras}
        with self._looking, self._lock:
            self.settings = tuple(cameras)
            for known in (self._current, self._recent, self._last_ok):
                for camera in known.keys() - ids:
                    del known[camera]
            for camera in ids - self._recent.keys():
                self._recent[camera] = deque(maxlen=RECENT_KEPT)
            self._revision += 1
        self._notify()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def now_ms(self) -> int:
        return self.live.clock.now_ms()

    def cameras(self) -> list[CameraValue]:
        """All cameras as they are at this moment, in the site's order."""
        with self._looking:
            return [self._value(settings) for settings in self.settings]

    def changed_since(self, revision: int) -> tuple[int, list[CameraValue]]:
        """The cameras whose value changed after ``revision``, and the newest revision."""
        with self._lock:
            changed = [value for at, value in self._current.values() if at > revision]
            return self._revision, changed

    def recent(self, camera: str) -> list[tuple[int, float | None]]:
        """Counts of the last five minutes as (ms UTC, people), None where unknown."""
        with self._lock:
            return list(self._recent.get(camera, ()))

    @contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set at each change and when the service stops."""
        subscriber = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._subscribers.add(subscriber)
        try:
            yield subscriber[1]
        finally:
            with self._lock:
                self._subscribers.discard(subscriber)

    def _watch(self) -> None:
        version, next_poll = 0, 0
        while not self._stop.is_set():
            version = self.live.wait(version, NOTIFY_EVERY_S)
            now = self.now_ms()
            changed = False
            if now >= next_poll or next_poll - now > 10_000:
                changed = self._poll()
                next_poll = now + round(POLL_EVERY_S * 1000)
            if self._refresh(now) or changed:
                self._notify()
            self._stop.wait(NOTIFY_EVERY_S)

    def _poll(self) -> bool:
        """Read zone values and open incidents; True when the incidents changed."""
        try:
            with self.history.snapshot() as connection:
                rows = connection.execute(select(zone_states)).mappings().all()
                incidents = history_queries.incidents(connection, open_only=True)
        except SQLAlchemyError as error:
            if self.history_ok:
                log.warning("history cannot be read", error=str(error))
            self.history_ok = False
            return False
        self.history_ok = True
        self._zone_rows = {(row["camera"], row["zone"]): dict(row) for row in rows}
        if incidents == self.open_incidents:
            return False
        self.open_incidents = incidents
        self.incidents_revision += 1
        return True

    def _recall(self) -> None:
        """Take the last minutes' counts of whole pictures from the history, after a restart."""
        now = self.now_ms()
        span = RECENT_KEPT * RECENT_SPACING_MS
        try:
            with self.history.snapshot() as connection:
                for settings in self.settings:
                    whole = next((zone for zone in settings.zones if zone.polygon is None), None)
                    if whole is None:
                        continue
                    rows = history_queries.history(
                        connection, settings.id, whole.id, now - span, now, "1s"
                    )
                    known = [(row["at"], row["count_mean"]) for row in rows[::2]]
                    first = next((i for i, point in enumerate(known) if point[1] is not None), None)
                    if first is not None:
                        self._recent[settings.id].extend(known[first:])
        except SQLAlchemyError as error:
            log.warning("history cannot be read", error=str(error))

    def _refresh(self, now: int) -> bool:
        """Take over the values of this moment; True when one changed."""
        with self._looking:
            return self._take(self.cameras(), now)

    def _take(self, values: Sequence[CameraValue], now: int) -> bool:
        with self._lock:
            before = self._revision
            for value in values:
                known = self._current.get(value.id)
                if known is None or known[1] != value:
                    self._revision = before + 1
                    self._current[value.id] = (self._revision, value)
                self._remember(value, now)
            return self._revision != before

    def _remember(self, value: CameraValue, now: int) -> None:
        recent = self._recent[value.id]
        at = now if value.count is None or value.reading_at is None else value.reading_at
        last_at, last = recent[-1] if recent else (0, None)
        if last is None and value.count is None:
            return  # one mark is enough for a gap
        edge = (last is None) != (value.count is None)
        if edge or at - last_at >= RECENT_SPACING_MS:
            recent.append((at, value.count))

    def _notify(self) -> None:
        with self._lock:
            subscribers = list(self._subscribers)
        for loop, event in subscribers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def _value(self, settings: CameraSettings) -> CameraValue:
        status = self.live.status(settings.id)
        last = self.live.reading(settings.id)
        reading = last if status.ok else None
        pair = self.overlays.latest(settings.id)
        if reading is not None:
            self._last_ok[settings.id] = shown_at(settings, reading)
        zones = tuple(self._zone(settings, zone, reading) for zone in settings.zones)
        known = [LEVELS.index(zone.level) for zone in zones if zone.level is not None]
        return CameraValue(
            id=settings.id,
            name=settings.title,
            status="ok" if reading else "unknown",
            reason=None if reading or status.reason is None else status.reason.value,
            detail="" if reading else status.detail,
            reading_at=self._last_ok.get(settings.id),
            count=round(reading.count, 2) if reading else None,
            low=round(reading.low, 2) if reading else None,
            high=round(reading.high, 2) if reading else None,
            level=LEVELS[max(known)] if known else None,
            zones=zones,
            picture_seq=pair[0].seq if pair else None,
            picture_at=pair[0].captured_at if pair else None,
        )

    def _zone(self, settings: CameraSettings, zone: Zone, reading: Reading | None) -> ZoneValue:
        """A zone's value: the alerts service's, or a whole picture's count without a level."""
        if reading is None:
            return ZoneValue(zone.id)
        row = self._zone_rows.get((settings.id, zone.id))
        limit_ms = 1000 * (freshness_limit_s(settings) + POLL_EVERY_S)
        if row is not None and reading.captured_at - row["at"] > limit_ms:
            row = None
        whole = zone.polygon is None
        if row is None and not whole:
            return ZoneValue(zone.id)
        # The picture's own count is a moment newer than what the alerts service wrote of it.
        counts = reading.model_dump(include=COUNTS) if whole or row is None else row
        return ZoneValue(
            id=zone.id,
            count=round(counts["count"], 2),
            low=round(counts["low"], 2),
            high=round(counts["high"], 2),
            density=_rounded(row, "density"),
            worst_cell=_rounded(row, "worst"),
            level=None if row is None or zone.levels is None else row["level"],
        )


def _rounded(row: Mapping[str, Any] | None, name: str) -> float | None:
    value = None if row is None else row[name]
    return None if value is None else round(value, 3)


def shown_at(settings: CameraSettings, reading: Reading) -> int:
    """The instant that a reading's age is told from, ms UTC.

    A file played faster than real time is stamped start + position, which is no time of day.
    """
    fast = settings.kind == "file" and settings.play.pace == "fast"
    return reading.published_at if fast else reading.captured_at
