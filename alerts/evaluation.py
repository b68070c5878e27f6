"""A camera's readings evaluated zone by zone: settings in, values and level events out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.messages import Reading
from core.settings import CameraSettings, Site, Zone
from core.status import freshness_limit_s
from crowd.configured import maintenance_of, zone_tracker
from crowd.density import DensityField
from crowd.ground import Ground
from crowd.levels import UTC, Event
from crowd.pose import GroundError
from crowd.tracker import ZoneTracker, ZoneValue
from crowd.zones import ZoneCount, count_in_zone

ASPECT_TOLERANCE = 0.02  # relative; resizing to whole pixels changes the aspect by less
DECIMALS = 4  # of people and densities
AHEAD_MS = 5_000  # readings stamped further in the future than this are of another clock


@dataclass(frozen=True)
class ZoneResult:
    """What one reading says about one zone."""

    zone: Zone
    value: ZoneValue
    events: list[Event]
    peak: float  # of the open incident, in the unit of the zone's levels
    state: dict[str, Any]  # of the zone's tracker after the reading, for `CameraZones.restore`
    new_scene: bool = False  # the reading has nothing to do with those before


class CameraZones:
    """The zones of one camera.

    Ground calibrations need the shape of the picture, so zones are prepared with the first
    reading, and again where a camera changes its shape. A zone whose calibration cannot be used is
    not evaluated at all, rather than wrongly; `faults` says why.
    """

    def __init__(self, camera: CameraSettings, site: Site | None = None) -> None:
        self.camera = camera
        self._timezone = UTC if site is None else site.site.zone
        windows = [] if site is None else site.alerts.maintenance
        self.maintenance = maintenance_of(windows, camera.id, self._timezone)
        self._new_scene = False
        self._position_s: float | None = None
        self.faults: dict[str, str] = {}
        self._aspect = 0.0
        self._grounds: dict[str, Ground] = {}
        self._fields: dict[str, DensityField] = {}  # of zones with a calibration
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

    def has_passed(self, reading: Reading) -> bool:
        """Whether the last one evaluated was this reading or a newer one."""
        return reading.captured_at <= self._last_at

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
            self._new_scene |= self._aspect > 0
            self._prepare(aspect)
        self._follow_recording(reading)
        new_scene, self._new_scene = self._new_scene, False
        results = []
        for zone in self.camera.zones:
            tracker = self._trackers.get(zone.id)
            if tracker is None:
                continue
            inside, worst = self._on_ground(zone, reading)
            people = count_in_zone(
                reading.count,
                reading.low,
                reading.high,
                reading.heads,
                zone.polygon,
                inside,
                reading.interval,
            )
            if new_scene:
                tracker.begin_scene()
            value, events = tracker.step(reading.captured_at, _rounded(people), worst)
            state = tracker.to_state()
            results.append(ZoneResult(zone, value, events, tracker.peak, state, new_scene))
        return results

    def skip(self, reading: Reading) -> None:
        """Leave out a reading of a picture that cannot be used; the next one shows a new scene.

        A covered lens shows nobody and a moved camera another place: neither may clear or raise.
        """
        if reading.captured_at > self._last_at:
            self._last_at, self._last_seq = reading.captured_at, reading.seq
            self._new_scene = True

    def _follow_recording(self, reading: Reading) -> None:
        """A recording that starts again shows another scene."""
        before, self._position_s = self._position_s, reading.position_s
        if before is not None and reading.position_s is not None and reading.position_s < before:
            self._new_scene = True

    def _on_ground(
        self, zone: Zone, reading: Reading
    ) -> tuple[NDArray[np.bool_] | None, float | None]:
        """Which heads are of people in the zone, and people per m2 at its densest place.

        None without a calibration.
        """
        ground = self._grounds.get(zone.id)
        if ground is None:
            return None, None
        places = ground.heads_to_ground(reading.heads)
        inside = ground.inside(places, zone.polygon)
        weights = [weight for _, _, weight in reading.heads]
        return inside, round(self._fields[zone.id].worst(places, weights, inside), DECIMALS)

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
            polygon = ground.zone_on_ground(zone.polygon)
            self._fields[zone.id] = DensityField(polygon, zone.ground.cell_m2)
        gap_s = freshness_limit_s(self.camera)
        tracker = zone_tracker(zone, area, gap_s, self._timezone, self.maintenance)
        if zone.id in self._stored:
            stored = self._stored[zone.id]
            tracker.restore(stored)
            if stored.get("restart"):
                tracker.restart()
        return tracker


def _rounded(people: ZoneCount) -> ZoneCount:
    """As it is kept in the history, where fewer digits take less space.

    Rounded before it is judged, so that a replay of what was kept is exactly the live run.
    """
    return ZoneCount(
        round(people.count, DECIMALS), round(people.low, DECIMALS), round(people.high, DECIMALS)
    )
