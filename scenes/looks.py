"""Colours of people: skin, hair, clothes and bags as they are met in a street."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from scenes import bodies

# BGR at unit shade.
SKIN_TONES = ((168, 190, 226), (150, 175, 215), (120, 150, 200), (90, 120, 170), (55, 80, 120),
              (38, 55, 88))  # fmt: skip
HAIR_COLOURS = ((22, 22, 26), (28, 30, 38), (30, 42, 62), (42, 62, 96), (90, 135, 175),
                (130, 135, 140), (40, 60, 120), (18, 18, 20))  # fmt: skip
Palette = NDArray[np.uint8]


def cloth(rng: np.random.Generator, dark: float = 0.5) -> tuple[float, float, float]:
    """A garment's colour, BGR: mostly black, grey, blue and beige, now and then a bright one."""
    kind = rng.random()
    hue, saturation, value = rng.random(), rng.uniform(0, 0.3), rng.uniform(0.08, 0.3)  # dark
    if kind > dark + 0.4 * (1 - dark):
        saturation, value = rng.uniform(0.02, 0.14), rng.uniform(0.4, 0.9)  # grey to white
    elif kind > dark:  # navy, denim
        hue, saturation, value = (
            rng.uniform(0.56, 0.66), rng.uniform(0.25, 0.6), rng.uniform(0.2, 0.55),
        )  # fmt: skip
    if kind > dark + 0.68 * (1 - dark):  # beige, brown, olive
        hue, saturation = rng.uniform(0.06, 0.14), rng.uniform(0.2, 0.5)
        value = rng.uniform(0.25, 0.8)
    if kind > 0.88:  # a bright one, reds more often than greens
        hue = (rng.random() ** 2 * 0.5 + 0.92) % 1.0 if rng.random() < 0.6 else rng.random()
        saturation, value = rng.uniform(0.4, 0.8), rng.uniform(0.35, 0.8)
    r, g, b = colorsys.hsv_to_rgb(float(hue), float(saturation), float(value))
    return 255 * b, 255 * g, 255 * r


def random_palette(rng: np.random.Generator, hair: str) -> Palette:
    """Colour of each material of ``bodies``, (9, 3) BGR uint8; entry 0 is unused."""
    colours = np.zeros((9, 3), np.float64)
    skin = np.array(SKIN_TONES[int(rng.integers(len(SKIN_TONES)))]) * rng.uniform(0.85, 1.1)
    colours[bodies.SKIN] = skin
    if hair in ("cap", "beanie", "scarf"):
        colours[bodies.HAIR] = cloth(rng, 0.4)
    elif hair == "bald":
        colours[bodies.HAIR] = skin * 0.8
    else:
        colours[bodies.HAIR] = HAIR_COLOURS[int(rng.integers(len(HAIR_COLOURS)))]
    colours[bodies.TOP] = cloth(rng, 0.4)
    colours[bodies.BOTTOM] = cloth(rng, 0.62)
    colours[bodies.SHOES] = cloth(rng, 0.7)
    colours[bodies.INNER] = cloth(rng, 0.2)
    colours[bodies.BAG] = cloth(rng, 0.6)
    colours[bodies.DARK] = skin * 0.35
    return np.clip(colours, 6, 235).astype(np.uint8)
