"""Pictures full of things that are nobody's head: heaps, fields of blossoms, rows of seats.

A counter that has only seen crowds takes anything small, round and many for one. The heaps are
"dead leaves" (shapes that cover each other, sizes by a power law), which have the statistics of
natural pictures: Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 2001.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenes.solids import Bytes
from scenes.textures import seamless_noise

Colour = NDArray[np.float64]  # BGR


def clutter(rng: np.random.Generator, size: tuple[int, int]) -> Bytes:
    """One picture without anybody, (H, W, 3) BGR, of ``size`` (width, height)."""
    make = (_heap, _field, _rows)[int(rng.integers(3))]
    width, height = size
    return make(rng, width, height)


def _heap(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Dead leaves: discs, boxes and splinters that cover each other."""
    image = _ground(rng, width, height)
    colours = _palette(rng, int(rng.integers(2, 9)))
    smallest = rng.uniform(2, 8)
    count = int(rng.uniform(0.5, 3.0) * width * height / (smallest * 6) ** 2)
    # A power law of exponent 3, as in natural pictures, cut off where one thing would be all.
    radii = np.minimum(smallest / np.sqrt(rng.uniform(1e-4, 1, count)), min(width, height) / 4)
    kind = rng.random(3)
    for radius in radii:
        place = rng.uniform((0, 0), (width, height))
        _draw(rng, image, place, float(radius), _varied(rng, colours), kind)
    return image


def _field(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Blossoms, fruit or stones on the ground, smaller and closer towards the horizon."""
    image = _ground(rng, width, height)
    colours = _palette(rng, int(rng.integers(1, 4)))
    near = exp_uniform(rng, 3, 30)
    far = near * rng.uniform(0.08, 0.7)
    horizon = rng.uniform(-0.3, 0.4) * height
    count = int(rng.uniform(0.1, 0.6) * width * height / (near * far * 4 + 30))
    kind = rng.random(3)
    for along in np.sort(rng.random(min(count, 2500)) ** rng.uniform(1.0, 2.0)):
        radius = far + (near - far) * along
        place = np.array([rng.uniform(0, width), horizon + along * (height * 1.05 - horizon)])
        _draw(rng, image, place, float(radius * rng.uniform(0.6, 1.3)), _varied(rng, colours), kind)
    return image


def _rows(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Seats, bottles, parked cars: the same thing again and again, row behind row."""
    image = _ground(rng, width, height)
    colours = _palette(rng, int(rng.integers(1, 3)))
    near = exp_uniform(rng, 6, 50)
    shrink = rng.uniform(0.8, 0.98)
    rows: list[tuple[float, float]] = []
    y, radius = height * 1.05, near
    while y > 0 and radius > 2 and len(rows) < 60:
        rows.append((y, radius))
        y -= radius * rng.uniform(1.6, 1.9) * 0.8
        radius *= shrink
    gap, slant = rng.uniform(2.1, 3.5), rng.normal(0, 0.15)
    kept = rng.uniform(0.6, 1.0)
    kind = rng.random(3)
    for y, radius in reversed(rows):
        start = rng.uniform(0, gap) * radius
        for x in np.arange(start - gap * radius, width + radius, gap * radius):
            if rng.random() < kept:
                place = np.array([x, y + slant * x])
                _draw(rng, image, place, radius, _varied(rng, colours, 0.06), kind)
    return image


def exp_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between ``low`` and ``high`` whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _ground(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """A mottled ground of one colour."""
    noise = seamless_noise(rng, int(rng.integers(4, 40))) + 0.7 * seamless_noise(rng, 128)
    tiled = cv2.resize(noise, (max(width, height),) * 2)[:height, :width]
    tone = 1 + rng.uniform(0.03, 0.25) * tiled
    return np.clip(tone[..., None] * _palette(rng, 1)[0], 0, 255).astype(np.uint8)


def _palette(rng: np.random.Generator, count: int) -> list[Colour]:
    grey = rng.uniform(25, 230, (count, 1))
    return list(np.clip(grey * np.exp(rng.normal(0, rng.uniform(0.05, 0.6), (count, 3))), 0, 255))


def _varied(rng: np.random.Generator, colours: list[Colour], much: float = 0.15) -> Colour:
    colour = colours[int(rng.integers(len(colours)))]
    return np.asarray(np.clip(colour * np.exp(rng.normal(0, much)), 0, 255))


def _draw(
    rng: np.random.Generator,
    image: Bytes,
    place: NDArray[np.float64],
    radius: float,
    colour: Colour,
    kind: NDArray[np.float64],
) -> None:
    """One thing: a dark rim below, its body, a highlight above; ``kind`` is that of the picture."""
    stretch, turn = 0.45 + 0.9 * kind[1], float(180 * kind[2] + rng.normal(0, 15))
    axes = (radius, radius * stretch)
    for shift, share, tone in ((0.15, 1.0, 0.55), (0.0, 0.95, 1.0), (-0.3, 0.45, 1.25)):
        middle = place + np.array([0.5 * shift, shift]) * radius
        box = (tuple(middle.tolist()), (2 * share * axes[0], 2 * share * axes[1]), turn)
        shade = np.clip(colour * tone, 0, 255).tolist()
        if kind[0] < 0.6:
            cv2.ellipse(image, box, shade, -1, cv2.LINE_AA)
        else:
            corners = np.rint(cv2.boxPoints(box) * 16).astype(np.int32)
            cv2.fillConvexPoly(image, corners, shade, cv2.LINE_AA, 4)
