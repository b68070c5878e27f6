"""Which heads belong to a zone, and what a camera's count says about one zone of it.

A zone is a polygon in fractions of the picture (origin at the top left). Zones may overlap: each
counts a head that lies in it, while the camera's total counts that head once. Zones that tile the
picture sum to the total, because the weights of a reading sum to its count and because a head on
an edge that two zones share belongs to exactly one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Polygon = Sequence[tuple[float, float]]
WHOLE_PICTURE: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True)
class ZoneCount:
    """People in a zone, with the 90 % interval: 0 <= low <= count <= high."""

    count: float
    low: float
    high: float


def points_in_polygon(points: ArrayLike, polygon: ArrayLike) -> NDArray[np.bool_]:
    """Which points lie in a polygon, by the even-odd rule.

    Half-open, so that a point on an edge shared by two polygons is in exactly one of them, which
    a closed or an open test cannot promise.

    Args:
        points: (N, 2) positions; a point that is not finite is outside.
        polygon: (M, 2) corners in order, M >= 3, in the same coordinates.

    Returns:
        (N,) booleans.
    """
    x, y = np.asarray(points, dtype=np.float64).reshape(-1, 2).T
    corners = np.asarray(polygon, dtype=np.float64)
    inside = np.zeros(len(x), dtype=np.bool_)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 > y2:  # one direction for an edge, whichever polygon it comes from
            x1, y1, x2, y2 = x2, y2, x1, y1
        crosses = (y1 <= y) & (y < y2)
        with np.errstate(invalid="ignore"):
            inside ^= crosses & ((x - x1) * (y2 - y1) < (x2 - x1) * (y - y1))
    return inside & np.isfinite(x)


def zone_weights(heads: ArrayLike, polygon: Polygon | None) -> NDArray[np.bool_]:
    """Which heads lie in a zone, judged in the picture.

    Without a ground calibration this is all that can be done: a zone drawn round the feet is then
    tested with heads, which stand higher in the picture (see `crowd.ground` for the right way).

    Args:
        heads: (N, 3) x, y (fractions of the picture) and weight (people).
        polygon: corners in fractions; None is the whole picture.

    Returns:
        (N,) booleans.
    """
    points = np.asarray(heads, dtype=np.float64).reshape(-1, 3)[:, :2]
    if polygon is None:
        return np.ones(len(points), dtype=np.bool_)
    # A head exactly on the right or bottom border of the picture would fall out of the half-open
    # test of a zone that reaches it.
    return points_in_polygon(np.clip(points, 0.0, 1.0 - 1e-9), polygon)


def count_in_zone(
    count: float,
    low: float,
    high: float,
    heads: ArrayLike,
    polygon: Polygon | None,
    inside: NDArray[np.bool_] | None = None,
    interval: Sequence[tuple[float, float, float]] = (),
) -> ZoneCount:
    """People in a zone, from a reading of the whole picture.

    The interval is what the model's calibration says of so many people, which was fitted on parts
    of pictures too. A reading without it gets the picture's, scaled by the square root of the
    zone's share of the people: errors of different places partly cancel in a total, so a part is
    relatively less certain than the whole. A zone then counts as holding at least one person, so
    that an empty zone of a full picture keeps an interval.

    Args:
        count: people in the picture; ``low`` and ``high`` are its 90 % interval.
        heads: (N, 3) x, y (fractions), weight; the weights sum to ``count``.
        polygon: corners in fractions; None is the whole picture, its values as they are.
        inside: (N,) which heads are in the zone, where that was judged on the ground
            (`crowd.ground.Ground.inside`) instead of in the picture.
        interval: of so many people, how far the truth lies below and above; rising.
    """
    if polygon is None and inside is None:
        return ZoneCount(count, min(low, count), max(high, count))
    table = np.asarray(heads, dtype=np.float64).reshape(-1, 3)
    if inside is None:
        inside = zone_weights(table, polygon)
    people = min(float(table[inside, 2].sum()), max(count, 0.0))
    if interval:
        return _interpolated(people, interval)
    share = sqrt(min(1.0, max(people, 1.0) / max(count, 1.0)))
    return ZoneCount(
        people,
        max(0.0, people - max(0.0, count - low) * share),
        people + max(0.0, high - count) * share,
    )


def _interpolated(people: float, interval: Sequence[tuple[float, float, float]]) -> ZoneCount:
    """The interval of a count; beyond the last row the distances grow with the count."""
    at, below, above = np.asarray(interval, dtype=np.float64).T
    growth = max(1.0, people / at[-1]) if at[-1] > 0 else 1.0
    low, high = (float(np.interp(people, at, side)) * growth for side in (below, above))
    return ZoneCount(people, max(0.0, people - low), people + high)
