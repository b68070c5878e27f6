"""Ground and wall textures that repeat without a seam, drawn by rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scenes.solids import Bytes

SIDE = 512  # pixels of a texture's side
Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Texture:
    """A repeating picture that covers ``metres`` (across, along), with its coarser levels."""

    levels: tuple[Bytes, ...]
    metres: tuple[float, float]

    @property
    def texels(self) -> float:
        """Pixels a metre at the finest level."""
        return float(self.levels[0].shape[1] / self.metres[0])


def pyramid(image: Bytes, metres: tuple[float, float]) -> Texture:
    """A texture from one repeating picture whose sides are powers of two."""
    levels = [image]
    while min(levels[-1].shape[:2]) > 8:
        h, w = levels[-1].shape[:2]
        levels.append(
            np.asarray(
                cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA), np.uint8
            )
        )
    return Texture(tuple(levels), metres)


def seamless_noise(rng: np.random.Generator, cells: int, side: int = SIDE) -> Grey:
    """Smooth noise (side, side) of deviation about 1, ``cells`` bumps across, repeating."""
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    wrapped = np.pad(coarse, 2, mode="wrap")
    scale = side / cells
    full = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    start = round(2 * scale)
    return np.asarray(full[start : start + side, start : start + side], np.float32)


def _tint(grey: Grey, rng: np.random.Generator, colour: tuple[float, float, float]) -> Bytes:
    tone = np.array(colour, np.float32) * float(rng.uniform(0.85, 1.15))
    return np.clip(grey[..., None] * tone, 0, 255).astype(np.uint8)


def _grain(rng: np.random.Generator, strength: float) -> Grey:
    fine = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    clouds = 0.7 * seamless_noise(rng, 64) + 0.6 * seamless_noise(rng, 9)
    return np.asarray(1 + strength * (fine + clouds), np.float32)


def _stone(rng: np.random.Generator) -> tuple[float, float, float]:
    base = rng.uniform(85, 190)
    warm = rng.uniform(-0.03, 0.12)
    return base * (1 - warm), base, base * (1 + warm)


def tiles(rng: np.random.Generator) -> Bytes:
    """Slabs with joints, each of its own tone, in rows that may be staggered."""
    rows = int(rng.choice([4, 8, 8, 16]))
    columns = rows // int(rng.choice([1, 1, 2]))
    stagger = rng.random() < 0.5
    contrast = rng.uniform(0.01, 0.09)
    grey = np.ones((SIDE, SIDE), np.float32)
    high, wide = SIDE // rows, SIDE // columns
    for r in range(rows):
        shift = wide // 2 if stagger and r % 2 else 0
        tones = 1 + contrast * rng.standard_normal(columns)
        line = np.roll(np.repeat(tones, wide), shift)
        grey[r * high : (r + 1) * high] = line
        joint = 1 - rng.uniform(0.1, 0.35)
        grey[r * high : r * high + 2] *= joint
        for c in range(columns):
            x = (c * wide + shift) % SIDE
            grey[r * high : (r + 1) * high, x : x + 2] *= joint
    if rng.random() < 0.3:  # a pattern of dark and light slabs
        board = (np.add.outer(np.arange(SIDE) // high, np.arange(SIDE) // wide) % 2).astype(
            np.float32
        )
        grey *= 1 - rng.uniform(0.1, 0.4) * board
    return _tint(grey * _grain(rng, 0.025), rng, _stone(rng))


def asphalt(rng: np.random.Generator) -> Bytes:
    """Grainy dark ground with patches and cracks."""
    grey = _grain(rng, 0.07)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.integers(0, SIDE, 2)
        w, h = rng.integers(40, 200, 2)
        grey[y : y + h, x : x + w] *= rng.uniform(0.8, 1.15)
    for _ in range(int(rng.integers(0, 5))):
        steps = np.cumsum(rng.normal(0, 9, (20, 2)) + rng.normal(0, 8, 2), axis=0)
        line = (steps + rng.integers(0, SIDE, 2)).astype(np.int32)
        cv2.polylines(grey, [line], False, 0.72, 1, cv2.LINE_AA)
    base = rng.uniform(60, 135)
    return _tint(grey, rng, (base * 1.03, base, base * 0.98))


def grass(rng: np.random.Generator) -> Bytes:
    """Turf: strong fine grain and patches of dry and fresh green."""
    grey = _grain(rng, 0.13)
    base = np.clip(grey[..., None] * np.array([52, 108, 88], np.float32), 0, 255)
    dry = np.clip(0.3 + 0.35 * seamless_noise(rng, 12), 0, 1)[..., None] * rng.uniform(0.1, 0.9)
    colour = base * (1 - dry) + grey[..., None] * np.array([88, 140, 145], np.float32) * dry
    return np.asarray(np.clip(colour * rng.uniform(0.6, 1.2), 0, 255), np.uint8)


def gravel(rng: np.random.Generator) -> Bytes:
    """Pebbles: many small discs of different tones."""
    grey = np.full((SIDE, SIDE), 0.75, np.float32)
    size = float(rng.uniform(2, 6))
    for x, y, tone in zip(
        rng.integers(0, SIDE, 2500),
        rng.integers(0, SIDE, 2500),
        rng.uniform(0.6, 1.35, 2500),
        strict=True,
    ):
        cv2.circle(grey, (int(x), int(y)), int(size * (0.6 + 0.4 * tone)), float(tone), -1)
    return _tint(grey * _grain(rng, 0.04), rng, _stone(rng))


def polished(rng: np.random.Generator) -> Bytes:
    """A hall's polished floor: large slabs, hardly a joint, cloudy."""
    grey = _grain(rng, 0.012) + 0.04 * seamless_noise(rng, 5)
    step = int(rng.choice([64, 128, 256]))
    grey[::step] *= 0.85
    grey[:, ::step] *= 0.85
    return _tint(grey, rng, _stone(rng))


