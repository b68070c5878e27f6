"""A warning before a level is reached: when the trend leads to it soon.

The trend is a slow Kalman filter of its own (`crowd.smoothing.TREND`), since the filter that the
levels compare follows a crowd within seconds, and a slope of seconds says nothing about minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crowd.smoothing import TREND, Smoother

SURE = 1.64  # standard deviations by which the slope must be above nothing: 19 times in 20
SUSTAINED_S = 15.0  # the trend must lead there for so long
CALM_S = 120.0  # and must not for so long before it is told again


@dataclass
class _State:
    at_ms: int | None = None
    leading_s: float = 0.0
    calm_s: float = 0.0
    told: str = ""  # the level that was told and is still near


class Trend:
    """Follows one zone, in the unit of its levels.

    Args:
        horizon_s: how many seconds ahead a level is told.
    """

    def __init__(self, horizon_s: float) -> None:
        self._horizon = horizon_s
        self._filter = Smoother(TREND)
        self._state = _State()

    def reset(self) -> None:
        """Forget what was seen: the next reading shows another scene, or another time."""
        self._filter.reset()
        self._state = _State(told=self._state.told)

    def step(
        self,
        at_ms: int,
        reading: tuple[float, float, float],
        next_level: tuple[str, float] | None,
        scale: float,
    ) -> float | None:
        """Take one reading, and say in how many seconds a level will be reached, once per approach.

        Args:
            reading: people and the 90 % interval, as counted and not smoothed.
            next_level: name and value of the level above the present one.
            scale: what one person is in the unit of the levels.
        """
        state = self._state
        passed = 0.0 if state.at_ms is None else (at_ms - state.at_ms) / 1000
        state.at_ms = at_ms
        people = self._filter.step(at_ms, *reading)
        if passed > TREND.reset_after_s:  # the filter starts anew as well
            state.leading_s = 0.0
            passed = 0.0
        left = None
        if next_level is not None and people * scale < next_level[1]:
            left = self._left_s(people, next_level[1] / scale)
        if left is None or next_level is None:
            state.leading_s = 0.0
            state.calm_s += passed
            if state.calm_s >= CALM_S:
                state.told = ""
            return None
        state.calm_s = 0.0
        state.leading_s += passed
        if state.leading_s < SUSTAINED_S or state.told == next_level[0]:
            return None
        state.told = next_level[0]
        return left

    def _left_s(self, people: float, threshold: float) -> float | None:
        """Seconds until the trend reaches a threshold; None if it does not within the horizon."""
        slope = self._filter.slope
        if slope <= SURE * self._filter.slope_error:
            return None
        left = (threshold - people) / slope
        return left if left <= self._horizon else None

    def to_state(self) -> dict[str, Any]:
        """Everything remembered, as JSON-ready values."""
        return {"filter": self._filter.to_state(), **vars(self._state)}

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Go on where `to_state` was called."""
        values = dict(stored)
        self._filter = Smoother.from_state(values.pop("filter"), TREND)
        self._state = _State(**values)
