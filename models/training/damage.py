"""What cameras and streams do to a picture, done to training crops."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Heads = NDArray[np.float32]

WHOLE, BARS = 0.1, 0.5  # of the pictures that lack a part; the others have a privacy mask
BLACK = 0.7  # of the pictures that lack a part; the others have any colour there
LARGEST_BAR = 0.45  # of the picture, on either side


def exposed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Another exposure and colour."""
    out = picture
    if rng.random() < 0.6:
        gamma = math.exp(rng.uniform(-0.5, 0.5))
        contrast, shift = rng.uniform(0.7, 1.3), rng.uniform(-30, 30)
        levels = np.arange(256) / 255.0
        table = 255 * levels**gamma
        table = np.clip((table - 128) * contrast + 128 + shift, 0, 255)
        out = cv2.LUT(out, table.astype(np.uint8)).astype(np.uint8, copy=False)
    if rng.random() < 0.12:
        grey = cv2.cvtColor(out, cv2.COLOR_BGR2GRAY)
        out = np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8, copy=False)
    elif rng.random() < 0.3:
        cast = rng.uniform(0.85, 1.15, 3)
        out = np.clip(out * cast, 0, 255).astype(np.uint8)
    return out


def damaged(picture: Picture, rng: np.random.Generator) -> Picture:
    """What cameras and streams do to a picture: blur, scaling, noise, JPEG."""
    size = picture.shape[0]
    out = picture
    if rng.random() < 0.3:
        small = int(size * rng.uniform(0.33, 0.9))
        reduced = cv2.resize(out, (small, small), interpolation=cv2.INTER_AREA)
        out = cv2.resize(reduced, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    elif rng.random() < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 1.5)).astype(np.uint8, copy=False)
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 12), out.shape)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        quality = int(rng.integers(15, 81))
        _, coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.uint8, copy=False)  # type: ignore[union-attr]
    return out


def with_blank(picture: Picture, heads: Heads, rng: np.random.Generator) -> tuple[Picture, Heads]:
    """One colour where a stream has no picture: no signal, bars at two sides, a privacy mask.

    Returns:
        The picture, and those of its heads that can still be seen.
    """
    height, width = picture.shape[:2]
    blank = np.zeros((height, width), np.uint8)
    kind = rng.random()
    if kind < WHOLE:
        blank[:] = 1
    elif kind < WHOLE + BARS:
        rows = blank if rng.random() < 0.5 else blank.T
        first, last = (rng.uniform(0, LARGEST_BAR, 2) * len(rows)).astype(int)
        rows[:first] = rows[len(rows) - last :] = 1
    else:
        corners = rng.uniform(0, 1, (int(rng.integers(3, 6)), 2)) * (width, height)
        cv2.fillPoly(blank, [cv2.convexHull(corners.astype(np.int32))], 1)
    colour = rng.integers(0, 3) if rng.random() < BLACK else rng.integers(0, 256, 3)
    x, y = heads.astype(int).T
    seen = blank[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] == 0
    return np.where(blank[:, :, None] == 1, colour, picture).astype(np.uint8), heads[seen]
