"""Random pictures of random crowds for training: variety before beauty.

Cameras from a few metres to a mast, heads of about 4 to 100 pixels, day and night, crowds of up to
six people on a square metre, groups, lone walkers, empty places full of round things, and clutter
that is no place at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, exp, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from scenes import pool, textures
from scenes.backdrop import Wall, paint_ground, paint_wall, sky, stain
from scenes.camera import Camera
from scenes.clutter import clutter, exp_uniform
from scenes.compose import (
    Figure,
    Picture,
    cast_shadows,
    draw_figure,
    far_to_near,
    visible_heads,
)
from scenes.lens import Lens, photograph
from scenes.looks import random_palette
from scenes.objects import KINDS, random_colours
from scenes.solids import Bytes

HEAD_HEIGHT = 0.23  # metres from chin to crown
EMPTY_SHARE = 0.15
CLUTTER_SHARE = 0.2
SMALLEST_HEAD = 3.0  # pixels: nobody is placed where heads would be smaller
MOST_PEOPLE = 300
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Light:
    """Time of day: shadows, brightness of the place and what the lens makes of it."""

    shadow: float
    sun: tuple[float, float] | None
    night: bool


def training_picture(
    rng: np.random.Generator, size: tuple[int, int] = (512, 512)
) -> tuple[Bytes, NDArray[np.float32]]:
    """One random scene.

    Args:
        rng: decides everything; the same state gives the same picture.
        size: width and height in pixels, 64 or more each.

    Returns:
        The picture (H, W, 3) BGR uint8 and the centres of the heads of which at least half is
        visible, (N, 2) x, y in pixels (0 is the centre of the first pixel).
    """
    width, height = size
    if min(size) < 64:
        raise ValueError(f"size {size} is too small; 64 x 64 is the least")
    camera = _random_camera(rng, width, height)
    light = _random_light(rng)
    if rng.random() < CLUTTER_SHARE:
        nobody = np.zeros((0, 2), np.float32)
        return _photograph(rng, clutter(rng, size), camera, light), nobody
    image, walls = _backdrop(rng, camera, light)
    people = np.zeros((0, 2)) if rng.random() < EMPTY_SHARE else _people_places(rng, camera)
    people = _before_walls(people, walls)
    things = _before_walls(_thing_places(rng, camera, busy=not len(people)), walls)
    places = np.concatenate([people, things])
    image = cast_shadows(image, camera, places, strength=light.shadow, sun=light.sun)
    figures = _figures(rng, camera, people, things)
    picture = Picture.on(image)
    for index in far_to_near(camera, places):
        draw_figure(picture, camera, figures[index], int(index) + 1)
    heads = np.array([f.head for f in figures[: len(people)]]).reshape(-1, 3)
    seen = visible_heads(picture, camera, heads, range(1, len(people) + 1))
    points = camera.project(heads[seen]) - 0.5
    return _photograph(rng, picture.image, camera, light), points.astype(np.float32)


def _random_camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    """Head size at the picture's centre log-uniform; then height and tilt that fit it."""
    head = exp_uniform(rng, 4.0, 70.0)
    focal = width * exp_uniform(rng, 0.6, 2.4)
    reach = max(HEAD_HEIGHT * focal / head, 3.6)
    focal = reach * head / HEAD_HEIGHT
    # The picture's centre looks at about the height of chests, so that near heads are inside.
    wanted = rng.uniform(0.06, 0.8)
    above = float(np.clip(reach * sin(wanted), 0.6, 12.0))
    tilt = asin(min(above / reach, sin(0.9)))
    return Camera(float(reach * sin(tilt) + 1.2), tilt, float(focal), width, height)


def _random_light(rng: np.random.Generator) -> _Light:
    kind = rng.random()
    if kind < 0.35:  # sun
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 3.0)
        return _Light(
            float(rng.uniform(0.4, 0.75)), (length * cos(angle), length * sin(angle)), False
        )
    return _Light(float(rng.uniform(0.3, 0.75)), None, bool(kind > 0.82))


