"""A small Kalman filter that follows how many people a zone holds, and how fast that changes.

State: level (people) and slope (people per second). A reading's own 90 % interval is its
measurement noise, so a doubtful reading moves the filter less than a sure one. Unknown stretches
are respected: the longer since the last reading, the less the past weighs, and after a long gap, or
where the scene is another one, the filter starts again from what it sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z_90 = 1.645  # half width of a 90 % interval in standard deviations of a normal distribution


@dataclass(frozen=True)
class SmoothingSettings:
    """How fast a crowd may plausibly change.

    Chosen so that a true step is followed within about three readings at one a second: an alert
    must not wait for the filter. All noise is relative to the level with a floor in people, since
    big crowds change by more people than small ones.
    """

    level_noise: float = 0.12  # standard deviation of the level after 1 s, as a share of it
    slope_noise: float = 0.012  # the same for the slope, per second
    least_people: float = 4.0  # the level that small crowds are treated as
    least_sigma: float = 0.3  # people; no reading is surer than this
    interval_share: float = 1.0  # of a reading's interval that differs from frame to frame
    start_slope: float = 0.012  # how steep a crowd may be when the filter starts, like the level
    reset_after_s: float = 15.0  # a longer gap forgets the past
    jump: float | None = None  # a step by more than this share of the level forgets it too


# For where things are going rather than where they are: looks at minutes instead of seconds. Most
# of an interval is an error that all frames of a scene share, which does not disturb a trend.
TREND = SmoothingSettings(
    level_noise=0.004,
    slope_noise=3e-5,
    interval_share=0.4,
    start_slope=0.0003,
    reset_after_s=60.0,
    jump=0.35,
)


class Smoother:
    """The filter of one zone.

    Example:
        >>> smoother = Smoother()
        >>> smoother.step(0, 10.0, 9.0, 11.0)
        10.0
    """

    def __init__(self, settings: SmoothingSettings | None = None) -> None:
        self._settings = settings or SmoothingSettings()
        self._at: int | None = None
        self._state: NDArray[np.float64] = np.zeros(2)
        self._covariance: NDArray[np.float64] = np.zeros((2, 2))

    @property
    def level(self) -> float:
        """People, never below 0."""
        return max(0.0, float(self._state[0]))

    @property
    def slope(self) -> float:
        """People per second."""
        return float(self._state[1])

    @property
    def slope_error(self) -> float:
        """Standard deviation of the slope, people per second."""
        return float(np.sqrt(self._covariance[1, 1]))

    def reset(self) -> None:
        """Forget what was seen: the next reading shows another scene."""
        self._at = None

    def step(self, at_ms: int, count: float, low: float, high: float) -> float:
        """Take one reading and return the new level.

        Args:
            at_ms: when it was captured, ms UTC; later than the reading before.
            count: people; ``low`` and ``high`` are its 90 % interval.
        """
        settings = self._settings
        sigma = max(settings.least_sigma, settings.interval_share * (high - low) / (2 * Z_90))
        gap_s = None if self._at is None else (at_ms - self._at) / 1000
        self._at = at_ms
        scale = max(settings.least_people, self.level, count)
        new = gap_s is None or gap_s > settings.reset_after_s or gap_s <= 0
        if new or self._jumped(count, scale):
            self._state = np.array([count, 0.0])
            self._covariance = np.diag([sigma**2, (settings.start_slope * scale) ** 2])
            return self.level
        assert gap_s is not None
        self._predict(gap_s, scale)
        self._correct(count, sigma)
        return self.level

    def _jumped(self, count: float, scale: float) -> bool:
        jump = self._settings.jump
        return jump is not None and abs(count - self.level) > jump * scale

    def _predict(self, seconds: float, scale: float) -> None:
        move = np.array([[1.0, seconds], [0.0, 1.0]])
        wander = np.array([self._settings.level_noise, self._settings.slope_noise]) * scale
        self._state = move @ self._state
        self._covariance = move @ self._covariance @ move.T + np.diag(wander**2 * seconds)

    def _correct(self, count: float, sigma: float) -> None:
        gain = self._covariance[:, 0] / (self._covariance[0, 0] + sigma**2)
        self._state = self._state + gain * (count - self._state[0])
        self._covariance = self._covariance - np.outer(gain, self._covariance[0])
        self._covariance = (self._covariance + self._covariance.T) / 2
        if self._state[0] < 0:  # an emptying crowd ends at nobody
            self._state[:] = 0.0

    def to_state(self) -> dict[str, Any]:
        """The filter as JSON-ready values; `from_state` gives back one that goes on identically."""
        return {
            "at": self._at,
            "state": self._state.tolist(),
            "covariance": self._covariance.tolist(),
        }

    @classmethod
    def from_state(
        cls, stored: dict[str, Any], settings: SmoothingSettings | None = None
    ) -> Smoother:
        """The filter that `to_state` stored."""
        smoother = cls(settings)
        smoother._at = stored["at"]
        smoother._state = np.array(stored["state"], dtype=np.float64)
        smoother._covariance = np.array(stored["covariance"], dtype=np.float64)
        return smoother
