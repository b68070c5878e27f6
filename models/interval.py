"""The interval of a count: conformal calibration in bands of the predicted count.

For each band of predicted counts the truth's distance below and above the count is taken from the
signed residuals of calibration pictures, at the rank that conformal prediction asks for (Lei et
al., "Distribution-free predictive inference for regression", 2018), each side with half of the
miscoverage; between band centres it is interpolated. Residuals are of whole pictures and of
random polygons of them, so that one function serves cameras and zones.

Residuals are measured in a unit that grows with the count, since a band may hold 80 and 800 people.
With several samples of the diffusion (K > 1) the samples' spread is part of the unit, so that
pictures on which the samples disagree get wider intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

COVERAGES = (0.8, 0.9, 0.95)
COVERAGE = 0.9  # of the reported interval
BAND_EDGES = (0.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, math.inf)  # people
SMALLEST_BAND = 39  # residuals: below this the 97.5 % quantile is the largest and says little
UNIT = (1.0, 0.05)  # of residuals: people, and share of the count; the spread comes on top


@dataclass(frozen=True)
class Interval:
    """How far the truth lies below and above a count, at band centres, by coverage."""

    steps: int  # S and K that it was calibrated for
    samples: int
    centres: tuple[float, ...]  # people, rising
    below: Mapping[float, tuple[float, ...]]  # coverage to distances, in `unit`s
    above: Mapping[float, tuple[float, ...]]

    def bounds(
        self, count: float, spread: float = 0.0, coverage: float = COVERAGE
    ) -> tuple[float, float]:
        """Low and high of a count, people; low is never negative.

        Args:
            count: people.
            spread: standard deviation of the count over the K samples, people.
            coverage: one of `COVERAGES`.
        """
        _, low, high = next(row for row in self.curve(count, spread, coverage) if row[0] == count)
        return max(0.0, count - low), count + high

    def curve(
        self, count: float, spread: float = 0.0, coverage: float = COVERAGE
    ) -> tuple[tuple[float, float, float], ...]:
        """The interval for a picture and its parts: (people, below, above), rising.

        One row is the picture's own; between rows it is interpolated.

        Args:
            count: people in the whole picture, whose samples have this spread; a part's spread is
                taken in proportion.
            spread: people.
            coverage: one of `COVERAGES`.
        """
        rows = []
        for people in sorted({*self.centres, count}):
            part = spread * min(1.0, people / max(count, 1.0))
            low, high = (
                float(np.interp(people, self.centres, side[coverage])) * unit(people, part)
                for side in (self.below, self.above)
            )
            rows.append((people, round(low, 3), round(high, 3)))
        return tuple(rows)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, for a weights file's header."""
        return {
            "steps": self.steps,
            "samples": self.samples,
            "centres": list(self.centres),
            "below": {str(c): list(v) for c, v in self.below.items()},
            "above": {str(c): list(v) for c, v in self.above.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The interval of `to_json`."""
        below, above = (
            {float(c): tuple(v) for c, v in values[side].items()} for side in ("below", "above")
        )
        return cls(values["steps"], values["samples"], tuple(values["centres"]), below, above)


@dataclass(frozen=True)
class Residuals:
    """Counts with their truth, one row per picture or polygon of one."""

    count: NDArray[np.float64]  # people
    spread: NDArray[np.float64]  # people, over K samples
    true: NDArray[np.float64]  # people

    def where(self, chosen: NDArray[np.bool_]) -> Residuals:
        """The chosen rows."""
        return Residuals(self.count[chosen], self.spread[chosen], self.true[chosen])


def unit(count: float, spread: float) -> float:
    """The unit in which a count's residual is measured, people."""
    floor, share = UNIT
    return spread + floor + share * count


def calibrate(residuals: Residuals, steps: int, samples: int) -> Interval:
    """The interval of calibration residuals; bands with too few join the next.

    Raises:
        ValueError: there are fewer than `SMALLEST_BAND` residuals.
    """
    counts = residuals.count
    if len(counts) < SMALLEST_BAND:
        raise ValueError(f"{len(counts)} counts are too few to calibrate an interval")
    units = np.array([unit(c, s) for c, s in zip(counts, residuals.spread, strict=True)])
    signed = (residuals.true - counts) / units  # above zero: the truth is higher
    order = np.argsort(counts)
    groups = [order[start:stop] for start, stop in _groups(counts[order])]
    below: dict[float, tuple[float, ...]] = {}
    above: dict[float, tuple[float, ...]] = {}
    for coverage in COVERAGES:
        tail = (1 + coverage) / 2
        for side, sign in ((below, -1), (above, 1)):
            found = [max(0.0, conformal_quantile(sign * signed[g], tail)) for g in groups]
            side[coverage] = tuple(round(value, 3) for value in found)
    centres = tuple(round(float(np.median(counts[group])), 2) for group in groups)
    return Interval(steps, samples, centres, below, above)


def coverage_by_folds(
    residuals: Residuals, groups: NDArray[np.int64], samples: int, folds: int = 5
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each 90 % interval, calibrated on the other folds, holds the truth, and its width.

    Args:
        residuals: of pictures and polygons.
        groups: (N,) the picture that each row comes from; a picture is wholly in one fold.
        samples: K.
        folds: number of parts.
    """
    held = np.zeros(len(groups), np.bool_)
    width = np.zeros(len(groups))
    for fold in range(folds):
        tested = groups % folds == fold
        interval = calibrate(residuals.where(~tested), 0, samples)
        for row in np.flatnonzero(tested):
            low, high = interval.bounds(residuals.count[row], residuals.spread[row])
            held[row] = low <= residuals.true[row] <= high
            width[row] = high - low
    return held, width


def conformal_quantile(residuals: NDArray[np.float64], coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n residuals (the largest where n is too small)."""
    rank = min(len(residuals), math.ceil((len(residuals) + 1) * coverage))
    return float(np.sort(residuals)[rank - 1])


def nearest(intervals: Sequence[Interval], steps: int, samples: int) -> Interval:
    """The interval for S and K: for one sample or for several, then of the nearest S and K."""

    def distance(interval: Interval) -> tuple[bool, int, int]:
        other_kind = (interval.samples > 1) != (samples > 1)
        return other_kind, abs(interval.steps - steps), abs(interval.samples - samples)

    return min(intervals, key=distance)


def _groups(rising: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Index ranges of the bands, each with at least `SMALLEST_BAND` counts."""
    ranges: list[tuple[int, int]] = []
    start = 0
    for edge in BAND_EDGES[1:]:
        stop = int(np.searchsorted(rising, edge))
        if stop - start >= SMALLEST_BAND:
            ranges.append((start, stop))
            start = stop
    if start < len(rising):
        if not ranges:
            return [(0, len(rising))]
        first, _ = ranges.pop()
        ranges.append((first, len(rising)))
    return ranges
