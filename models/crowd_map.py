"""Crowd maps: what the diffusion generates, and the counts that its losses compare.

A crowd map has one channel. Every head adds a Gaussian of sigma `SIGMA` pixels whose *peak* is 1,
at its sub-pixel place; kernels are added, not max-composited, so that the map's sum divided by
`KERNEL_SUM` is the number of heads however close they stand.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SIGMA = 1.0  # pixels of the working picture
KERNEL_SUM = 2.0 * np.pi * SIGMA**2  # sum of one kernel
_REACH = 4  # sigmas; the mass beyond is 3e-4 of the kernel's


def crowd_map(
    heads: NDArray[np.floating], height: int, width: int, sigma: float = SIGMA
) -> NDArray[np.float32]:
    """The crowd map of heads.

    Args:
        heads: (N, 2) x, y in pixels, the centre of the first pixel at 0.5, 0.5.
        height: of the map, pixels.
        width: of the map, pixels.
        sigma: of the kernels, pixels; other values are for ablations.

    Returns:
        (height, width); a head outside contributes what of its kernel lies inside.
    """
    radius = math.ceil(_REACH * sigma)
    padded = np.zeros((height + 2 * radius, width + 2 * radius), np.float32)
    inside = heads[
        (heads[:, 0] >= 0) & (heads[:, 0] < width) & (heads[:, 1] >= 0) & (heads[:, 1] < height)
    ]
    if len(inside) == 0:
        return padded[radius:-radius, radius:-radius]
    offsets = np.arange(-radius, radius + 1)
    corner = np.floor(inside).astype(np.int64)
    rest = inside - corner - 0.5  # of the head from the centre of its pixel
    gauss_x = np.exp(-((offsets[None] - rest[:, :1]) ** 2) / (2 * sigma**2))
    gauss_y = np.exp(-((offsets[None] - rest[:, 1:]) ** 2) / (2 * sigma**2))
    kernels = (gauss_y[:, :, None] * gauss_x[:, None, :]).astype(np.float32)
    rows = corner[:, 1, None, None] + radius + offsets[None, :, None]
    columns = corner[:, 0, None, None] + radius + offsets[None, None, :]
    np.add.at(padded, (rows, columns), kernels)
    return padded[radius:-radius, radius:-radius]


def cell_counts(
    heads: NDArray[np.floating], height: int, width: int, stride: int
) -> NDArray[np.float32]:
    """Heads in each cell of ``stride`` x ``stride`` pixels: (height/stride, width/stride)."""
    rows, columns = height // stride, width // stride
    cells = np.floor(heads / stride).astype(np.int64)
    inside = (
        (cells[:, 0] >= 0) & (cells[:, 0] < columns) & (cells[:, 1] >= 0) & (cells[:, 1] < rows)
    )
    flat = cells[inside, 1] * columns + cells[inside, 0]
    return np.bincount(flat, minlength=rows * columns).reshape(rows, columns).astype(np.float32)
