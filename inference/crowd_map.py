"""The crowd map as a small grey picture, its people kept."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SMALL_WIDTH = 160  # pixels, at most


def shrunk(crowd_map: NDArray[np.float32], width: int = SMALL_WIDTH) -> NDArray[np.float32]:
    """A crowd map at most ``width`` px wide in which every pixel is the sum of a block.

    Args:
        crowd_map: (h, w), people per pixel.

    Returns:
        (ceil(h / k), ceil(w / k)) for the smallest fitting k; its sum is that of ``crowd_map``.
    """
    height, full_width = crowd_map.shape
    block = max(1, -(-full_width // width))
    padded = np.pad(crowd_map, ((0, -height % block), (0, -full_width % block)))
    rows, columns = padded.shape
    blocks = padded.reshape(rows // block, block, columns // block, block)
    return np.asarray(blocks.sum(axis=(1, 3), dtype=np.float64), dtype=np.float32)


def as_png(crowd_map: NDArray[np.float32]) -> tuple[bytes, float]:
    """The small crowd map as a greyscale PNG, and the people per pixel that 255 stands for."""
    small = np.maximum(shrunk(crowd_map), 0.0)
    peak = float(small.max(initial=0.0))
    scale = 255.0 / peak if peak > 0 else 0.0
    grey = np.rint(small * scale).astype(np.uint8)
    _, encoded = cv2.imencode(".png", grey)
    return encoded.tobytes(), peak