def _backdrop(rng: np.random.Generator, camera: Camera, light: _Light) -> tuple[Bytes, list[Wall]]:
    image = np.full((camera.picture_height, camera.width, 3), 120, np.uint8)
    grey = rng.uniform(130, 245)
    top = grey * np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.7, 1.0)])
    if light.night:
        top *= 0.12
    sky(image, camera, top, np.clip(top * rng.uniform(1.0, 1.3), 0, 255))
    make, metres = textures.GROUNDS[int(rng.integers(len(textures.GROUNDS)))]
    ground = pool.texture(make, metres, int(rng.integers(pool.TEXTURE_VARIANTS)))
    turn = float(rng.choice([0.0, np.pi / 4, rng.uniform(0, np.pi)]))
    paint_ground(image, camera, ground, (rng.uniform(0, 9), rng.uniform(0, 9)), turn)
    if rng.random() < 0.35:
        _lay_strip(rng, image, camera)
    strength, size = float(rng.uniform(0.02, 0.16)), float(rng.uniform(10, 40))
    stain(image, camera, pool.wear(int(rng.integers(8))), strength, size)
    walls = _walls(rng, camera) if rng.random() < 0.7 else []
    for wall in walls:
        paint_wall(image, camera, wall)
    return image, walls


def _before_walls(places: Floats, walls: list[Wall]) -> Floats:
    """Who stands on the camera's side of every wall, half a metre off."""
    for wall in walls:
        start, along = np.array(wall.start), np.array(wall.end) - np.array(wall.start)
        aside = np.array([-along[1], along[0]]) / np.linalg.norm(along)
        side = -np.sign(aside @ start) or 1.0  # the camera stands over the origin
        places = places[side * ((places - start) @ aside) > 0.5]
    return places


def _lay_strip(rng: np.random.Generator, image: Bytes, camera: Camera) -> None:
    """A second ground across the first: a path over grass, a road with its line, a carpet."""
    make, metres = textures.GROUNDS[int(rng.integers(len(textures.GROUNDS)))]
    second = image.copy()
    texture = pool.texture(make, metres, int(rng.integers(pool.TEXTURE_VARIANTS)))
    paint_ground(second, camera, texture, (0.0, 0.0), float(rng.uniform(0, np.pi)))
    reach = camera.height / np.tan(camera.tilt)
    angle, half = rng.uniform(0, np.pi), rng.uniform(0.8, 4.0)
    along = np.array([cos(angle), sin(angle)])
    aside = np.array([-along[1], along[0]])
    middle = np.array([rng.normal(0, 2), reach * rng.uniform(0.7, 1.5)])
    mask = np.zeros(image.shape[:2], np.uint8)
    _fill_ground(mask, camera, middle, along * 80, aside * half, 255)
    np.copyto(image, second, where=(mask > 127)[..., None])
    if rng.random() < 0.5:
        colour = (220, 220, 220) if rng.random() < 0.7 else (60, 190, 220)
        for side in (-1, 1):
            spot = middle + side * aside * (half - 0.1)
            _fill_ground(image, camera, spot, along * 80, aside * 0.07, colour)


