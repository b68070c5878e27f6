"""Reading a crowd map: adaptive threshold, contours, maxima and the heads with their weights.

The paper binarises the map against the statistics of each neighbourhood, because generated maps
keep residual noise that a sum counts and a global threshold trips over, and takes each contour for
a person. Where people stand close a contour holds several, so here a contour is also split at its
maxima, and each head carries the mass of the map around it as its weight.

The paper's other open problem are near, large heads, which get several dots. At few steps they get
none: the map spreads a near head over as many pixels as its place is unsure, below any threshold.
So maxima that only together have the mass of a person are one head, and what mass lies under no
contour is read once more on a coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.crowd_map import KERNEL_SUM, SIGMA

ONE_PERSON = 1.2  # people: what maxima that are one head weigh at most together
# Chosen on validation, by F1 at 8 pixels and GAME(3).
WEAK = 0.5  # people: lighter heads count as mass under no contour
COARSE_STRIDE = 4  # pixels
COARSE_SIGMA = 6.0  # pixels, of the smoothing on the coarse grid
COARSE_JOINING = 24.0  # pixels
COARSE_LEAST = 0.7  # people: lighter ones are no heads, their mass goes to the next

Map = NDArray[np.float32]


@dataclass(frozen=True)
class ReadingSettings:
    """How a map is read; chosen on validation and stored with the weights."""

    window: float = 8.0  # sigma of the local mean, pixels
    offset: float = 0.03  # how far above the local mean, in kernel peaks
    smoothing: float = 0.7  # sigma of the smoothing before maxima are sought, pixels
    spacing: int = 3  # two maxima are at least so many pixels apart (odd)
    joining: float = 10.0  # pixels within which maxima with one person's mass are one head
    fixed_threshold: float = 0.3  # in kernel peaks; of the ablation without a local mean alone


class MapReading(NamedTuple):
    """The heads of one map and the counts by each way of reading it."""

    heads: NDArray[np.float32]  # (N, 3) x, y in pixels (first centre 0.5), weight; sum to ``mass``
    mass: float  # people by the sum of the map
    masked_mass: float  # people by the sum inside the contours
    contours: int  # people by the number of contours (the paper's reading)
    split: int  # people by contours split at maxima, a maximum with the mass of several counted so


def read_map(x: Map, settings: ReadingSettings, sigma: float = SIGMA) -> MapReading:
    """Heads and counts of a crowd map.

    Args:
        x: (H, W) crowd map, kernels of peak 1.
        settings: thresholds.
        sigma: of the map's kernels, pixels; other values are for ablations.

    Returns:
        Heads whose weights are the map's mass that lies nearest to them.
    """
    x = np.maximum(x, 0.0, dtype=np.float32)
    kernel_sum = KERNEL_SUM * (sigma / SIGMA) ** 2
    mass = float(x.sum()) / kernel_sum
    mask = adaptive_threshold(x, settings)
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    peaks = _maxima(x, mask, settings)
    inside = _near(mask, sigma)
    people = mass_around(x, peaks, inside) / kernel_sum
    fine = np.column_stack([_sub_pixel(x, peaks), people]).astype(np.float32)
    fine = joined(fine, settings.joining * sigma)
    rest = np.where(inside, 0, x / kernel_sum).astype(np.float32)
    heads = _with_coarse_heads(fine, rest)
    # Two heads closer than the map resolves share a maximum, and its mass tells.
    split = int(np.maximum(1, np.rint(heads[:, 2])).sum())
    return MapReading(heads, mass, float(people.sum()), len(contours), split)


def adaptive_threshold(x: Map, settings: ReadingSettings) -> NDArray[np.bool_]:
    """Where the map stands above its local Gaussian mean by the offset, (H, W)."""
    # A mean over so many pixels is smooth: taken on a grid of a quarter, it costs a twentieth.
    small = cv2.resize(x, _reduced(x.shape), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), settings.window / COARSE_STRIDE)
    local_mean = cv2.resize(small, x.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(x > local_mean + settings.offset)


def regions_above(x: Map, threshold: float) -> int:
    """Number of connected regions above one threshold everywhere: what adaptivity is against."""
    count, _ = cv2.connectedComponents((x > threshold).astype(np.uint8), connectivity=8)
    return int(count) - 1


def _with_coarse_heads(fine: NDArray[np.float32], rest: Map) -> NDArray[np.float32]:
    """The fine heads and those (N, 3) of mass that is too spread for a contour.

    All mass outside of contours goes to the nearest head, so that the weights sum to the map's.

    Args:
        fine: (M, 3) heads of the contours.
        rest: (H, W) the mass outside of them, in people per pixel.
    """
    reduced = _reduced(rest.shape)
    # The mean of a cell's pixels, as resizing takes it, times their number.
    cells = cv2.resize(rest, reduced, interpolation=cv2.INTER_AREA).astype(np.float32)
    cells *= np.float32(rest.size / cells.size)
    stride = rest.shape[1] / reduced[0], rest.shape[0] / reduced[1]  # pixels per cell, x and y
    sure = fine[:, 2] >= WEAK
    np.add.at(cells, tuple(_cells_of(fine[~sure], stride, reduced).T), fine[~sure, 2])
    smooth = cv2.GaussianBlur(cells, (0, 0), COARSE_SIGMA / COARSE_STRIDE).astype(np.float32)
    peaks = _highest(smooth, smooth > 1e-3 * COARSE_LEAST, 3)
    places = _sub_pixel(smooth, peaks) * np.array(stride, np.float32)
    coarse = np.column_stack([places, mass_around(cells, peaks)]).astype(np.float32)
    coarse = joined(coarse, COARSE_JOINING)
    heads = np.concatenate([fine[sure], coarse[coarse[:, 2] >= COARSE_LEAST]])
    if len(heads):
        heads[sure.sum() :, 2] = 0  # until the mass next to them is shared out, as the rest is
        at, first = np.unique(_cells_of(heads, stride, reduced), axis=0, return_index=True)
        heads[first, 2] += mass_around(cells, at.astype(np.int64))
    return np.asarray(heads[heads[:, 2] > 0])


def _cells_of(
    heads: NDArray[np.float32], stride: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.int64]:
    """(N, 2) row, column of the coarse cells in which heads lie."""
    columns, rows = (
        np.floor(heads[:, axis] / stride[axis]).astype(np.int64).clip(0, size[axis] - 1)
        for axis in (0, 1)
    )
    return np.stack([rows, columns], axis=1)


def _reduced(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of the coarse grid of a map (H, W)."""
    return -(-shape[1] // COARSE_STRIDE), -(-shape[0] // COARSE_STRIDE)


def joined(heads: NDArray[np.float32], within: float) -> NDArray[np.float32]:
    """Heads of which neighbours that together weigh no more than one person are one, (M, 3).

    The nearest are joined first; a joined head stands at the centre of its mass.

    Args:
        heads: (N, 3) x, y in pixels, weight in people.
        within: pixels.
    """
    pairs = cKDTree(heads[:, :2]).query_pairs(within, output_type="ndarray")
    pairs = pairs[heads[pairs, 2].sum(axis=1) <= ONE_PERSON]
    distances = np.linalg.norm(heads[pairs[:, 0], :2] - heads[pairs[:, 1], :2], axis=1)
    of, mass = list(range(len(heads))), heads[:, 2].tolist()

    def whole(part: int) -> int:
        while of[part] != part:
            part = of[part]
        return part

    for one, other in pairs[np.argsort(distances, kind="stable")].tolist():
        first, second = whole(one), whole(other)
        if first != second and mass[first] + mass[second] <= ONE_PERSON:
            of[second] = first
            mass[first] += mass[second]
    wholes, index = np.unique([whole(part) for part in of], return_inverse=True)
    weights = np.bincount(index, heads[:, 2])
    shares = heads[:, 2] / np.maximum(weights[index], 1e-9)
    x, y = (np.bincount(index, shares * heads[:, axis], len(wholes)) for axis in (0, 1))
    return np.stack([x, y, weights], axis=1).astype(np.float32)


def _near(mask: NDArray[np.bool_], sigma: float) -> NDArray[np.bool_]:
    """The mask grown by two sigma, so that it holds the skirts of the kernels in it."""
    radius = round(2 * sigma)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def _maxima(x: Map, mask: NDArray[np.bool_], settings: ReadingSettings) -> NDArray[np.int64]:
    """(N, 2) row, column of the local maxima inside the mask."""
    smooth = x
    if settings.smoothing:
        smooth = cv2.GaussianBlur(x, (0, 0), settings.smoothing).astype(np.float32, copy=False)
    return _highest(smooth, mask, settings.spacing)


def _highest(smooth: Map, mask: NDArray[np.bool_], spacing: int) -> NDArray[np.int64]:
    """(N, 2) row, column of the maxima inside the mask over ``spacing`` x ``spacing`` pixels."""
    highest = smooth >= cv2.dilate(smooth, np.ones((spacing, spacing), np.uint8))
    candidates = (highest & mask).astype(np.uint8)
    # A plateau of equal values is one maximum.
    count, _, _, centroids = cv2.connectedComponentsWithStats(candidates, connectivity=8)
    if count <= 1:
        return np.zeros((0, 2), np.int64)
    return np.rint(centroids[1:, ::-1]).astype(np.int64)


def mass_around(
    x: Map, peaks: NDArray[np.int64], inside: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Sums of a map (H, W), each pixel's going to the nearest peak.

    Args:
        x: the map.
        peaks: (N, 2) row, column.
        inside: (H, W) the pixels that are summed; all by default.

    Returns:
        (N,).
    """
    if len(peaks) == 0:
        return np.zeros(0, np.float32)
    seeds = np.ones(x.shape, np.uint8)
    seeds[peaks[:, 0], peaks[:, 1]] = 0
    _, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    chosen = (x > 0) if inside is None else inside
    sums = np.bincount(labels[chosen], weights=x[chosen], minlength=len(peaks) + 1)
    return np.asarray(sums[labels[peaks[:, 0], peaks[:, 1]]], np.float32)


def _sub_pixel(x: Map, peaks: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, 2) x, y of the centre of mass of the 3 x 3 pixels round each maximum."""
    padded = np.pad(x, 1)
    rows = peaks[:, 0, None, None] + np.arange(3)[None, :, None]
    columns = peaks[:, 1, None, None] + np.arange(3)[None, None, :]
    patches = padded[rows, columns] + 1e-6
    total = patches.sum(axis=(1, 2))
    offsets = np.array([-1.0, 0.0, 1.0])
    dx = (patches * offsets[None, None, :]).sum(axis=(1, 2)) / total
    dy = (patches * offsets[None, :, None]).sum(axis=(1, 2)) / total
    return np.stack([peaks[:, 1] + 0.5 + dx, peaks[:, 0] + 0.5 + dy], axis=1).astype(np.float32)
