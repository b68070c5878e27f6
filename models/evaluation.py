"""Weights measured on annotated pictures, every way of reading beside the reported count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.counter import Counter, CrowdReading
from models.metrics import CountErrors, Localisation, count_errors, grid_error
from models.training.data import Annotated

GAME_LEVELS = (0, 1, 2, 3)
RADII = (4, 8)  # pixels, of localisation
WAYS = ("mass", "masked_mass", "contours", "split", "density")


@dataclass(frozen=True)
class Measured:
    """One picture: what the model said and what is true."""

    reading: CrowdReading
    true: int
    game: tuple[float, ...]  # absolute errors over 1, 4, 16 and 64 cells


@dataclass(frozen=True)
class Evaluation:
    """The figures of one data set."""

    count: CountErrors  # of the reported count
    ways: dict[str, CountErrors]  # of each way of reading, `WAYS`
    game: dict[int, float]
    localisation: dict[int, Localisation]  # radius in pixels
    coverage: float  # share of pictures whose interval holds the truth
    interval_width: float  # mean, people
    steps: int
    ms_per_frame: float  # median


def evaluate(
    counter: Counter,
    items: Iterable[Annotated],
    *,
    steps: int | None = None,
    samples: int = 1,
    max_side: int | None = None,
) -> Evaluation:
    """Counts every picture, one at a time.

    Raises:
        ValueError: there are no pictures.
        models.training.data.DataError: a picture cannot be decoded.
    """
    measured: list[Measured] = []
    localisation = {radius: Localisation() for radius in RADII}
    for item in items:
        picture = item.picture()
        reading = counter.count([picture], steps=steps, samples=samples, max_side=max_side)[0]
        heads, size = reading.heads, (picture.shape[0], picture.shape[1])
        for radius, total in localisation.items():
            total.add(heads[:, :2], item.heads, radius)
        game = tuple(
            grid_error(heads[:, :2], heads[:, 2], item.heads, size, level) for level in GAME_LEVELS
        )
        measured.append(Measured(reading, len(item.heads), game))
    return _summary(measured, localisation, steps or counter.default_steps)


def _summary(
    measured: Sequence[Measured], localisation: dict[int, Localisation], steps: int
) -> Evaluation:
    true = [m.true for m in measured]
    readings = [m.reading for m in measured]
    inside = [r.low <= t <= r.high for r, t in zip(readings, true, strict=True)]
    return Evaluation(
        count=count_errors([r.count for r in readings], true),
        ways={way: count_errors([getattr(r.counts, way) for r in readings], true) for way in WAYS},
        game={n: float(np.mean([m.game[n] for m in measured])) for n in GAME_LEVELS},
        localisation=localisation,
        coverage=float(np.mean(inside)),
        interval_width=float(np.mean([r.high - r.low for r in readings])),
        steps=steps,
        ms_per_frame=float(np.median([r.ms for r in readings])),
    )
