"""When a zone is raised to a level, escalates, eases and is cleared: an instrument, not a toy.

All durations run in event time (when the frames were captured), so a replay of stored readings
gives the same events as the live run did.

- A level is *raised* when the value was at or above it for ``raise_after`` seconds and at least
  three readings. A dip that stays above the clear line does not start the time anew, it only does
  not count, unless the value then keeps off the level for ``raise_after``.
- It is *cleared* when the value stayed below its clear line (the level minus its margin) for
  ``clear_after`` seconds without a break.
- An unknown stretch, a gap between readings longer than ``gap``, freezes both times: it neither
  raises nor clears.
- One incident lasts from the first raise above normal to the clear back to it; between them the
  zone may escalate and ease.
- At some hours of the week other levels may hold. A level that does not hold at a time is as if it
  were infinitely high.
- During maintenance nothing is raised and nothing escalates; what is open eases and clears.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

from crowd.calendar import Calendar, Hours, wall_clock

NORMAL = "normal"
LEVELS = (NORMAL, "watch", "warning", "critical")  # lowest first
READINGS_TO_RAISE = 3
UTC = ZoneInfo("UTC")


def rank(level: str) -> int:
    """0 for normal up to 3 for critical."""
    return LEVELS.index(level)


class EventKind(StrEnum):
    RAISED = "raised"
    ESCALATED = "escalated"
    EASED = "eased"
    CLEARED = "cleared"
    APPROACHING = "approaching"  # the trend leads to a level; no change of the zone's own


@dataclass(frozen=True)
class Event:
    """A change of a zone's level, or the notice that one is near."""

    kind: EventKind
    at_ms: int  # captured_at of the reading that decided it
    level: str  # the level from now on; for `approaching` the one that is near
    previous: str
    value: float  # in the unit of the levels, as are the next three
    low: float
    high: float
    peak: float  # highest value of the incident so far
    peak_level: str
    raised_ms: int | None = None  # when the incident was raised; None where there is none
    probable: bool = False  # only the upper end of the interval is at the level
    reached_in_s: float | None = None  # of `approaching`


@dataclass(frozen=True)
class Thresholds:
    """Values of levels, in any unit, and how far below each its clear line lies."""

    values: Mapping[str, float]
    margins: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.values or not set(self.values) <= set(LEVELS[1:]):
            raise ValueError(f"levels must be some of {', '.join(LEVELS[1:])}")
        values = [self.values[name] for name in LEVELS if name in self.values]
        if values != sorted(set(values)):
            raise ValueError("each level must be higher than the one below it")


@dataclass(frozen=True)
class LevelSettings:
    """A zone's levels.

    Args:
        thresholds: level name to value, in any unit.
        margins: level name to how far below its threshold the clear line lies.
        raise_after_s: seconds at or above a level until it is raised.
        clear_after_s: seconds below its clear line until it is cleared.
        gap_s: longest time between readings that still counts as watching.
        by_hours: hours of the week at which other thresholds hold; the first that fits is taken.
        timezone: of the place, for those hours.
        maintenance: when nothing may be raised.
        top_by_upper_bound: the highest level is reached by the upper end of the value's interval.
        approaching_s: warn of a level that the trend reaches within so many seconds; 0 never.
    """

    thresholds: Mapping[str, float]
    margins: Mapping[str, float]
    raise_after_s: float
    clear_after_s: float
    gap_s: float
    by_hours: tuple[tuple[Hours, Thresholds], ...] = ()
    timezone: ZoneInfo = UTC
    maintenance: Calendar | None = None
    top_by_upper_bound: bool = False
    approaching_s: float = 0.0

    def __post_init__(self) -> None:
        Thresholds(self.thresholds, self.margins)

    @property
    def names(self) -> list[str]:
        """The levels that hold at any time, lowest first."""
        given = set(self.thresholds).union(*(others.values for _, others in self.by_hours))
        return [name for name in LEVELS if name in given]

    def at(self, at_ms: int) -> Thresholds:
        """What holds at an instant, ms UTC."""
        if self.by_hours:
            weekday, minute = wall_clock(at_ms, self.timezone)
            for hours, others in self.by_hours:
                if hours.hold(weekday, minute):
                    return others
        return Thresholds(self.thresholds, self.margins)

    def in_maintenance(self, at_ms: int) -> bool:
        """Whether nothing may be raised at an instant, ms UTC."""
        return self.maintenance is not None and self.maintenance.holds(at_ms)


@dataclass
class _Dwell:
    """How long a value has been above, or below, one level."""

    above_s: float = 0.0
    above_readings: int = 0
    off_s: float = 0.0  # since the value was last at or above it
    below_s: float = 0.0
    below_readings: int = 0


@dataclass
class _State:
    at_ms: int | None = None
    level: str = NORMAL
    peak: float = 0.0
    peak_level: str = NORMAL
    raised_ms: int | None = None
    dwell: dict[str, _Dwell] = field(default_factory=dict)


