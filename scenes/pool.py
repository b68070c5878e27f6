"""Sprites made once and used many times, each a fixed function of its number."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from scenes import bodies, objects, textures
from scenes.bodies import Body, Pose
from scenes.solids import Sprite, render_sprite
from scenes.textures import Texture

ELEVATIONS = (0.06, 0.2, 0.36, 0.54, 0.76, 1.0)  # radians
FINE, COARSE = 300.0, 96.0  # pixels a metre
COARSE_VARIANTS, FINE_VARIANTS, THING_VARIANTS, TEXTURE_VARIANTS = 72, 16, 4, 10
TURNS = 12  # views round a body


def elevation_bin(elevation: float) -> int:
    """The nearest entry of ELEVATIONS."""
    return int(np.argmin(np.abs(np.array(ELEVATIONS) - elevation)))


@lru_cache(maxsize=1024)
def person(variant: int, elevation: int, fine: bool) -> tuple[Sprite, Body]:
    """A person of the pool, seen from side ``variant % TURNS``."""
    rng = np.random.default_rng([11, variant, elevation, fine])
    body = bodies.random_body(rng)
    standing = str(rng.choice(bodies.STANDING_POSES)) if rng.random() < 0.5 else None
    pose = Pose(standing, float(rng.random()))
    azimuth = (variant % TURNS + float(rng.uniform(-0.4, 0.4))) * 2 * np.pi / TURNS
    sprite = render_sprite(
        bodies.solids_of(body, pose),
        bodies.head_centre(body),
        azimuth,
        ELEVATIONS[elevation],
        resolution=FINE if fine else COARSE,
        rng=rng,
        supersample=1 if fine else 2,
    )
    return sprite, body


@lru_cache(maxsize=512)
def thing(kind: int, variant: int, elevation: int) -> tuple[Sprite, float]:
    """A piece of street furniture and the height of its top, metres."""
    rng = np.random.default_rng([13, kind, variant, elevation])
    solids, top = objects.KINDS[kind](rng)
    sprite = render_sprite(
        solids,
        np.array([0.0, 0.0, top]),
        float(rng.uniform(-0.8, 0.8)),
        ELEVATIONS[elevation],
        resolution=COARSE,
        rng=rng,
    )
    return sprite, top


@lru_cache(maxsize=256)
def texture(
    make: Callable[[np.random.Generator], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
    metres: float,
    variant: int,
) -> Texture:
    """A texture of the pool."""
    name = sum(ord(c) * (i + 1) for i, c in enumerate(make.__name__))
    rng = np.random.default_rng([17, name, round(metres * 10), variant])
    return textures.pyramid(make(rng), (metres, metres))


@lru_cache(maxsize=8)
def wear(variant: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Repeating soft noise (256, 256) for stains."""
    rng = np.random.default_rng([19, variant])
    noise = textures.seamless_noise(rng, 8, 256) + 0.5 * textures.seamless_noise(rng, 32, 256)
    return np.asarray(noise, np.float32)
