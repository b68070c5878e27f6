"""Weights measured on annotated pictures, every way of reading beside the reported count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.counter import Counter, CrowdReading
from models.crowd_map import KERNEL_SUM
from models.interval import COVERAGES
from models.metrics import CountErrors, Localisation, count_errors, grid_error
from models.reading import regions_above
from models.training.data import Annotated

GAME_LEVELS = (0, 1, 2, 3)
RADII = (4, 8)  # pixels, of localisation
WAYS = ("mass", "masked_mass", "fixed_threshold", "contours", "split", "density")
DEPTHS = ("far", "middle", "near")  # thirds of a picture's height, from the top


@dataclass(frozen=True)
class Measured:
    """One picture: what the model said and what is true."""

    reading: CrowdReading
    ways: dict[str, float]  # people by each of `WAYS`
    bounds: dict[float, tuple[float, float]]  # by coverage
    true: int
    game: tuple[float, ...]  # absolute errors over 1, 4, 16 and 64 cells


@dataclass(frozen=True)
class Evaluation:
    """The figures of one data set."""

    count: CountErrors  # of the reported count
    ways: dict[str, CountErrors]  # of each way of reading, `WAYS`
    game: dict[int, float]
    localisation: dict[int, Localisation]  # radius in pixels
    depths: dict[str, Localisation]  # at the larger radius, by third of the picture
    coverage: dict[float, float]  # nominal to the share of pictures whose interval holds the truth
    interval_width: float  # mean of the 90 % interval, people
    steps: int
    samples: int
    ms_per_frame: float  # median


def evaluate(
    counter: Counter,
    items: Iterable[Annotated],
    *,
    steps: int | None = None,
    samples: int = 1,
    max_side: int | None = None,
    spacing: Literal["trailing", "leading"] = "trailing",
) -> Evaluation:
    """Counts every picture, one at a time.

    Raises:
        ValueError: there are no pictures.
        models.training.data.DataError: a picture cannot be decoded.
    """
    measured: list[Measured] = []
    localisation = {radius: Localisation() for radius in RADII}
    depths = {depth: Localisation() for depth in DEPTHS}
    for item in items:
        picture = item.picture()
        reading = counter.count(
            [picture], steps=steps, samples=samples, max_side=max_side, spacing=spacing
        )[0]
        heads, size = reading.heads, (picture.shape[0], picture.shape[1])
        for radius, total in localisation.items():
            total.add(heads[:, :2], item.heads, radius)
        for index, total in enumerate(depths.values()):
            third = size[0] / len(DEPTHS)
            parts = [p[(p[:, 1] // third).clip(0, 2) == index] for p in (heads, item.heads)]
            total.add(parts[0][:, :2], parts[1], RADII[-1])
        game = tuple(
            grid_error(heads[:, :2], heads[:, 2], item.heads, size, level) for level in GAME_LEVELS
        )
        fixed = regions_above(
            reading.crowd_map * KERNEL_SUM, counter.recipe.reading.fixed_threshold
        )
        ways = {**vars(reading.counts), "fixed_threshold": fixed}
        bounds = {c: counter.bounds(reading, c) for c in COVERAGES}
        measured.append(Measured(reading, ways, bounds, len(item.heads), game))
    return _summary(measured, localisation, depths)


def _summary(
    measured: Sequence[Measured],
    localisation: dict[int, Localisation],
    depths: dict[str, Localisation],
) -> Evaluation:
    true = [m.true for m in measured]
    readings = [m.reading for m in measured]
    return Evaluation(
        count=count_errors([r.count for r in readings], true),
        ways={way: count_errors([m.ways[way] for m in measured], true) for way in WAYS},
        game={n: float(np.mean([m.game[n] for m in measured])) for n in GAME_LEVELS},
        localisation=localisation,
        depths=depths,
        coverage={
            c: float(np.mean([m.bounds[c][0] <= m.true <= m.bounds[c][1] for m in measured]))
            for c in COVERAGES
        },
        interval_width=float(np.mean([r.high - r.low for r in readings])),
        steps=readings[0].steps,
        samples=readings[0].samples,
        ms_per_frame=float(np.median([r.ms for r in readings])),
    )
