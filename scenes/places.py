"""What a scene's place is made of; the two places themselves are in ``plaza`` and ``concourse``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.camera import Camera
from scenes.compose import Figure, cast_shadows
from scenes.furniture import Layer
from scenes.lens import Lens
from scenes.objects import KINDS, random_colours
from scenes.solids import Bytes, render_sprite
from scenes.textures import write
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
    size: tuple[int, int],
    lines: Sequence[str],
    ground: tuple[float, float, float],
    ink: tuple[float, float, float],
) -> Bytes:
    """A board, ``size`` (width, height) powers of two, with lines of text one below the other."""
    width, height = size
    board = np.full((height, width, 3), ground, np.uint8)
    row = height / len(lines)
    for index, line in enumerate(lines):
        write(board, line, (0, int(index * row), width, int(row)), ink)
    return board


def with_shadows(
    image: Bytes,
    camera: Camera,
    spots: Sequence[tuple[float, float, float]],
    strength: float,
    sun: tuple[float, float] | None,
) -> Bytes:
    """The backdrop with the shadows of what always stands there: (x, y, height) each, metres."""
    for x, y, high in spots:
        image = cast_shadows(
            image, camera, np.array([(x, y)]), strength=strength, sun=sun, stature=high
        )
    return image
