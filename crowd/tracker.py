"""One zone from readings to values and events: smoothing, density and levels in one place.

The live service and a replay of stored counts both run this class, which is why they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from crowd.levels import NORMAL, Event, LevelSettings, ZoneRules
from crowd.smoothing import Smoother
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
    level: str


class ZoneTracker:
    """Follows one zone.

    Args:
        levels: None for a zone that only counts.
        unit: what the levels are measured in.
        area_m2: of the zone on the ground; needed for ``persons/m2``.
    """

    def __init__(
        self,
        levels: LevelSettings | None = None,
        unit: Unit = "persons",
        area_m2: float | None = None,
    ) -> None:
        if levels is not None and unit == "persons/m2" and area_m2 is None:
            raise ValueError("levels in persons/m2 need the area of the zone")
        self._levels, self._unit, self._area = levels, unit, area_m2
        self._smoother = Smoother()
        self._rules = None if levels is None else ZoneRules(levels)
        self._at: int | None = None

    @property
    def level(self) -> str:
        return NORMAL if self._rules is None else self._rules.level

    @property
    def peak(self) -> float:
        """Highest value of the open incident, in the unit of the levels."""
        return 0.0 if self._rules is None else self._rules.peak

    def step(self, at_ms: int, people: ZoneCount) -> tuple[ZoneValue, list[Event]]:
        """Take the zone's count of one reading.

        Raises:
            ValueError: the reading is not newer than the one before.
        """
        if self._at is not None and at_ms <= self._at:
            raise ValueError(f"reading of {at_ms} after one of {self._at}")
        self._at = at_ms
        smoothed = self._smoother.step(at_ms, people.count, people.low, people.high)
        per_unit = self._area if self._unit == "persons/m2" and self._area else 1.0
        events = []
        if self._rules is not None:
            values = (smoothed / per_unit, people.low / per_unit, people.high / per_unit)
            events = self._rules.step(at_ms, *values)
        density = smoothed / self._area if self._area else None
        value = ZoneValue(
            at_ms, people.count, people.low, people.high, smoothed, density, self.level
        )
        return value, events

    def restart(self) -> None:
        """Let time begin anew, also earlier, keeping the level and the open incident.

        For a source that starts again with stamps that have already been.
        """
        self._at = None
        self._smoother = Smoother()
        if self._rules is not None:
            self._rules.restart()

    def to_state(self) -> dict[str, Any]:
        """Everything remembered, as JSON-ready values."""
        return {
            "at": self._at,
            "smoother": self._smoother.to_state(),
            "rules": None if self._rules is None else self._rules.to_state(),
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Go on where `to_state` was called, perhaps under changed levels."""
        self._at = stored["at"]
        self._smoother = Smoother.from_state(stored["smoother"])
        if self._levels is not None and stored["rules"] is not None:
            self._rules = ZoneRules.from_state(self._levels, stored["rules"])
