"""A town's plaza on a sunny afternoon, with an open-air stage, seen from a mast nine metres up."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenes import textures
from scenes.backdrop import Wall, paint_ground, paint_wall, sky, stain
from scenes.camera import Camera
from scenes.furniture import (
    Box,
    Layer,
    box_layer,
    figure_layer,
    ground_polygon,
    paint_stripes,
)
from scenes.lens import Lens
from scenes.places import Floats, Place, lettering, thing_figure, with_shadows
from scenes.solids import Bytes
from scenes.textures import pyramid
from scenes.walkers import FloorPlan

ZONE = (-2.6, 13.6, 2.4, 17.6)
SUN = (1.15, 0.75)
SHADE = ((-14.0, 6.0), (-5.2, 6.0), (-7.4, 33.0), (-14.0, 33.0))  # of the house on the left
SHADE_GAIN = 0.62
BENCHES = ((7.0, 13.0, 8.6, 13.5), (7.4, 18.5, 9.0, 19.0))
PLANTERS = ((5.4, 10.9, 6.6, 12.1), (9.4, 22.2, 10.8, 23.6), (-8.6, 23.0, -7.4, 24.2))
THINGS = (
    ("bin_", 6.4, 15.4), ("bollard", -6.2, 11.2), ("bollard", -6.2, 13.4), ("bollard", -6.2, 15.6),
    ("bollard", -6.2, 17.8), ("bollard", -6.2, 20.0), ("globe", 9.6, 15.6), ("parasol", 11.0, 26.5),
    ("table", 11.6, 26.0), ("parasol", 8.0, 28.5), ("bin_", -4.4, 26.6), ("lamp", 4.6, 25.5),
    ("lamp", -5.6, 29.5), ("sign", 5.2, 31.0), ("bush", 6.0, 11.5), ("bush", 10.1, 22.9),
    ("bush", -8.0, 23.6), ("cone", -4.0, 21.0), ("cone", 4.2, 21.4),
)  # fmt: skip

HEIGHTS = {"bin_": 0.9, "lamp": 3.4, "sign": 2.3, "parasol": 2.3, "cone": 0.7, "globe": 0.4}


def plaza(width: int, height: int) -> Place:
    """The place in a picture of the given size, pixels."""
    camera = Camera(9.0, 0.43, 0.98 * width, width, height)
    rng = np.random.default_rng(31)
    plan = FloorPlan(
        zone=ZONE,
        stage=(-0.1, 21.5),
        entrances=(
            (-11.0, 14.0), (11.5, 11.5), (-15.5, 27.0), (17.5, 24.5), (-3.0, 6.2), (4.0, 6.2),
            (13.5, 17.0), (-12.5, 19.0),
        ),
        obstacles=(
            *(((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2) for x0, y0, x1, y1 in BENCHES),
            *(((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2 + 0.2) for x0, y0, x1, y1 in PLANTERS),
            *((x, y, 0.35) for kind, x, y in THINGS if kind != "bush"),
            (-2.0, 21.6, 1.2), (0.0, 21.6, 1.2), (2.0, 21.6, 1.2),
        ),
        groups=((6.2, 24.0),),
    )  # fmt: skip
    return Place(
        camera=camera,
        plan=plan,
        backdrop=_backdrop(camera, rng),
        layers=_layers(camera, rng),
        lens=Lens(exposure=1.02, contrast=1.05, cast=(0.95, 1.0, 1.04), blur=0.55, vignette=0.22,
                  noise=2.6, jpeg=None, saturation=0.9),
        shadow=0.62,
        sun=SUN,
        light=_light,
        tint=(0.97, 1.0, 1.04),
    )  # fmt: skip


def _light(places: Floats) -> Floats:
    """Full sun, or the shade of the house."""
    outline = np.array(SHADE, np.float32)
    inside = [cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0 for x, y in places]
    return np.where(inside, SHADE_GAIN, 1.0)


def _backdrop(camera: Camera, rng: np.random.Generator) -> Bytes:
    image = np.full((camera.picture_height, camera.width, 3), 150, np.uint8)
    sky(image, camera, (235, 215, 190), (240, 230, 220))
    slabs = pyramid(_paving(rng), (6.4, 6.4))
    paint_ground(image, camera, slabs, (0.3, 0.1), 0.0)
    _carriageway(image, camera, rng)
    noise = np.asarray(
        textures.seamless_noise(rng, 8, 256) + 0.6 * textures.seamless_noise(rng, 40, 256),
        np.float32,
    )
    stain(image, camera, noise, 0.05, 24.0)
    x0, y0, x1, y1 = ZONE
    border = ((x0, y0, x1, y0), (x1, y0, x1, y1), (x1, y1, x0, y1), (x0, y1, x0, y0))
    paint_stripes(image, camera, border, 0.1, (70, 190, 230), 0.65)
    _houses(image, camera, rng)
    _manholes(image, camera, ((4.4, 14.4), (-4.2, 11.6), (8.4, 25.4), (-0.8, 27.8)))
    lit = [(x, y, HEIGHTS[kind]) for kind, x, y in THINGS if kind in HEIGHTS and x > -5.2]
    lit += [((p[0] + p[2]) / 2 + 0.3, p[3] - 0.1, 1.2) for p in PLANTERS]
    image = with_shadows(image, camera, lit, 0.62, SUN)
    image = _stage_shadow(image, camera)
    return _house_shade(image, camera)


def _paving(rng: np.random.Generator) -> Bytes:
    """Granite slabs in staggered rows with a darker band each 6.4 m."""
    side = textures.SIDE
    grey = np.ones((side, side), np.float32)
    rows, columns = 16, 8
    high, wide = side // rows, side // columns
    for r in range(rows):
        shift = wide // 2 if r % 2 else 0
        tones = 1 + 0.035 * rng.standard_normal(columns)
        grey[r * high : (r + 1) * high] = np.roll(np.repeat(tones, wide), shift)
        grey[r * high : r * high + 2] *= 0.83
        for c in range(columns):
            x = (c * wide + shift) % side
            grey[r * high : (r + 1) * high, x : x + 2] *= 0.85
    grey[: 2 * high] *= 0.78
    grey[:, :wide] *= 0.84
    fine = rng.standard_normal((side, side)) * 0.03 + 0.02 * textures.seamless_noise(rng, 48)
    colour = (grey + fine)[..., None] * np.array((158, 168, 176))
    return np.asarray(np.clip(colour, 0, 255), np.uint8)


def _carriageway(image: Bytes, camera: Camera, rng: np.random.Generator) -> None:
    """The street along the far houses: asphalt, a kerb, a broken line."""
    road = image.copy()
    asphalt = pyramid(textures.asphalt(rng), (9.0, 9.0))
    paint_ground(road, camera, asphalt, (0.0, 0.0), 0.0)
    mask = np.zeros(image.shape[:2], np.uint8)
    strip = [(-40.0, 29.6), (40.0, 29.6), (40.0, 33.6), (-40.0, 33.6)]
    cv2.fillConvexPoly(mask, ground_polygon(camera, strip), 255, cv2.LINE_AA, 4)
    cv2.copyTo(road, mask, image)
    paint_stripes(image, camera, ((-40, 29.5, 40, 29.5),), 0.22, (175, 185, 190), 1.0)
    dashes = tuple((x, 31.6, x + 1.6, 31.6) for x in np.arange(-20.0, 20.0, 3.6))
    paint_stripes(image, camera, dashes, 0.14, (225, 230, 232), 0.8)


def _houses(image: Bytes, camera: Camera, rng: np.random.Generator) -> None:
    """A row of fronts across the far side and one house along the left."""
    x = -30.0
    for index in range(9):
        wide = float(rng.uniform(6.0, 9.0))
        base = textures.shop_front(rng) if index % 3 != 1 else textures.facade(rng)
        shop = pyramid(base, (wide, 4.2))
        upper = pyramid(textures.facade(rng), (wide, 6.0))
        gain = float(rng.uniform(0.85, 1.02))
        far = 36.0
        paint_wall(image, camera, Wall((x, far), (x + wide, far), 10.2, upper, gain, bottom=4.2))
        paint_wall(image, camera, Wall((x, far), (x + wide, far), 4.2, shop, gain))
        x += wide
    left = pyramid(textures.facade(rng), (9.0, 8.0))
    paint_wall(image, camera, Wall((-14.0, 18.0), (-14.0, 36.0), 9.0, left, 0.62))


def _manholes(image: Bytes, camera: Camera, spots: tuple[tuple[float, float], ...]) -> None:
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for spot in spots:
        for radius, tone in ((0.36, 70), (0.31, 105), (0.2, 92)):
            ring = np.array(spot) + radius * np.stack([np.cos(turns), np.sin(turns)], 1)
            outline = ground_polygon(camera, ring)
            cv2.fillConvexPoly(image, outline, (tone, tone, tone + 3), cv2.LINE_AA, 4)


def _stage_shadow(image: Bytes, camera: Camera) -> Bytes:
    """The stage's back wall shades the ground behind it and to the right."""
    reach = np.array(SUN) * 3.4 / 1.7
    left, right = np.array((-3.2, 22.6)), np.array((3.0, 22.6))
    return _shaded(image, camera, np.array([left, left + reach, right + reach, (3.0, 20.6)]))


