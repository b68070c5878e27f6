"""How many frames a second this worker counts, and the input size that fits what is asked.

Measured once at the start, on a synthetic picture; corrected while running by how long real
frames take, because other processes share the cores and real pictures differ.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from core.settings import ModelSettings

if TYPE_CHECKING:
    from models.counter import CrowdReading

CANDIDATE_SIDES = (384, 512, 640, 768, 896, 1024)
HEADROOM = 1.5  # frames/s that a size must offer, over what is asked, to be chosen
KEEP_HEADROOM = 1.2  # and what it must still offer to be kept
CHANGE_EVERY_S = 30.0
TOO_SLOW_MS = 4000.0  # larger sizes are not even tried
WARM_UP_FRAMES = 10  # real frames before their speed is believed
MOST_SLOWER_AT_ONCE = 5.0  # times; a single frame is not believed more
MORE_THAN_PIXELS = 1.2  # a size's milliseconds over a smaller one's, per pixel, at most
MAX_BATCH = {"cpu": 1, "cuda": 16}  # batches gain nothing on a CPU and cost latency


class CountsPictures(Protocol):
    """What a worker needs of ``models.counter.Counter``."""

    @property
    def device(self) -> str: ...

    def count(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        steps: int | None = None,
        samples: int = 1,
        max_side: int | None = None,
    ) -> list[CrowdReading]: ...


def synthetic_picture(side: int) -> NDArray[np.uint8]:
    """A (side * 9 / 16, side, 3) picture for timing: a wall lit from one side, with noise."""
    height = side * 9 // 16
    light = np.linspace(60.0, 190.0, side)[None, :, None]
    noise = np.random.default_rng(0).normal(0.0, 6.0, (height, side, 3))
    return np.clip(light + noise, 0, 255).astype(np.uint8)


def measure_ms(
    counter: CountsPictures, side: int, *, steps: int | None, samples: int, repeats: int = 2
) -> float:
    """Milliseconds for one frame whose longer side is ``side`` pixels, the best of some runs.

    The best, because whatever else the machine does can only add to it.
    """
    picture = synthetic_picture(side)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        counter.count([picture], steps=steps, samples=samples, max_side=side)
        times.append((time.perf_counter() - start) * 1000)
        if len(times) > 1 and min(times) > TOO_SLOW_MS:
            break
    return min(times)


def measure_sides(
    counter: CountsPictures,
    *,
    steps: int | None,
    samples: int,
    sides: Sequence[int] = CANDIDATE_SIDES,
) -> dict[int, float]:
    """Milliseconds per frame at each size, smallest first, until one is hopelessly slow."""
    table: dict[int, float] = {}
    for side in sorted(sides):
        table[side] = measure_ms(counter, side, steps=steps, samples=samples)
        if table[side] > TOO_SLOW_MS:
            break
    return without_disturbance(table)


def without_disturbance(table: Mapping[int, float]) -> dict[int, float]:
    """The table without what other programs added while it was measured.

    A smaller picture cannot take longer than a larger one, and a larger one takes hardly more
    than its share of pixels more.
    """
    clean = dict(table)
    sides = sorted(clean)
    for smaller, larger in pairwise(sides):
        most = MORE_THAN_PIXELS * clean[smaller] * (larger / smaller) ** 2
        clean[larger] = min(clean[larger], most)
    for smaller, larger in reversed(list(pairwise(sides))):
        clean[smaller] = min(clean[smaller], clean[larger])
    return clean


def fitting_side(table: Mapping[int, float], asked_fps: float, headroom: float = HEADROOM) -> int:
    """The largest size that counts ``headroom`` x ``asked_fps``; else the smallest there is."""
    fitting = [side for side, ms in table.items() if 1000.0 / ms >= headroom * asked_fps]
    return max(fitting, default=min(table))


def batch_limit(frame_ms: float, age_limit_s: float, device: str) -> int:
    """Frames of one batch: it must be done in a third of the shortest age limit."""
    most = MAX_BATCH["cuda" if device.startswith("cuda") else "cpu"]
    return max(1, min(most, int(age_limit_s * 1000.0 / 3.0 / max(frame_ms, 1e-3))))


class Capacity:
    """The input size in use, fitted again as workers come and go and as the machine gets busy.

    Args:
        table: milliseconds per frame at each size, from `measure_sides`.
        site_fps: frames a second that the site asks of all workers together.
        fixed_side: ``model.max_side`` where it is a number.
    """

    def __init__(
        self, table: Mapping[int, float], site_fps: float, fixed_side: int | None = None
    ) -> None:
        self._table = dict(table)
        self._site_fps = site_fps
        self._fixed = fixed_side
        self._workers = 1
        self._slowdown = 1.0  # real milliseconds over the table's
        self._frames = 0
        self._changed_at = float("-inf")
        self.max_side = fixed_side or fitting_side(self._table, self.asked_fps)

    @property
    def asked_fps(self) -> float:
        """Frames a second asked of this worker: its share of the site."""
        return self._site_fps / self._workers

    @property
    def frame_ms(self) -> float:
        """Milliseconds that a frame takes at the size in use, as things are now."""
        return self._ms(self.max_side) * self._slowdown

    @property
    def capacity_fps(self) -> float:
        return 1000.0 / self.frame_ms

    def ask(self, site_fps: float) -> None:
        """The site asks for so many frames a second from now on."""
        self._site_fps = site_fps

    def add_frames(self, ms: float, frames: int) -> None:
        """Learn from a real batch: ``ms`` from taking it to publishing it."""
        for _ in range(frames):
            self._frames += 1
            rate = max(0.05, 1.0 / self._frames)
            ratio = ms / frames / self._ms(self.max_side)
            ratio = min(ratio, MOST_SLOWER_AT_ONCE * self._slowdown)  # the machine may have slept
            self._slowdown += rate * (ratio - self._slowdown)

    def refit(self, workers: int, now_s: float) -> bool:
        """Choose again; returns whether the size changed.

        Args:
            workers: live workers, this one included.
            now_s: monotonic seconds.
        """
        joined_or_left = workers != self._workers
        self._workers = max(1, workers)
        if self._fixed is not None or now_s - self._changed_at < CHANGE_EVERY_S:
            return False
        if self._frames < WARM_UP_FRAMES and not joined_or_left:
            return False
        real = {side: ms * self._slowdown for side, ms in self._table.items()}
        side = fitting_side(real, self.asked_fps)
        if side == self.max_side:
            return False
        if side < self.max_side and self.capacity_fps >= KEEP_HEADROOM * self.asked_fps:
            return False
        if side > self.max_side:  # grow only with room to spare, or sizes would swing
            side = fitting_side(real, self.asked_fps, HEADROOM * HEADROOM / KEEP_HEADROOM)
            if side <= self.max_side:
                return False
        self.max_side = side
        self._frames = 0
        self._changed_at = now_s
        return True

    def _ms(self, side: int) -> float:
        """The table's milliseconds, scaled by area where the size was not measured."""
        if side in self._table:
            return self._table[side]
        nearest = min(self._table, key=lambda known: abs(known - side))
        return self._table[nearest] * (side / nearest) ** 2


def fitted_capacity(counter: CountsPictures, model: ModelSettings, site_fps: float) -> Capacity:
    """Measure this machine (a few seconds on a CPU) and fit the input size to what is asked.

    Args:
        site_fps: frames a second that the site asks for, over all cameras.
    """
    if isinstance(model.max_side, int):
        side = model.max_side
        ms = measure_ms(counter, side, steps=model.steps, samples=model.samples)
        return Capacity({side: ms}, site_fps, side)
    table = measure_sides(counter, steps=model.steps, samples=model.samples)
    return Capacity(table, site_fps)
