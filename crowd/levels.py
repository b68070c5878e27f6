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
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

NORMAL = "normal"
LEVELS = (NORMAL, "watch", "warning", "critical")  # lowest first
READINGS_TO_RAISE = 3


def rank(level: str) -> int:
    """0 for normal up to 3 for critical."""
    return LEVELS.index(level)


class EventKind(StrEnum):
    RAISED = "raised"
    ESCALATED = "escalated"
    EASED = "eased"
    CLEARED = "cleared"


@dataclass(frozen=True)
class Event:
    """A change of a zone's level."""

    kind: EventKind
    at_ms: int  # captured_at of the reading that decided it
    level: str  # the level from now on
    previous: str
    value: float  # in the unit of the levels, as are the next three
    low: float
    high: float
    peak: float  # highest value of the incident so far
    peak_level: str


@dataclass(frozen=True)
class LevelSettings:
    """A zone's levels.

    Args:
        thresholds: level name to value, in any unit.
        margins: level name to how far below its threshold the clear line lies.
        raise_after_s: seconds at or above a level until it is raised.
        clear_after_s: seconds below its clear line until it is cleared.
        gap_s: longest time between readings that still counts as watching.
    """

    thresholds: Mapping[str, float]
    margins: Mapping[str, float]
    raise_after_s: float
    clear_after_s: float
    gap_s: float

    def __post_init__(self) -> None:
        if not self.thresholds or not set(self.thresholds) <= set(LEVELS[1:]):
            raise ValueError(f"levels must be some of {', '.join(LEVELS[1:])}")
        values = [self.thresholds[name] for name in self.names]
        if values != sorted(set(values)):
            raise ValueError("each level must be higher than the one below it")

    @property
    def names(self) -> list[str]:
        """The levels given, lowest first."""
        return [name for name in LEVELS if name in self.thresholds]


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
        self._state = _State(dwell={name: _Dwell() for name in settings.names})

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
        for name, dwell in state.dwell.items():
            self._dwell(name, dwell, value, watched)
        if self.level != NORMAL or self._rising():
            state.peak = max(state.peak, value)
        else:
            state.peak = 0.0
        level = self._decide()
        if level == state.level:
            return []
        return [self._change(level, at_ms, (value, low, high))]

    def _dwell(self, name: str, dwell: _Dwell, value: float, watched: float) -> None:
        settings = self._settings
        threshold = settings.thresholds[name]
        if value >= threshold:
            dwell.above_s += watched if dwell.above_readings else 0.0
            dwell.above_readings += 1
            dwell.off_s = 0.0
        else:
            dwell.off_s += watched
            if value < threshold - settings.margins[name] or dwell.off_s >= settings.raise_after_s:
                dwell.above_s, dwell.above_readings = 0.0, 0
        if value < threshold - settings.margins[name]:
            dwell.below_s += watched if dwell.below_readings else 0.0
            dwell.below_readings += 1
        else:
            dwell.below_s, dwell.below_readings = 0.0, 0

    def _rising(self) -> bool:
        return any(dwell.above_readings for dwell in self._state.dwell.values())

    def _decide(self) -> str:
        settings, state = self._settings, self._state
        for name in reversed(settings.names):
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
        lower = [name for name in settings.names if rank(name) < rank(state.level)]
        return next((name for name in reversed(lower) if not self._is_below(name)), NORMAL)

    def _is_below(self, name: str) -> bool:
        dwell = self._state.dwell[name]
        return bool(dwell.below_readings) and dwell.below_s >= self._settings.clear_after_s

    def _change(self, level: str, at_ms: int, values: tuple[float, float, float]) -> Event:
        state, previous = self._state, self._state.level
        if rank(level) > rank(previous):
            kind = EventKind.RAISED if previous == NORMAL else EventKind.ESCALATED
        else:
            kind = EventKind.CLEARED if level == NORMAL else EventKind.EASED
        state.level = level
        state.peak_level = max(state.peak_level, level, key=rank)
        event = Event(kind, at_ms, level, previous, *values, state.peak, state.peak_level)
        if level == NORMAL:
            state.peak, state.peak_level = 0.0, NORMAL
        return event

    def restart(self) -> None:
        """Forget the times, not the level: the next reading may have any time."""
        self._state.at_ms = None
        self._state.dwell = {name: _Dwell() for name in self._settings.names}

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
        if state.level != NORMAL and state.level not in settings.thresholds:
            below = [name for name in settings.names if rank(name) < rank(state.level)]
            state.level = below[-1] if below else settings.names[0]
        for name, dwell in stored["dwell"].items():
            if name in state.dwell:
                state.dwell[name] = _Dwell(**dwell)
        return rules
