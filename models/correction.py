"""A last correction of the count: one factor for each band of counts, fitted on validation.

A map that is right on average over all pictures can still be too low where people are few and
small and too high where they are many. The factor is what the map's sum lacks in a band: true
people over counted people. It is stored with the weights and used only if it helps on validation
pictures that it was not fitted on; the tables show the map's own sum beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDGES = (8.0, 25.0, 80.0, 250.0, 800.0)  # people; a band lies between two of them
SMALLEST_BAND = 15  # pictures
LARGEST = 0.25  # how far a factor may be from one


@dataclass(frozen=True)
class Correction:
    """Factors at band centres, interpolated over the logarithm of the count."""

    centres: tuple[float, ...] = ()  # people, rising; none is no correction
    factors: tuple[float, ...] = ()

    def __call__(self, count: float) -> float:
        """The corrected count, people."""
        if not self.centres or count <= 0:
            return count
        return count * float(np.interp(np.log(count), np.log(self.centres), self.factors))


NO_CORRECTION = Correction()


def fit(counts: NDArray[np.float64], true: NDArray[np.float64]) -> Correction:
    """The correction that these pictures ask for.

    Args:
        counts: (N,) people by the sum of the map.
        true: (N,) people.
    """
    centres, factors = [], []
    for low, high in zip((1.0, *EDGES), (*EDGES, np.inf), strict=True):
        band = (counts >= low) & (counts < high)
        if band.sum() < SMALLEST_BAND:
            continue
        factor = float(true[band].sum() / counts[band].sum())
        centres.append(round(float(np.exp(np.log(counts[band]).mean())), 2))
        factors.append(round(float(np.clip(factor, 1 - LARGEST, 1 + LARGEST)), 4))
    return Correction(tuple(centres), tuple(factors))


def by_folds(
    counts: NDArray[np.float64], true: NDArray[np.float64], folds: int = 5
) -> NDArray[np.float64]:
    """(N,) counts, each corrected by what the other folds ask for."""
    corrected = counts.copy()
    for fold in range(folds):
        tested = np.arange(len(counts)) % folds == fold
        correction = fit(counts[~tested], true[~tested])
        corrected[tested] = [correction(count) for count in counts[tested]]
    return corrected


def relative_error(
    counts: NDArray[np.float64], true: NDArray[np.float64], names: Sequence[str]
) -> float:
    """Mean over the data sets of MAE over mean count, so that each set weighs the same."""
    sets = np.asarray(names)
    errors = [
        np.abs(counts[sets == name] - true[sets == name]).mean() / max(true[sets == name].mean(), 1)
        for name in np.unique(sets)
    ]
    return float(np.mean(errors))
