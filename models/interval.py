"""The 90 % interval of a count, by split conformal calibration per band of the predicted count.

For each band of predicted counts the half width is the ceil((n + 1) 0.9)-th smallest absolute
residual of the n validation pictures in it (Lei et al., 2018), so that on exchangeable pictures at
least 90 % of the intervals hold the truth. Between band centres the width is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COVERAGE = 0.9
BAND_EDGES = (0.0, 5.0, 15.0, 40.0, 100.0, 250.0, 600.0, math.inf)  # people
SMALLEST_BAND = 19  # residuals: below this the 90 % quantile is the largest and says little


@dataclass(frozen=True)
class Interval:
    """Half widths at band centres; beyond the last centre the width grows in proportion."""

    centres: tuple[float, ...]  # people, rising
    half_widths: tuple[float, ...]  # people

    def bounds(self, count: float) -> tuple[float, float]:
        """Low and high of a count, people."""
        if not self.centres:
            return max(0.0, count), count
        half = float(np.interp(count, self.centres, self.half_widths))
        if count > self.centres[-1] > 0:
            half *= count / self.centres[-1]
        return max(0.0, count - half), count + half


def calibrate(predicted: Sequence[float], true: Sequence[float]) -> Interval:
    """The interval of validation pictures; bands with too few join the next.

    Raises:
        ValueError: there are fewer than `SMALLEST_BAND` pictures.
    """
    counts = np.asarray(predicted, np.float64)
    residuals = np.abs(counts - np.asarray(true, np.float64))
    if len(counts) < SMALLEST_BAND:
        raise ValueError(f"{len(counts)} pictures are too few to calibrate an interval")
    order = np.argsort(counts)
    groups = _groups(counts[order])
    centres, widths = [], []
    for start, stop in groups:
        chosen = order[start:stop]
        centres.append(float(np.median(counts[chosen])))
        widths.append(conformal_quantile(residuals[chosen], COVERAGE))
    widths = np.maximum.accumulate(widths).tolist()
    return Interval(tuple(centres), tuple(widths))


def conformal_quantile(residuals: NDArray[np.float64], coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n residuals (the largest where n is too small)."""
    rank = min(len(residuals), math.ceil((len(residuals) + 1) * coverage))
    return float(np.sort(residuals)[rank - 1])


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
