"""Street furniture, drawn like people: round things that a careless eye takes for heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scenes.looks import Palette, cloth
from scenes.solids import Solid, ball, limb

BODY, CAP, LIGHT = 1, 2, 3
Built = tuple[list[Solid], float]  # solids and the height of the top, metres


def _column(
    radius: float, bottom: float, top: float, material: int, square: int = 7
) -> list[Solid]:
    """An upright cylinder as a pile of flat ellipsoids."""
    step = (top - bottom) / square
    return [
        ball((0, 0, bottom + (i + 0.5) * step), (radius, radius, step * 1.5), material, rough=0.3)
        for i in range(square)
    ]


def bin_(rng: np.random.Generator) -> Built:
    """A litter bin with a rounded lid."""
    radius, high = float(rng.uniform(0.2, 0.32)), float(rng.uniform(0.75, 1.15))
    lid = ball((0, 0, high), (radius * 1.05, radius * 1.05, rng.uniform(0.04, 0.2)), CAP, rough=0.3)
    return [*_column(radius, 0.0, high, BODY), lid], high + 0.05


def bollard(rng: np.random.Generator) -> Built:
    """A post with a ball on top."""
    high = float(rng.uniform(0.6, 1.1))
    post = _column(0.06, 0.0, high, BODY, 10)
    return [*post, ball((0, 0, high + 0.06), (0.09, 0.09, 0.09), CAP, rough=0.2)], high + 0.1


def globe(rng: np.random.Generator) -> Built:
    """A ball on the ground: a football, a stone sphere, a balloon let go."""
    radius = float(rng.choice([0.11, 0.25, 0.4]))
    return [ball((0, 0, radius), (radius,) * 3, BODY, rough=0.6)], 2 * radius


def lamp(rng: np.random.Generator) -> Built:
    """A lamp post with a globe."""
    high = float(rng.uniform(2.6, 4.5))
    pole = limb((0, 0, 0), (0, 0, high), (0.06, 0.045), BODY, 40, 0.2)
    return [*pole, ball((0, 0, high + 0.12), (0.16, 0.16, 0.17), LIGHT, rough=0.1)], high + 0.2


def bush(rng: np.random.Generator) -> Built:
    """A clipped bush or a plant in a pot."""
    radius = float(rng.uniform(0.3, 0.8))
    base = float(rng.choice([0.0, 0.45]))
    solids = _column(radius * 0.7, 0.0, base, CAP, 4) if base else []
    for _ in range(14):
        spot = rng.normal(0, radius * 0.4, 3)
        solids.append(
            ball(
                (spot[0], spot[1], base + radius * 0.45 + abs(spot[2])),
                (radius * rng.uniform(0.3, 0.6),) * 3,
                BODY,
                rough=3.0,
            )
        )
    return solids, base + 1.4 * radius


def cone(_rng: np.random.Generator) -> Built:
    """A traffic cone."""
    solids = []
    for i in range(9):
        radius = 0.17 * (1 - i / 10) + 0.02
        solids.append(
            ball(
                (0, 0, 0.04 + i * 0.075),
                (radius, radius, 0.05),
                CAP if i in (4, 5) else BODY,
                rough=0.2,
            )
        )
    solids.append(ball((0, 0, 0.02), (0.24, 0.24, 0.03), BODY, rough=0.2))
    return solids, 0.75


def luggage(rng: np.random.Generator) -> Built:
    """A suitcase or rucksack left standing."""
    high = float(rng.uniform(0.45, 0.75))
    solids = [
        ball((0, 0, high * f), (0.22, 0.13, high * 0.35), BODY, rough=0.7) for f in (0.35, 0.6)
    ]
    return [*solids, ball((0, 0, high), (0.1, 0.02, 0.05), CAP)], high


def table(rng: np.random.Generator) -> Built:
    """A round bistro table."""
    high = float(rng.choice([0.75, 1.1]))
    leg = limb((0, 0, 0), (0, 0, high), (0.04, 0.04), CAP, 10, 0.2)
    return [*leg, ball((0, 0, high), (0.4, 0.4, 0.03), BODY, rough=0.3)], high


def parasol(rng: np.random.Generator) -> Built:
    """A parasol or an umbrella on its pole."""
    high = float(rng.uniform(2.0, 2.6))
    pole = limb((0, 0, 0), (0, 0, high), (0.03, 0.03), CAP, 30, 0.2)
    return [*pole, ball((0, 0, high), (1.2, 1.2, 0.3), BODY, rough=0.6)], high + 0.2


def headless(rng: np.random.Generator) -> Built:
    """A coat on a stand or a dummy without a head: clothes alone are nobody."""
    high = float(rng.uniform(1.25, 1.5))
    pole = limb((0, 0, 0), (0, 0, 0.8), (0.03, 0.03), CAP, 8, 0.2)
    trunk = [
        ball((0, 0, high * f), (0.17 + 0.03 * f, 0.11, 0.16), BODY)
        for f in (0.62, 0.72, 0.82, 0.92)
    ]
    return [*pole, *trunk, ball((0, 0, 0.02), (0.2, 0.2, 0.02), CAP)], high


def sign(rng: np.random.Generator) -> Built:
    """A round road sign on a post."""
    high = float(rng.uniform(1.9, 2.6))
    pole = limb((0, 0, 0), (0, 0, high), (0.03, 0.03), CAP, 30, 0.2)
    disc = ball((0, 0.03, high + 0.2), (0.3, 0.02, 0.3), BODY, rough=0.1)
    face = ball((0, 0.05, high + 0.2), (0.2, 0.015, 0.2), LIGHT, rough=0.1)
    return [*pole, disc, face], high + 0.4


KINDS: tuple[Callable[[np.random.Generator], Built], ...] = (
    bin_, bollard, globe, lamp, bush, cone, luggage, table, parasol, headless, sign,
)  # fmt: skip


def random_colours(rng: np.random.Generator, kind: str) -> Palette:
    """Colours of a thing, (9, 3) BGR uint8."""
    colours: NDArray[np.float64] = np.zeros((9, 3))
    colours[BODY], colours[CAP], colours[LIGHT] = cloth(rng), cloth(rng), (225, 232, 238)
    if kind == "bush":
        colours[BODY] = np.array([40, 85, 55]) * rng.uniform(0.6, 1.4)
    elif kind == "parasol":
        shades = ((205, 215, 222), (60, 60, 165), (95, 110, 60), (140, 175, 200))
        colours[BODY] = shades[int(rng.integers(len(shades)))]
    elif kind == "cone":
        colours[BODY], colours[CAP] = (30, 90, 230), (225, 225, 225)
    return np.clip(colours, 8, 240).astype(np.uint8)
