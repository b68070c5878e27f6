"""A station's concourse: polished floor, pillars, shops and a row of ticket gates, lamp light."""

from __future__ import annotations

import cv2
import numpy as np

from scenes import textures
from scenes.backdrop import Wall, paint_ground, paint_wall, stain
from scenes.camera import Camera
from scenes.furniture import Box, Layer, box_layer, figure_layer, ground_polygon, paint_stripes
from scenes.lens import Lens
from scenes.places import Floats, Place, lettering, thing_figure, with_shadows
from scenes.solids import Bytes
from scenes.textures import pyramid
from scenes.walkers import FloorPlan

ZONE = (-2.4, 9.4, 2.8, 13.4)
GATES_Y = 16.0
GATES_X = (-3.6, -2.4, -1.2, 0.0, 1.2, 2.4, 3.6)
PILLARS = ((-5.6, 12.6), (5.9, 12.6), (-5.6, 20.5), (5.9, 20.5))
SIDE, END = 10.0, 27.0  # metres to the side walls and the end wall
KIOSK = (6.6, 15.2, 8.8, 17.4)
BENCHES = ((-8.8, 14.0, -8.2, 16.4), (-8.8, 17.6, -8.2, 20.0))
THINGS = (
    ("bin_", -5.7, 11.4), ("bin_", 6.0, 19.4),
    ("bush", -8.8, 12.6), ("bush", 8.6, 12.2), ("bollard", -4.6, 16.2),
    ("bollard", 4.7, 16.2), ("sign", 5.0, 17.6), ("table", 7.6, 19.6), ("cone", -3.6, 21.0),
)  # fmt: skip

CASES = ((5.0, 12.9, 0.62), (5.35, 13.05, 0.5), (-7.75, 15.3, 0.66))  # x, y, height
DEPARTURES = (
    "10:42   NORTHFIELD    3     10:55   CENTRAL     6",
    "10:48   HARBOUR       1     11:02   AIRPORT     2",
    "10:51   WESTGATE      4     11:15   OLD TOWN    5",
)


def concourse(width: int, height: int) -> Place:
    """The place in a picture of the given size, pixels."""
    camera = Camera(6.6, 0.455, 0.84 * width, width, height)
    rng = np.random.default_rng(47)
    plan = FloorPlan(
        zone=ZONE,
        stage=(0.2, 18.0),
        entrances=(
            (-9.0, 6.4), (9.0, 6.4), (-2.0, 3.6), (3.0, 3.6), (-10.6, 22.5), (10.6, 22.5),
            (-11.0, 10.0), (10.8, 10.4),
        ),
        obstacles=(
            *((x, y, 0.6) for x, y in PILLARS),
            *((x, GATES_Y, 0.55) for x in GATES_X),
            *((x, y, 0.3) for _, x, y in THINGS),
            ((KIOSK[0] + KIOSK[2]) / 2, (KIOSK[1] + KIOSK[3]) / 2, 1.5),
            (-8.5, 14.6, 0.6), (-8.5, 15.8, 0.6), (-8.5, 18.2, 0.6), (-8.5, 19.4, 0.6),
        ),
        groups=((6.6, 22.6),),
    )  # fmt: skip
    return Place(
        camera=camera,
        plan=plan,
        backdrop=_backdrop(camera, rng),
        layers=_layers(camera, rng),
        lens=Lens(exposure=1.12, contrast=1.03, cast=(0.92, 1.0, 1.03), blur=0.65, vignette=0.3,
                  noise=2.8, jpeg=None, saturation=0.85),
        shadow=0.5,
        sun=None,
        light=_light,
        tint=(0.86, 0.94, 0.98),
    )  # fmt: skip


def _light(places: Floats) -> Floats:
    """Brighter below the lamps of the middle than along the walls."""
    x, y = places.T
    return np.asarray(0.78 + 0.24 * np.exp(-((x / 7) ** 2)) - 0.006 * np.maximum(y - 16, 0))


def _backdrop(camera: Camera, rng: np.random.Generator) -> Bytes:
    image = np.full((camera.picture_height, camera.width, 3), (52, 56, 60), np.uint8)
    floor = pyramid(_terrazzo(rng), (4.8, 4.8))
    paint_ground(image, camera, floor, (0.2, 0.4), 0.0)
    _inlays(image, camera)
    noise = np.asarray(textures.seamless_noise(rng, 10, 256), np.float32)
    stain(image, camera, noise, 0.03, 20.0)
    upright = np.zeros_like(image)
    walls = np.zeros(image.shape[:2], np.uint8)
    for wall in _walls(rng):
        paint_wall(upright, camera, wall, walls)
    cv2.copyTo(upright, walls, image)
    _reflect(image, camera, upright)
    _lamp_pools(image, camera)
    x0, y0, x1, y1 = ZONE
    border = ((x0, y0, x1, y0), (x1, y0, x1, y1), (x1, y1, x0, y1), (x0, y1, x0, y0))
    paint_stripes(image, camera, border, 0.1, (60, 185, 225), 0.75)
    feet = [(x, y, 1.0) for _, x, y in THINGS] + [(x, y, 0.6) for x, y, _ in CASES]
    return with_shadows(image, camera, [*feet, *((x, y, 2.0) for x, y in PILLARS)], 0.6, None)