def _house_shade(image: Bytes, camera: Camera) -> Bytes:
    return _shaded(image, camera, SHADE)


def _shaded(image: Bytes, camera: Camera, outline: ArrayLike) -> Bytes:
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, ground_polygon(camera, outline), 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), camera.width / 400).astype(np.float32) / 255
    shade = 1 - soft[..., None] * (1 - np.array((0.72, 0.64, 0.58), np.float32))
    return np.asarray(np.clip(image * shade, 0, 255), np.uint8)


def _layers(camera: Camera, rng: np.random.Generator) -> tuple[Layer, ...]:
    wood = pyramid(_planks(rng, (70, 100, 140)), (1.2, 1.2))
    stone = pyramid(_planks(rng, (150, 155, 160)), (2.4, 2.4))
    boxes = [Box((*b[:2], *b[2:]), 0.45, wood, (85, 120, 165)) for b in BENCHES]
    boxes += [Box(p, 0.5, stone, (60, 75, 70)) for p in PLANTERS]
    black = pyramid(np.full((64, 64, 3), 38, np.uint8), (2.0, 2.0))
    boxes.append(Box((-3.2, 20.6, 3.0, 22.6), 0.7, black, (62, 64, 68)))
    boxes += [Box((x, 20.9, x + 0.55, 21.4), 2.0, black, (30, 30, 30)) for x in (-3.1, 2.35)]
    layers = [box_layer(camera, box) for box in boxes]
    layers += [_banner(camera)]
    layers += [
        figure_layer(camera, thing_figure(kind, (x, y), camera, index))
        for index, (kind, x, y) in enumerate(THINGS)
    ]
    return tuple(layer for layer in layers if layer is not None)


def _banner(camera: Camera) -> Layer | None:
    """The stage's back wall with a printed cloth."""
    cloth = lettering(
        (512, 128), ("SUMMER STAGE", "  free concerts  "), (96, 52, 30), (230, 230, 235)
    )
    band = np.linspace(1.1, 0.8, 128)[:, None, None]
    cloth = np.asarray(np.clip(cloth * band, 0, 255), np.uint8)
    box = Box((-3.2, 22.4, 3.0, 22.6), 3.4, pyramid(cloth, (6.2, 2.7)), (60, 60, 60), bottom=0.7)
    return box_layer(camera, box)


def _planks(rng: np.random.Generator, colour: tuple[float, float, float]) -> NDArray[np.uint8]:
    grey = np.ones((128, 128), np.float32)
    for row in range(0, 128, 32):
        grey[row : row + 32] *= 1 + 0.06 * rng.standard_normal()
        grey[row : row + 3] *= 0.6
    grey += 0.04 * rng.standard_normal((128, 128)).astype(np.float32)
    return np.asarray(np.clip(grey[..., None] * np.array(colour), 0, 255), np.uint8)