def sand(rng: np.random.Generator) -> Bytes:
    """A beach or dusty ground."""
    grey = _grain(rng, 0.05) + 0.08 * seamless_noise(rng, 20)
    return _tint(grey, rng, (135, 170, 195))


def bricks(rng: np.random.Generator) -> Bytes:
    """A brick wall or pavement of bricks."""
    grey = np.full((SIDE, SIDE), 0.8, np.float32)
    rows, columns = 32, 16
    high, wide = SIDE // rows, SIDE // columns
    for r in range(rows):
        for c in range(columns):
            x = c * wide + (wide // 2 if r % 2 else 0)
            tone = 1 + 0.1 * rng.standard_normal()
            grey[r * high + 1 : (r + 1) * high, x + 1 : x + wide] = tone
            if x + wide > SIDE:
                grey[r * high + 1 : (r + 1) * high, 1 : x + wide - SIDE] = tone
    clays = ((70, 85, 140), (90, 110, 150), (110, 125, 150), (120, 120, 125))
    return _tint(grey * _grain(rng, 0.05), rng, clays[int(rng.integers(len(clays)))])


def facade(rng: np.random.Generator) -> Bytes:
    """A house front: storeys of windows, some lit, with frames and reflections."""
    image = bricks(rng) if rng.random() < 0.35 else _tint(_grain(rng, 0.03), rng, _stone(rng))
    rows, columns = int(rng.choice([2, 4])), int(rng.choice([4, 8, 8]))
    high, wide = SIDE // rows, SIDE // columns
    inset_x, inset_y = wide * rng.uniform(0.1, 0.3), high * rng.uniform(0.15, 0.3)
    glass = np.array([rng.uniform(50, 120), rng.uniform(45, 100), rng.uniform(40, 90)])
    for r in range(rows):
        for c in range(columns):
            x0, x1 = int(c * wide + inset_x), int((c + 1) * wide - inset_x)
            y0, y1 = int(r * high + inset_y), int((r + 1) * high - inset_y)
            tone = glass * rng.uniform(0.5, 1.4)
            if rng.random() < 0.15:
                tone = np.array([150, 200, 230]) * rng.uniform(0.7, 1.1)
            cv2.rectangle(image, (x0 - 3, y0 - 3), (x1 + 3, y1 + 3), (200, 200, 200), -1)
            ramp = np.linspace(1.25, 0.7, max(y1 - y0, 1))[:, None, None]
            image[y0:y1, x0:x1] = np.clip(tone * ramp, 0, 255).astype(np.uint8)
            cv2.line(image, ((x0 + x1) // 2, y0), ((x0 + x1) // 2, y1), (180, 180, 180), 2)
    return image


def muted(
    rng: np.random.Generator, low: float, high: float, colourful: float = 0.15
) -> tuple[float, float, float]:
    """A BGR colour between ``low`` and ``high``, its channels apart by ``colourful``."""
    b, g, r = np.clip(rng.uniform(low, high) * (1 + colourful * rng.normal(0, 1, 3)), 5, 250)
    return float(b), float(g), float(r)


def shop_front(rng: np.random.Generator) -> Bytes:
    """Shop windows with goods behind glass, pillars between and a sign band above."""
    image = np.full((SIDE, SIDE, 3), muted(rng, 60, 180, 0.06), np.uint8)
    bays = int(rng.choice([2, 4]))
    wide = SIDE // bays
    for bay in range(bays):
        x0, x1 = bay * wide + 14, (bay + 1) * wide - 14
        base = np.array(muted(rng, 25, 150))
        ramp = np.linspace(1.2, 0.7, SIDE - 190)[:, None, None]
        image[180 : SIDE - 10, x0:x1] = np.clip(base * ramp, 0, 255).astype(np.uint8)
        for _ in range(int(rng.integers(4, 16))):  # goods on shelves
            w, h = int(rng.integers(8, 40)), int(rng.integers(10, 60))
            x = int(rng.integers(x0, max(x1 - w, x0 + 1)))
            y = int(rng.integers(240, SIDE - 80))
            cv2.rectangle(image, (x, y), (x + w, y + h), muted(rng, 40, 190, 0.22), -1)
        for y in range(260, SIDE - 20, 70):
            cv2.line(image, (x0, y), (x1, y), muted(rng, 50, 120, 0.05), 2)
        _sign_band(rng, image, x0, x1)
    noise = rng.normal(0, 4, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8) + noise, 0, 255).astype(np.uint8)


SHOP_NAMES = (
    "CAFE", "BOOKS", "BAKERY", "OPTICS", "PHARMACY", "FLOWERS", "SHOES", "TRAVEL", "MARKET", "HAIR",
    "PHONES", "TOYS", "BANK", "NEWS", "PIZZA", "FASHION", "SPORT", "JUICE", "TEA", "KIOSK",
)  # fmt: skip


def write(
    image: Bytes,
    text: str,
    frame: tuple[int, int, int, int],
    ink: tuple[float, float, float],
) -> None:
    """Write ``text`` into the middle of ``frame`` (x, y, width, height), as large as it fits."""
    x, y, w, h = frame
    font = cv2.FONT_HERSHEY_DUPLEX
    (wide, high), _ = cv2.getTextSize(text, font, 1.0, 2)
    scale = min(0.88 * w / wide, 0.62 * h / high)
    spot = (int(x + (w - wide * scale) / 2), int(y + (h + high * scale) / 2))
    cv2.putText(image, text, spot, font, scale, ink, max(round(2.2 * scale), 1), cv2.LINE_AA)


def _sign_band(rng: np.random.Generator, image: Bytes, x0: int, x1: int) -> None:
    """A shop's sign with its name."""
    light = rng.random() < 0.4
    sign = muted(rng, 190, 230, 0.05) if light else muted(rng, 25, 90, 0.4)
    cv2.rectangle(image, (x0, 96), (x1, 166), sign, -1)
    ink = muted(rng, 20, 60, 0.4) if light else muted(rng, 200, 245, 0.08)
    write(image, str(rng.choice(SHOP_NAMES)), (x0, 96, x1 - x0, 70), ink)


def panels(rng: np.random.Generator) -> Bytes:
    """Concrete or metal wall panels."""
    image = tiles(rng)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)


GROUNDS: tuple[tuple[Callable[[np.random.Generator], Bytes], float], ...] = (
    (tiles, 6.0),
    (tiles, 8.0),
    (asphalt, 10.0),
    (grass, 8.0),
    (gravel, 5.0),
    (polished, 8.0),
    (sand, 12.0),
    (bricks, 4.0),
)
WALLS: tuple[tuple[Callable[[np.random.Generator], Bytes], float], ...] = (
    (facade, 14.0),
    (facade, 20.0),
    (shop_front, 10.0),
    (bricks, 4.0),
    (panels, 10.0),
)