def _terrazzo(rng: np.random.Generator) -> Bytes:
    """Polished slabs of 1.2 m with speckles."""
    side = textures.SIDE
    grey = 1 + 0.02 * textures.seamless_noise(rng, 6) + 0.03 * rng.standard_normal((side, side))
    for index in range(4):
        for other in range(4):
            block = grey[index * 128 : (index + 1) * 128, other * 128 : (other + 1) * 128]
            block *= 1 + 0.022 * rng.standard_normal()
    grey[::128] *= 0.8
    grey[:, ::128] *= 0.8
    return np.asarray(np.clip(grey[..., None] * np.array((148, 160, 168)), 0, 255), np.uint8)


def _inlays(image: Bytes, camera: Camera) -> None:
    """Dark bands in the floor, and the ribbed yellow guidance path to the gates."""
    bands = tuple((-SIDE, y, SIDE, y) for y in (7.0, 14.6, 22.0))
    paint_stripes(image, camera, bands, 0.5, (84, 88, 96), 0.75)
    sides = tuple((x, 1.0, x, END) for x in (-6.6, 6.9))
    paint_stripes(image, camera, sides, 0.4, (84, 88, 96), 0.7)
    paint_stripes(image, camera, ((3.6, 2.0, 3.6, 15.6),), 0.34, (70, 175, 205), 0.75)
    ribs = tuple((3.6 + d, 2.0, 3.6 + d, 15.6) for d in (-0.1, 0.0, 0.1))
    paint_stripes(image, camera, ribs, 0.02, (50, 130, 155), 0.7)


def _walls(rng: np.random.Generator) -> list[Wall]:
    walls = []
    y = END
    while y > 1.0:  # shops along both sides
        deep = float(rng.uniform(4.5, 6.5))
        near = max(y - deep, 0.6)
        for x in (-SIDE, SIDE):  # signs read from left to right on either side
            start, end = ((x, near), (x, y)) if x < 0 else ((x, y), (x, near))
            walls.append(Wall(start, end, 3.4, pyramid(_lit_shop(rng), (deep, 3.4)), 0.9))
            walls.append(Wall(start, end, 7.0, pyramid(_fascia(rng), (deep, 2.0)), 0.7, bottom=3.4))
        y -= deep
    concrete = pyramid(textures.panels(rng), (8.0, 8.0))
    walls.append(Wall((-SIDE, END), (SIDE, END), 7.0, concrete, 0.62))
    for x, name in ((-7.5, "TRACKS 1-4"), (4.2, "TRACKS 5-8")):  # dark passages to the platforms
        black = pyramid(np.full((64, 64, 3), (34, 32, 30), np.uint8), (1.0, 1.0))
        walls.append(Wall((x, END - 0.02), (x + 3.2, END - 0.02), 2.7, black, 1.0))
        text = lettering((256, 64), (name,), (140, 80, 20), (240, 240, 240))
        sign = pyramid(text, (3.2, 0.6))
        walls.append(Wall((x, END - 0.04), (x + 3.2, END - 0.04), 3.4, sign, 1.0, bottom=2.8))
    return walls


def _lit_shop(rng: np.random.Generator) -> Bytes:
    """A shop front whose goods are lit from inside."""
    front = textures.shop_front(rng).astype(np.float32)
    glow = np.ones((textures.SIDE, 1, 1), np.float32)
    glow[180:] = np.linspace(1.75, 1.1, textures.SIDE - 180)[:, None, None]
    return np.asarray(np.clip(front * glow * (0.92, 1.0, 1.05), 0, 250), np.uint8)


def _fascia(rng: np.random.Generator) -> Bytes:
    wall = np.full((128, 256, 3), (150, 158, 165), np.uint8)
    wall[::32] = 120
    return np.asarray(np.clip(wall + rng.normal(0, 4, wall.shape), 0, 255), np.uint8)


def _reflect(image: Bytes, camera: Camera, upright: Bytes) -> None:
    """The end wall mirrored faintly in the polished floor."""
    foot = int(camera.project([(0.0, END, 0.0)])[0, 1])
    rows = min(foot, image.shape[0] - foot)
    if rows < 4:
        return
    mirrored = cv2.flip(upright[foot - rows : foot], 0).astype(np.float32)
    soft = cv2.GaussianBlur(mirrored, (0, 0), camera.width / 200, sigmaY=camera.width / 70)
    fade = np.linspace(0.34, 0.0, rows, dtype=np.float32)[:, None, None]
    floor = image[foot : foot + rows].astype(np.float32)
    image[foot : foot + rows] = np.clip(floor * (1 - 0.5 * fade) + soft * fade, 0, 255).astype(
        np.uint8
    )