def _fill_ground(
    image: Bytes,
    camera: Camera,
    middle: Floats,
    along: Floats,
    aside: Floats,
    colour: float | tuple[int, int, int],
) -> None:
    """Fill a rectangle on the ground, cut where it comes too near the camera."""
    steps = np.linspace(-1, 1, 161)
    left = middle + steps[:, None] * along + aside
    right = middle + steps[::-1, None] * along - aside
    outline = np.concatenate([left, right])
    points = np.concatenate([outline, np.zeros((len(outline), 1))], 1)
    kept = camera.depth(points) > 0.4
    if kept.sum() < 3:
        return
    pixels = np.clip(camera.project(points[kept]) * 16, -(2**19), 2**19)
    cv2.fillPoly(image, [np.rint(pixels).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _walls(rng: np.random.Generator, camera: Camera) -> list[Wall]:
    """A front across the far end and sometimes one along a side."""
    far = camera.height / np.tan(max(camera.tilt - 0.1, 0.05)) * rng.uniform(1.1, 2.2)
    half = camera.width / 2 / camera.focal * far
    gain = float(rng.uniform(0.6, 1.1))
    sides: list[tuple[tuple[float, float], tuple[float, float]]] = []
    back = far + rng.uniform(-0.3, 0.3) * half
    sides.append(((-3 * half - 30, far), (3 * half + 30, float(back))))
    if rng.random() < 0.5:
        x = half * rng.uniform(0.35, 1.0) * rng.choice([-1, 1])
        sides.append(((x, far + 5), (x, 0.0)))
    walls = []
    for start, end in sides:
        make, metres = textures.WALLS[int(rng.integers(len(textures.WALLS)))]
        texture = pool.texture(make, metres, int(rng.integers(pool.TEXTURE_VARIANTS)))
        walls.append(Wall(start, end, float(rng.uniform(2.0, 14.0)), texture, gain))
    return walls


def _visible_band(camera: Camera) -> tuple[float, float]:
    """Nearest and farthest ground distance where heads are in the picture and large enough."""
    above = max(camera.height - 1.5, 0.3)
    low = camera.tilt + np.arctan2(camera.picture_height / 2, camera.focal)
    near = above / np.tan(min(low, 1.45))
    high = camera.tilt - np.arctan2(camera.picture_height / 2, camera.focal)
    far = above / np.tan(high) if high > 0.02 else 1e9
    return float(max(near, 0.7)), float(min(far, HEAD_HEIGHT * camera.focal / SMALLEST_HEAD, 120.0))


def _spread(rng: np.random.Generator, camera: Camera, count: int) -> Floats:
    """Ground points (count, 2), uniform over the visible ground."""
    near, far = _visible_band(camera)
    spread = camera.width / 2 / camera.focal
    # Width grows with distance, so the distance itself is drawn by area.
    y = np.sqrt(rng.uniform(near**2, max(far, near + 0.5) ** 2, count))
    reach = y * cos(camera.tilt) + camera.height * sin(camera.tilt)
    return np.stack([rng.uniform(-1, 1, count) * spread * reach * 1.03, y], 1)


def _lattice(rng: np.random.Generator, middle: Floats, radii: Floats, density: float) -> Floats:
    """A shaken hexagonal lattice of ``density`` people on a square metre inside an ellipse."""
    step = np.sqrt(1.0 / density / 0.866)
    columns = np.arange(-radii[0], radii[0] + step, step)
    rows = np.arange(-radii[1], radii[1] + step, step * 0.866)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += step / 2
    points = np.stack([x.ravel(), y.ravel()], 1)
    points += rng.normal(0, step * 0.16, points.shape)
    inside = ((points / radii) ** 2).sum(1) < 1
    return np.asarray(middle + points[inside])


def _people_places(rng: np.random.Generator, camera: Camera) -> Floats:
    """Where people stand: lone walkers, groups, or a dense crowd."""
    near, far = _visible_band(camera)
    area = camera.width / camera.focal * (far**2 - near**2) / 2
    kind = rng.random()
    if kind < 0.4:  # sparse, over the whole ground
        density = exp_uniform(rng, 0.005, 0.4)
        count = int(np.clip(rng.poisson(density * area), 1, 120))
        places = _spread(rng, camera, count)
    elif kind < 0.52:  # groups of two to six
        places = np.concatenate(
            [
                spot + rng.normal(0, 0.55, (int(rng.integers(2, 7)), 2))
                for spot in _spread(rng, camera, int(rng.integers(1, 14)))
            ]
        )
    elif kind < 0.72:  # a crowd all over the picture
        least = exp_uniform(rng, 0.3, 5.0)
        places = _spread(rng, camera, int(np.clip(1.6 * least * area, 5, 1.6 * MOST_PEOPLE)))
    else:  # a crowd that has an edge
        density = exp_uniform(rng, 0.5, 6.0)
        middle = _spread(rng, camera, 1)[0]
        radius = np.sqrt(rng.uniform(30, MOST_PEOPLE) / density / np.pi)
        stretch = exp(rng.normal(0, 0.5))
        places = _lattice(rng, middle, np.array([radius * stretch, radius / stretch]), density)
        places = np.concatenate([places, _spread(rng, camera, int(rng.integers(0, 15)))])
    kept = _apart(places, 0.33)
    inside = (kept[:, 1] > max(near * 0.9, 0.6)) & (kept[:, 1] < far)
    return np.asarray(kept[inside][:MOST_PEOPLE])


def _apart(places: Floats, least: float) -> Floats:
    """Drop who stands within ``least`` metres of somebody listed before."""
    if len(places) < 2:
        return places
    gaps = ((places[:, None] - places[None]) ** 2).sum(2) < least**2
    kept: list[int] = []
    for index in range(len(places)):
        if not gaps[index, kept].any():
            kept.append(index)
    return places[kept]


def _thing_places(rng: np.random.Generator, camera: Camera, busy: bool) -> Floats:
    count = int(rng.integers(2, 25)) if busy else int(rng.poisson(3))
    places = _spread(rng, camera, count)
    return places[places[:, 1] > 2.0]


def _figures(
    rng: np.random.Generator, camera: Camera, people: Floats, things: Floats
) -> list[Figure]:
    figures = []
    facing = float(rng.uniform(0, 2 * np.pi))
    aligned = rng.random() < 0.45
    elevations = camera.elevation(np.column_stack([people, np.full(len(people), 1.2)]))
    depths = camera.depth(np.column_stack([people, np.full(len(people), 1.4)]))
    for place, elevation, depth in zip(people, elevations, depths, strict=True):
        fine = bool(camera.focal / max(depth, 0.3) > 130)
        side = int(rng.integers(pool.TURNS))
        if aligned:
            side = round(facing / (2 * np.pi) * pool.TURNS + rng.normal(0, 1)) % pool.TURNS
        count = (pool.FINE_VARIANTS if fine else pool.COARSE_VARIANTS) // pool.TURNS
        variant = side + pool.TURNS * int(rng.integers(max(count, 1)))
        sprite, body = pool.person(variant, pool.elevation_bin(float(elevation)), fine)
        gain = np.full(3, rng.uniform(0.8, 1.15), np.float32)
        x, y = float(place[0]), float(place[1])
        figures.append(
            Figure(
                sprite,
                random_palette(rng, body.hair),
                (x, y),
                (x, y, body.stature - 0.123),
                mirrored=bool(rng.random() < 0.5),
                gain=gain,
            )
        )
    for place in things:
        kind = int(rng.integers(len(KINDS)))
        elevation = float(camera.elevation([[place[0], place[1], 0.5]])[0])
        sprite, top = pool.thing(
            kind, int(rng.integers(pool.THING_VARIANTS)), pool.elevation_bin(elevation)
        )
        x, y = float(place[0]), float(place[1])
        colours = random_colours(rng, KINDS[kind].__name__)
        figures.append(Figure(sprite, colours, (x, y), (x, y, top), person=False))
    return figures


def _photograph(rng: np.random.Generator, image: Bytes, camera: Camera, light: _Light) -> Bytes:
    exposure = rng.uniform(0.35, 0.8) if light.night else rng.uniform(0.75, 1.25)
    cast = 1 + rng.normal(0, 0.06, 3)
    if light.night:
        cast *= (rng.uniform(0.6, 1.0), 0.95, 1.1)
    if rng.random() < 0.12:  # the camera sees less than the model gets: small pictures made large
        shrink = rng.uniform(0.4, 0.8)
        small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (camera.width, camera.picture_height)), np.uint8)
    lens = Lens(
        exposure=float(exposure),
        contrast=float(rng.uniform(0.8, 1.2)),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        haze=float(max(rng.normal(0, 0.1), 0)),
        blur=float(abs(rng.normal(0.5, 0.45))),
        vignette=float(rng.uniform(0, 0.4)),
        noise=float(abs(rng.normal(2, 3)) + (4 if light.night else 0)),
        jpeg=int(rng.integers(25, 96)) if rng.random() < 0.8 else None,
        saturation=float(rng.choice([0.0, rng.uniform(0.4, 1), 1.0], p=[0.06, 0.54, 0.4])),
    )
    return photograph(image, lens, rng)