class ZoneRules:
    """The levels of one zone, fed with one value per reading.

    Example:
        >>> rules = ZoneRules(LevelSettings({"warning": 20}, {"warning": 2}, 2, 30, gap_s=5))
        >>> [event.kind.value for at in range(5) for event in rules.step(at * 1000, 25, 24, 26)]
        ['raised']
    """

    def __init__(self, settings: LevelSettings) -> None:
        self._settings = settings
        self._names = settings.names
        self._state = _State(dwell={name: _Dwell() for name in self._names})

    @property
    def level(self) -> str:
        return self._state.level

    @property
    def peak(self) -> float:
        """Highest value of the open incident; 0 when there is none."""
        return self._state.peak

    @property
    def peak_level(self) -> str:
        return self._state.peak_level

    @property
    def raised_ms(self) -> int | None:
        """When the open incident was raised, ms UTC; None when there is none."""
        return self._state.raised_ms

    def step(self, at_ms: int, value: float, low: float, high: float) -> list[Event]:
        """Take one reading and return what changed: nothing, or one event.

        Args:
            at_ms: when it was captured, ms UTC. A reading that is not newer is ignored.
            value: in the unit of the levels; ``low`` and ``high`` are its 90 % interval.
        """
        state = self._state
        if state.at_ms is not None and at_ms <= state.at_ms:
            return []
        passed = 0.0 if state.at_ms is None else (at_ms - state.at_ms) / 1000
        state.at_ms = at_ms
        watched = passed if passed <= self._settings.gap_s else 0.0
        active = self._settings.at(at_ms)
        upper = high if self._settings.top_by_upper_bound else value
        for name, dwell in state.dwell.items():
            threshold = active.values.get(name, inf)
            compared = upper if name == self._names[-1] else value
            self._dwell(dwell, compared, watched, (threshold, active.margins.get(name, 0.0)))
        if self._settings.in_maintenance(at_ms):
            self._hold_back()
        if self.level != NORMAL or self._rising():
            state.peak = max(state.peak, value)
        else:
            state.peak = 0.0
        level = self._decide()
        if level == state.level:
            return []
        probable = value < active.values.get(level, value)
        return [self._change(level, at_ms, (value, low, high), probable)]

    def next_level(self, at_ms: int) -> tuple[str, float] | None:
        """The lowest level above the present one that holds at an instant, and its value."""
        values = self._settings.at(at_ms).values
        for name in self._names:
            if rank(name) > rank(self.level) and name in values:
                return name, values[name]
        return None

    def _dwell(
        self, dwell: _Dwell, value: float, watched: float, line: tuple[float, float]
    ) -> None:
        threshold, margin = line
        if value >= threshold:
            dwell.above_s += watched if dwell.above_readings else 0.0
            dwell.above_readings += 1
            dwell.off_s = 0.0
        else:
            dwell.off_s += watched
            if value < threshold - margin or dwell.off_s >= self._settings.raise_after_s:
                dwell.above_s, dwell.above_readings = 0.0, 0
        if value < threshold - margin:
            dwell.below_s += watched if dwell.below_readings else 0.0
            dwell.below_readings += 1
        else:
            dwell.below_s, dwell.below_readings = 0.0, 0

    def _hold_back(self) -> None:
        """Let the time above every level begin anew."""
        for dwell in self._state.dwell.values():
            dwell.above_s, dwell.above_readings = 0.0, 0

    def _rising(self) -> bool:
        return any(dwell.above_readings for dwell in self._state.dwell.values())

    def _decide(self) -> str:
        settings, state = self._settings, self._state
        for name in reversed(self._names):
            dwell = state.dwell[name]
            if rank(name) <= rank(state.level):
                break
            if (
                dwell.above_readings >= READINGS_TO_RAISE
                and dwell.above_s >= settings.raise_after_s
            ):
                return name
        if state.level == NORMAL or not self._is_below(state.level):
            return state.level
        lower = [name for name in self._names if rank(name) < rank(state.level)]
        return next((name for name in reversed(lower) if not self._is_below(name)), NORMAL)

    def _is_below(self, name: str) -> bool:
        dwell = self._state.dwell[name]
        return bool(dwell.below_readings) and dwell.below_s >= self._settings.clear_after_s

    def _change(
        self, level: str, at_ms: int, values: tuple[float, float, float], probable: bool
    ) -> Event:
        state, previous = self._state, self._state.level
        if rank(level) > rank(previous):
            kind = EventKind.RAISED if previous == NORMAL else EventKind.ESCALATED
        else:
            kind = EventKind.CLEARED if level == NORMAL else EventKind.EASED
            probable = False
        if kind is EventKind.RAISED:
            state.raised_ms = at_ms
        state.level = level
        state.peak_level = max(state.peak_level, level, key=rank)
        event = Event(
            kind,
            at_ms,
            level,
            previous,
            *values,
            state.peak,
            state.peak_level,
            state.raised_ms,
            probable,
        )
        if level == NORMAL:
            state.peak, state.peak_level, state.raised_ms = 0.0, NORMAL, None
        return event

    def restart(self) -> None:
        """Forget the times, not the level: the next reading may have any time."""
        self._state.at_ms = None
        self._state.dwell = {name: _Dwell() for name in self._names}

    def to_state(self) -> dict[str, Any]:
        """Everything remembered, as JSON-ready values."""
        return asdict(self._state)

    @classmethod
    def from_state(cls, settings: LevelSettings, stored: Mapping[str, Any]) -> ZoneRules:
        """The rules as `to_state` stored them, under settings that may have changed since.

        A level that no longer exists becomes the next one below it that does, or else the lowest:
        an open incident stays open until its zone is seen below.
        """
        rules = cls(settings)
        state = rules._state
        state.at_ms = stored["at_ms"]
        state.peak = stored["peak"]
        state.peak_level = stored["peak_level"]
        state.level = stored["level"]
        state.raised_ms = stored.get("raised_ms")  # the first release did not keep it
        if state.level != NORMAL and state.level not in rules._names:
            below = [name for name in rules._names if rank(name) < rank(state.level)]
            state.level = below[-1] if below else rules._names[0]
        for name, dwell in stored["dwell"].items():
            if name in state.dwell:
                state.dwell[name] = _Dwell(**dwell)
        return rules
