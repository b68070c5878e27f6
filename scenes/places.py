"""What a scene's place is made of; the two places themselves are in ``plaza`` and ``concourse``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scenes.camera import Camera
from scenes.compose import Figure
from scenes.furniture import Layer
from scenes.lens import Lens
from scenes.objects import KINDS, random_colours
from scenes.solids import Bytes, render_sprite
from scenes.walkers import FloorPlan

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """A furnished place seen by its camera.

    ``backdrop`` (H, W, 3) is the empty ground and walls, ``layers`` what people may stand behind,
    ``sun`` the shadow of a head on the ground (metres) or None indoors, ``shadow`` how dark
    shadows are, ``light`` the brightness (N,) of ground points (N, 2), ``tint`` what the light
    does to colours, BGR.
    """

    camera: Camera
    plan: FloorPlan
    backdrop: Bytes
    layers: tuple[Layer, ...]
    lens: Lens
    shadow: float
    sun: tuple[float, float] | None
    light: Callable[[Floats], Floats]
    tint: tuple[float, float, float]


def thing_figure(
    kind: str, spot: tuple[float, float], camera: Camera, seed: int, resolution: float = 128.0
) -> Figure:
    """A piece of street furniture at a ground point, seen as from the camera."""
    rng = np.random.default_rng([29, seed])
    make = next(k for k in KINDS if k.__name__ == kind)
    solids, top = make(rng)
    elevation = float(camera.elevation([(*spot, top / 2)])[0])
    sprite = render_sprite(
        solids, np.array([0.0, 0.0, top]), 0.3, elevation, resolution=resolution, rng=rng
    )
    return Figure(sprite, random_colours(rng, kind), spot, (*spot, top), person=False)


def lettering(
    rng: np.random.Generator,
    size: tuple[int, int],
    ground: tuple[float, float, float],
    ink: tuple[float, float, float],
    rows: int,
    fill: float = 0.8,
) -> Bytes:
    """A board (height, width of powers of two) with rows of strokes that read like words."""
    width, height = size
    board = np.full((height, width, 3), ground, np.uint8)
    row = height / (rows + 0.4)
    for index in range(rows):
        y = int((index + 0.45) * row)
        tall = int(row * 0.55)
        x = int(tall * 0.8)
        end = width * (fill if rows == 1 else rng.uniform(0.5, 0.95))
        while x < end - tall:
            step = max(int(tall * rng.uniform(0.35, 0.7)), 2)
            if rng.random() > 0.16:
                _letter(rng, board, (x, y, int(step * 0.8), tall), ink)
            x += step
    return board


def _letter(
    rng: np.random.Generator,
    board: Bytes,
    frame: tuple[int, int, int, int],
    ink: tuple[float, float, float],
) -> None:
    x, y, w, h = frame
    thick = max(h // 7, 1)
    kind = int(rng.integers(4))
    if kind == 0:
        cv2.ellipse(board, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, ink, thick)
    elif kind == 1:
        cv2.line(board, (x, y), (x, y + h), ink, thick)
        cv2.line(board, (x, y + h // 2), (x + w, y + h // 2), ink, thick)
        cv2.line(board, (x + w, y), (x + w, y + h), ink, thick)
    elif kind == 2:
        cv2.line(board, (x, y + h), (x + w // 2, y), ink, thick)
        cv2.line(board, (x + w // 2, y), (x + w, y + h), ink, thick)
    else:
        for level in (0, h // 2, h):
            cv2.line(board, (x, y + level), (x + w, y + level), ink, thick)
        cv2.line(board, (x, y), (x, y + h), ink, thick)
