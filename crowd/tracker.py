"""One zone from readings to values and events: smoothing, density and levels in one place.

The live service and a replay of stored counts both run this class, which is why they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from crowd.levels import NORMAL, Event, EventKind, LevelSettings, ZoneRules
from crowd.smoothing import Smoother
from crowd.trend import Trend
from crowd.zones import ZoneCount

Unit = Literal["persons", "persons/m2"]


@dataclass(frozen=True)
class ZoneValue:
    """What a zone shows after a reading."""

    at_ms: int
    count: float  # people, as counted
    low: float
    high: float
    smoothed: float  # people
    density: float | None  # people per m2, of the smoothed count; None without an area
    worst: float | None  # people per m2 at the densest place, as measured; None without an area
    compared: float  # what the levels compare, in their unit; people without levels
    level: str


class ZoneTracker:
    """Follows one zone.

    Args:
        levels: None for a zone that only counts.
        unit: what the levels are measured in.
        area_m2: of the zone on the ground; needed for ``persons/m2``.
        cell_m2: compare the people in the densest cell of this size with the levels (which are in
            persons/m2), instead of the mean density.
    """

    def __init__(
        self,
        levels: LevelSettings | None = None,
        unit: Unit = "persons",
        area_m2: float | None = None,
        cell_m2: float | None = None,
    ) -> None:
        if levels is not None and unit == "persons/m2" and area_m2 is None:
            raise ValueError("levels in persons/m2 need the area of the zone")
        self._levels, self._unit, self._area, self._cell = levels, unit, area_m2, cell_m2
        self._smoother = Smoother()
        self._cell_smoother = Smoother()
        self._rules = None if levels is None else ZoneRules(levels)
        warns = levels is not None and levels.approaching_s > 0
        self._trend = Trend(levels.approaching_s) if levels is not None and warns else None
        self._at: int | None = None

    @property
    def level(self) -> str:
        return NORMAL if self._rules is None else self._rules.level

    @property
    def raised_ms(self) -> int | None:
        """When the open incident was raised, ms UTC; None when there is none."""
        return None if self._rules is None else self._rules.raised_ms

    @property
    def peak_level(self) -> str:
        """Highest level of the open incident; normal when there is none."""
        return NORMAL if self._rules is None else self._rules.peak_level

    @property
    def peak(self) -> float:
        """Highest value of the open incident, in the unit of the levels."""
        return 0.0 if self._rules is None else self._rules.peak

    def step(
        self, at_ms: int, people: ZoneCount, worst: float | None = None
    ) -> tuple[ZoneValue, list[Event]]:
        """Take the zone's count of one reading.

        Args:
            worst: people per m2 at the densest place, for a tracker with ``cell_m2``.

        Raises:
            ValueError: the reading is not newer than the one before, or ``worst`` is missing.
        """
        if self._at is not None and at_ms <= self._at:
            raise ValueError(f"reading of {at_ms} after one of {self._at}")
        self._at = at_ms
        smoothed = self._smoother.step(at_ms, people.count, people.low, people.high)
        measured, compared, scale = people, smoothed, 1.0
        if self._cell is not None:
            if worst is None:
                raise ValueError("the density of the worst cell is missing")
            measured = _in_cell(people, worst * self._cell)
            compared = self._cell_smoother.step(at_ms, measured.count, measured.low, measured.high)
            scale = 1 / self._cell
        elif self._unit == "persons/m2" and self._area:
            scale = 1 / self._area
        compared *= scale
        events = self._judge(at_ms, measured, compared, scale)
        density = smoothed / self._area if self._area else None
        value = ZoneValue(
            at_ms,
            people.count,
            people.low,
            people.high,
            smoothed,
            density,
            worst,
            compared,
            self.level,
        )
        return value, events

    def _judge(self, at_ms: int, measured: ZoneCount, compared: float, scale: float) -> list[Event]:
        """The events of a reading.

        Args:
            measured: people in the zone, or in its worst cell.
            compared: these smoothed, in the unit of the levels; ``scale`` is one person in it.
        """
        if self._rules is None or self._levels is None:
            return []
        # Smoothing takes the flicker out of a value, not the doubt about it.
        low = max(0.0, compared - (measured.count - measured.low) * scale)
        high = compared + (measured.high - measured.count) * scale
        events = self._rules.step(at_ms, compared, low, high)
        if self._trend is None:
            return events
        reading = (measured.count, measured.low, measured.high)
        following = self._rules.next_level(at_ms)
        left_s = self._trend.step(at_ms, reading, following, scale)
        if left_s is None or following is None or self._levels.in_maintenance(at_ms):
            return events
        near = Event(
            EventKind.APPROACHING,
            at_ms,
            following[0],
            self.level,
            compared,
            low,
            high,
            self._rules.peak,
            self._rules.peak_level,
            self._rules.raised_ms,
            reached_in_s=left_s,
        )
        return [*events, near]

    def begin_scene(self) -> None:
        """The next reading shows another scene: its count has nothing to do with those before."""
        self._smoother.reset()
        self._cell_smoother.reset()
        if self._trend is not None:
            self._trend.reset()

    def restart(self) -> None:
        """Let time begin anew, also earlier, keeping the level and the open incident.

        For a source that starts again with stamps that have already been.
        """
        self._at = None
        self.begin_scene()
        if self._rules is not None:
            self._rules.restart()

    def to_state(self) -> dict[str, Any]:
        """Everything remembered, as JSON-ready values."""
        return {
            "at": self._at,
            "smoother": self._smoother.to_state(),
            "cell_smoother": self._cell_smoother.to_state(),
            "trend": None if self._trend is None else self._trend.to_state(),
            "rules": None if self._rules is None else self._rules.to_state(),
            "area": self._area,
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Go on where `to_state` was called, perhaps under changed levels."""
        self._at = stored["at"]
        self._smoother = Smoother.from_state(stored["smoother"])
        self._cell_smoother = Smoother.from_state(stored["cell_smoother"])
        if self._levels is not None and stored["rules"] is not None:
            self._rules = ZoneRules.from_state(self._levels, stored["rules"])
        if self._trend is not None and stored.get("trend") is not None:
            self._trend.restore(stored["trend"])


def _in_cell(people: ZoneCount, count: float) -> ZoneCount:
    """The people in the worst cell, with the zone's relative interval."""
    share = count / people.count if people.count > 0 else 1.0
    return ZoneCount(count, people.low * share, people.high * share)