def _lamp_pools(image: Bytes, camera: Camera) -> None:
    """Soft mirror images of the ceiling lamps on the floor."""
    glow = np.zeros(image.shape[:2], np.uint8)
    for x in (-4.0, 0.2, 4.4):
        for y in np.arange(7.0, 26.0, 4.2):
            strip = [(x - 0.35, y), (x + 0.35, y), (x + 0.35, y + 2.4), (x - 0.35, y + 2.4)]
            cv2.fillConvexPoly(glow, ground_polygon(camera, strip), 70, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(glow, (0, 0), camera.width / 110)
    cv2.add(image, cv2.merge([soft, soft, soft]), image)


def _layers(camera: Camera, rng: np.random.Generator) -> tuple[Layer, ...]:
    steel = pyramid(_brushed(rng), (0.6, 0.6))
    wood = pyramid(np.full((64, 64, 3), (62, 92, 128), np.uint8), (1.0, 1.0))
    boxes = []
    for x in GATES_X:
        boxes.append(
            Box((x - 0.15, GATES_Y - 0.7, x + 0.15, GATES_Y + 0.7), 1.02, steel, (172, 172, 172))
        )
        light = pyramid(np.full((16, 16, 3), (80, 200, 90), np.uint8), (1.0, 1.0))
        lamp = (x - 0.05, GATES_Y - 0.73, x + 0.05, GATES_Y - 0.71)
        boxes.append(Box(lamp, 0.95, light, (90, 200, 90), bottom=0.85))
    boxes += [Box((*b[:2], *b[2:]), 0.46, wood, (72, 108, 148)) for b in BENCHES]
    board = pyramid(lettering((512, 128), DEPARTURES, (22, 20, 18), (40, 190, 250)), (5.2, 1.25))
    boxes.append(Box((-2.4, 16.0, 2.8, 16.2), 4.25, board, (40, 40, 40), bottom=3.0))
    boxes.append(Box(KIOSK, 2.5, pyramid(_lit_shop(rng), (2.2, 2.5)), (120, 128, 134)))
    for (x, y, high), tone in zip(CASES, ((60, 40, 35), (40, 45, 120), (110, 95, 60)), strict=True):
        shell = pyramid(_ribbed(tone), (0.42, high))
        boxes.append(Box((x - 0.21, y - 0.13, x + 0.21, y + 0.13), high, shell, tone))
    layers = [box_layer(camera, box) for box in boxes]
    column = pyramid(_column(rng), (0.9, 6.6))
    for x, y in PILLARS:
        layers.append(
            box_layer(
                camera, Box((x - 0.45, y - 0.02, x + 0.45, y + 0.02), 6.59, column, (0, 0, 0))
            )
        )
    layers += [
        figure_layer(camera, thing_figure(kind, (x, y), camera, 100 + index))
        for index, (kind, x, y) in enumerate(THINGS)
    ]
    return tuple(layer for layer in layers if layer is not None)


def _brushed(rng: np.random.Generator) -> Bytes:
    grey = np.repeat(150 + 8 * rng.standard_normal((64, 1)), 64, axis=1)
    return np.asarray(np.clip(grey[..., None] * (1.0, 1.0, 0.98), 0, 255), np.uint8)


def _ribbed(tone: tuple[int, int, int]) -> Bytes:
    """The hard shell of a suitcase."""
    ribs = 1 + 0.25 * np.sin(np.linspace(0, 12 * np.pi, 64))[None, :, None]
    shell = np.full((64, 64, 3), tone, np.float32) * ribs
    shell[:5] *= 0.5
    return np.asarray(np.clip(shell, 0, 255), np.uint8)


def _column(rng: np.random.Generator) -> Bytes:
    """A round pillar as a flat picture: shaded across, a dark base, a notice."""
    across = np.linspace(-1, 1, 128)
    shade = 0.45 + 0.55 * np.sqrt(np.clip(1 - (across + 0.25) ** 2 / 1.7, 0, 1))
    column = np.full((512, 128, 3), (176, 182, 186), np.float32) * shade[None, :, None]
    column += rng.normal(0, 2, column.shape)
    column[-18:] *= 0.45
    notice = lettering((64, 64), ("EXIT", "A - D", "LIFT"), (200, 205, 210), (90, 60, 40))
    column[330:394, 32:96] = notice * shade[None, 32:96, None]
    return np.asarray(np.clip(column, 0, 255), np.uint8)
