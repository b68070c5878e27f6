"""How dense a zone is at its densest place: crushes are local, a mean hides them."""

from __future__ import annotations

from math import ceil, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from crowd.zones import points_in_polygon

CELL_M2 = 4.0
STEP_M = 0.25
MOST_STEPS = 600  # along the longer side of a zone; a larger zone gets a coarser grid
LEAST_WITHIN = 0.7  # places of which less lies within the zone are judged by their neighbours


class DensityField:
    """Density of a zone as a field, people per square metre, smoothed over ``cell_m2``.

    Each person is spread over the ground by a normal distribution whose peak is one person per
    ``cell_m2``. What it would spread beyond the zone's edge is made up for inside, so that a crowd
    pressed against a wall is not taken for half as dense; people outside the zone do not count.

    Args:
        polygon: (M, 2) corners of the zone on the ground, metres.
    """

    def __init__(self, polygon: ArrayLike, cell_m2: float = CELL_M2) -> None:
        corners = np.asarray(polygon, dtype=np.float64)
        self.cell_m2 = cell_m2
        self._corners = corners
        self._origin = corners.min(axis=0)
        size = np.ptp(corners, axis=0)
        self._step = max(STEP_M, float(size.max()) / MOST_STEPS)
        self._shape = (ceil(size[1] / self._step), ceil(size[0] / self._step))
        rows, columns = np.mgrid[: self._shape[0], : self._shape[1]] + 0.5
        centres = np.column_stack([columns.ravel(), rows.ravel()]) * self._step + self._origin
        self._inside = points_in_polygon(centres, corners).reshape(self._shape)
        if not self._inside.any():  # a zone narrower than a step
            self._inside[:] = True
        self._within = self._spread(self._inside.astype(np.float64))
        # Right in a corner the correction would make a crowd of a single person.
        enough = self._inside & (self._within >= LEAST_WITHIN)
        self._judged = enough if enough.any() else self._inside

    def worst(
        self,
        places: ArrayLike,
        weights: ArrayLike,
        inside: NDArray[np.bool_] | None = None,
    ) -> float:
        """People per square metre at the densest place.

        Args:
            places: (N, 2) where people stand, metres; those outside the zone are left out.
            weights: (N,) people.
            inside: (N,) who stands in the zone, where that is known already.
        """
        points = np.asarray(places, dtype=np.float64).reshape(-1, 2)
        people = np.asarray(weights, dtype=np.float64)
        standing = points_in_polygon(points, self._corners) if inside is None else inside
        if not standing.any():
            return 0.0
        grid = self._deposit(points[standing], people[standing])
        density = self._spread(grid)[self._judged] / self._within[self._judged]
        return float(density.max()) / self._step**2

    def _deposit(
        self, points: NDArray[np.float64], people: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """People per step of the grid, each shared out among the four nearest steps."""
        columns, rows = ((points - self._origin) / self._step - 0.5).T
        grid = np.zeros(self._shape)
        for right in (0, 1):
            for below in (0, 1):
                column, row = np.floor(columns) + right, np.floor(rows) + below
                share = (1 - np.abs(columns - column)) * (1 - np.abs(rows - row))
                place = (
                    np.clip(row, 0, self._shape[0] - 1).astype(int),
                    np.clip(column, 0, self._shape[1] - 1).astype(int),
                )
                np.add.at(grid, place, people * share)
        return grid

    def _spread(self, grid: NDArray[np.float64]) -> NDArray[np.float64]:
        sigma = sqrt(self.cell_m2 / (2 * pi)) / self._step
        return np.asarray(gaussian_filter(grid, sigma, mode="constant"), dtype=np.float64)
