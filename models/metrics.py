"""Metrics of counting and of localisation, as the field defines them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

Points = NDArray[np.floating]


@dataclass(frozen=True)
class CountErrors:
    """Errors of counts over pictures, people per picture."""

    mae: float
    rmse: float
    nae: float  # |error| / true, over pictures with at least one person
    bias: float  # predicted minus true
    n: int


def count_errors(predicted: Sequence[float], true: Sequence[float]) -> CountErrors:
    """MAE, RMSE, NAE and bias.

    Raises:
        ValueError: there are no pictures, or the two differ in length.
    """
    if len(predicted) != len(true) or not len(true):
        raise ValueError(f"{len(predicted)} predictions for {len(true)} pictures")
    errors = np.asarray(predicted, np.float64) - np.asarray(true, np.float64)
    people = np.asarray(true, np.float64)
    with_people = people > 0
    nae = np.abs(errors[with_people]) / people[with_people]
    return CountErrors(
        mae=float(np.abs(errors).mean()),
        rmse=float(np.sqrt((errors**2).mean())),
        nae=float(nae.mean()) if len(nae) else 0.0,
        bias=float(errors.mean()),
        n=len(errors),
    )


def grid_error(
    heads: Points, weights: Points, true: Points, size: tuple[int, int], level: int
) -> float:
    """GAME(level) of one picture: absolute count errors summed over a 2^level x 2^level grid.

    Guerrero-Gomez-Olmedo et al., "Extremely overlapping vehicle counting", 2015.

    Args:
        heads: (N, 2) predicted x, y in pixels.
        weights: (N,) people each.
        true: (M, 2) annotated x, y in pixels.
        size: height and width of the picture in pixels.
        level: 0 is the plain absolute error.
    """
    cells = 2**level
    height, width = size

    def histogram(points: Points, mass: Points | None) -> NDArray[np.float64]:
        column = np.clip(points[:, 0] * cells / width, 0, cells - 1).astype(np.int64)
        row = np.clip(points[:, 1] * cells / height, 0, cells - 1).astype(np.int64)
        return np.bincount(row * cells + column, weights=mass, minlength=cells**2).astype(
            np.float64
        )

    return float(np.abs(histogram(heads, weights) - histogram(true, None)).sum())


def matched(heads: Points, true: Points, radius: float) -> int:
    """How many predicted heads can be paired one to one with annotated ones within a radius.

    Args:
        heads: (N, 2) in pixels.
        true: (M, 2) in pixels.
        radius: pixels.
    """
    if len(heads) == 0 or len(true) == 0:
        return 0
    near = cKDTree(heads).sparse_distance_matrix(cKDTree(true), radius, output_type="ndarray")
    if len(near) == 0:
        return 0
    shape = (len(heads), len(true))
    graph = csr_array((np.ones(len(near)), (near["i"], near["j"])), shape=shape)
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


@dataclass
class Localisation:
    """Matches within a radius, summed over pictures."""

    matches: int = 0
    predicted: int = 0
    annotated: int = 0

    def add(self, heads: Points, true: Points, radius: float) -> None:
        """Counts one picture in."""
        self.matches += matched(heads, true, radius)
        self.predicted += len(heads)
        self.annotated += len(true)

    @property
    def precision(self) -> float:
        return self.matches / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.matches / self.annotated if self.annotated else 0.0

    @property
    def f1(self) -> float:
        total = self.predicted + self.annotated
        return 2 * self.matches / total if total else 0.0
