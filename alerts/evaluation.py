"""A camera's readings evaluated zone by zone: settings in, values and level events out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.messages import Reading
from core.settings import CameraSettings, Levels, Zone
from core.status import freshness_limit_s
from crowd.density import DensityField
from crowd.ground import Ground
from crowd.levels import Event, LevelSettings
from crowd.pose import GroundError
from crowd.tracker import ZoneTracker, ZoneValue
from crowd.zones import count_in_zone

ASPECT_TOLERANCE = 0.02  # relative; resizing to whole pixels changes the aspect by less
AHEAD_MS = 5_000  # readings stamped further in the future than this are of another clock


@dataclass(frozen=True)
class ZoneResult:
    """What one reading says about one zone."""

    zone: Zone
    value: ZoneValue
    events: list[Event]
    peak: float  # of the open incident, in the unit of the zone's levels
    state: dict[str, Any]  # of the zone's tracker after the reading, for `CameraZones.restore`


class CameraZones:
    """The zones of one camera.

    Ground calibrations need the shape of the picture, so zones are prepared with the first
    reading, and again where a camera changes its shape. A zone whose calibration cannot be used is
    not evaluated at all, rather than wrongly; `faults` says why.
    """

    def __init__(self, camera: CameraSettings) -> None:
        self.camera = camera
        self.faults: dict[str, str] = {}
        self._aspect = 0.0
        self._grounds: dict[str, Ground] = {}
        self._fields: dict[str, DensityField] = {}  # of zones with `measure: worst_cell`
        self._trackers: dict[str, ZoneTracker] = {}
        self._stored: dict[str, Mapping[str, Any]] = {}
        self._last_at = -1
        self._last_seq = -1

    def restore(self, zone_id: str, at: int, seq: int, state: Mapping[str, Any]) -> None:
        """Go on from a stored state of a zone.

        Args:
            at: when its last reading was captured, ms UTC; ``seq`` is that reading's number.
        """
        self._stored[zone_id] = state
        if at > self._last_at:
            self._last_at, self._last_seq = at, seq

    def evaluate(self, reading: Reading, now_ms: int) -> list[ZoneResult]:
        """One result per zone; none for a reading that is not newer than the last one."""
        if reading.captured_at <= self._last_at:
            # A file played fast runs ahead of the clock. When it is started again its new readings
            # are older by their stamps, though not by their numbers, and time starts again.
            if self._last_at <= now_ms + AHEAD_MS or reading.seq <= self._last_seq:
                return []
            self._restart()
        self._last_at, self._last_seq = reading.captured_at, reading.seq
        aspect = reading.width / reading.height
        if abs(aspect - self._aspect) > ASPECT_TOLERANCE * aspect:
            self._prepare(aspect)
        results = []
        for zone in self.camera.zones:
            tracker = self._trackers.get(zone.id)
            if tracker is None:
                continue
            ground = self._grounds.get(zone.id)
            inside = None if ground is None else ground.heads_inside(reading.heads, zone.polygon)
            people = count_in_zone(
                reading.count, reading.low, reading.high, reading.heads, zone.polygon, inside
            )
            value, events = tracker.step(reading.captured_at, people, self._worst(zone, reading))
            results.append(ZoneResult(zone, value, events, tracker.peak, tracker.to_state()))
        return results

    def _worst(self, zone: Zone, reading: Reading) -> float | None:
        """Density of the zone's densest place, where its levels ask for that."""
        field = self._fields.get(zone.id)
        if field is None:
            return None
        places = self._grounds[zone.id].heads_to_ground(reading.heads)
        return field.worst(places, [weight for _, _, weight in reading.heads])

    def _restart(self) -> None:
        for tracker in self._trackers.values():
            tracker.restart()
        for zone_id, state in self._stored.items():
            self._stored[zone_id] = {**state, "restart": True}

    def _prepare(self, aspect: float) -> None:
        for zone_id, tracker in self._trackers.items():
            self._stored[zone_id] = tracker.to_state()
        self._aspect = aspect
        self._trackers, self._grounds, self._fields, self.faults = {}, {}, {}, {}
        for zone in self.camera.zones:
            try:
                self._trackers[zone.id] = self._tracker(zone)
            except GroundError as error:
                self.faults[zone.id] = str(error)

    def _tracker(self, zone: Zone) -> ZoneTracker:
        area = None
        if zone.ground is not None:
            ground = Ground(
                zone.ground.picture,
                zone.ground.metres,
                self._aspect,
                zone.ground.head_height,
                zone.ground.camera_height,
            )
            area = ground.area_m2(zone.polygon)
            self._grounds[zone.id] = ground
        if zone.levels is None:
            tracker = ZoneTracker(area_m2=area)
        else:
            levels = level_settings(zone.levels, freshness_limit_s(self.camera))
            field = self._field(zone)
            cell = None if field is None else field.cell_m2
            tracker = ZoneTracker(levels, zone.levels.unit, area, cell)
        if zone.id in self._stored:
            stored = self._stored[zone.id]
            tracker.restore(stored)
            if stored.get("restart"):
                tracker.restart()
        return tracker

    def _field(self, zone: Zone) -> DensityField | None:
        """The density field of a zone whose levels compare its densest place."""
        ground = self._grounds.get(zone.id)
        if ground is None or zone.levels is None or zone.levels.measure != "worst_cell":
            return None
        if zone.levels.unit != "persons/m2":
            return None  # the people of a zone have no densest place
        self._fields[zone.id] = DensityField(ground.zone_on_ground(zone.polygon))
        return self._fields[zone.id]


def level_settings(levels: Levels, gap_s: float) -> LevelSettings:
    """A zone's levels from the site file as `crowd.levels` takes them."""
    thresholds = levels.thresholds()
    return LevelSettings(
        thresholds,
        {name: levels.margin(threshold) for name, threshold in thresholds.items()},
        levels.raise_after,
        levels.clear_after,
        gap_s,
    )
