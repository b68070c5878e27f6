"""Counting people in pictures: the one door to the model for workers and the command line."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import for_inference
from models.conditioner import density_inside
from models.crowd_map import KERNEL_SUM
from models.frames import frame_tensor, without_picture
from models.interval import nearest
from models.network import Sampled
from models.reading import MapReading, read_map
from models.weights import LoadedWeights, WeightsError, load_weights

__all__ = ["Counter", "CrowdReading", "MapCounts", "WeightsError"]

LARGEST_SIDE = 2048  # pixels: without max_side a larger picture is reduced, to bound memory


def default_device() -> str:
    """``cuda`` where there is a usable one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class MapCounts:
    """The counts of one picture by each way of reading it, people (the rows of the tables)."""

    mass: float  # sum of the map
    masked_mass: float  # sum inside the contours
    contours: float  # number of contours: the paper's reading
    split: float  # contours split at their maxima
    density: float  # the regression control


@dataclass(frozen=True)
class CrowdReading:
    """What the model says of one picture."""

    count: float  # people
    low: float  # 90 % interval, people
    high: float
    heads: NDArray[np.float32]  # (N, 3) x, y in pixels of the picture, weight; sums to count
    crowd_map: NDArray[np.float32]  # (h, w) people per pixel of the working picture
    ms: float  # the model's time for this picture
    counts: MapCounts
    spread: float  # standard deviation of the count over the K samples, people
    steps: int  # S
    samples: int  # K
    interval: tuple[tuple[float, float, float], ...]  # for zones: (people, below, above), rising


class Counter:
    """The model with its weights on one device.

    Args:
        weights: from `models.weights.load_weights`.
        device: ``cpu`` or ``cuda``.
        exact: float32 even where the CPU has bfloat16, whose counts differ by some thousandths:
            the same figures on every machine.
    """

    def __init__(self, weights: LoadedWeights, device: str, *, exact: bool = False) -> None:
        self.name = weights.name
        self.weights_hash = weights.sha256[:12]
        self.recipe = weights.recipe
        self.default_steps = weights.recipe.steps
        self.device = device
        self.parameters = sum(p.numel() for p in weights.network.parameters())
        self._sampler = for_inference(weights.network, device, exact=exact)

    @classmethod
    def load(cls, name: str | Path, *, device: str = "auto") -> Self:
        """The counter of shipped weights (a name) or of a file.

        Raises:
            WeightsError: the weights are missing or unreadable, or CUDA is asked for and absent.
        """
        if device == "auto":
            device = default_device()
        if device == "cuda" and not torch.cuda.is_available():
            raise WeightsError("model.device is cuda, but this machine has no usable CUDA device")
        return cls(load_weights(name), device)

    def count(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        steps: int | None = None,
        samples: int = 1,
        max_side: int | None = None,
        spacing: Literal["trailing", "leading"] = "trailing",
    ) -> list[CrowdReading]:
        """Counts the people in pictures; the same picture gives the same count in any batch.

        Args:
            pictures: (H, W, 3) BGR each, of any sizes.
            steps: S, DDIM steps; by default the weights' own.
            samples: K, maps drawn per picture and averaged; they share one conditioner pass.
            max_side: pictures are reduced to this longest side, pixels; never enlarged.
            spacing: of the DDIM times; leading is for the comparison alone.
        """
        steps = steps or self.default_steps
        readings: list[CrowdReading | None] = [None] * len(pictures)
        side, squash = min(max_side or LARGEST_SIDE, LARGEST_SIDE), self._sampler.config.squash
        prepared = [frame_tensor(picture, side, squash) for picture in pictures]
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, (tensor, _) in enumerate(prepared):
            by_shape[tuple(tensor.shape)].append(index)
        for indices in by_shape.values():
            started = time.perf_counter()
            batch = torch.cat([prepared[i][0] for i in indices]).to(self.device)
            sampled = self._sampler.sample(
                batch, steps, samples, quantise=self.recipe.quantise, spacing=spacing
            )
            nobody = torch.cat([without_picture(*prepared[i]) for i in indices])
            maps, density = sampled.maps.float().cpu(), sampled.density.float().cpu()
            if bool(nobody.any()):
                maps, density = _emptied(maps, nobody), _emptied(density, nobody)
            shared_ms = (time.perf_counter() - started) * 1000 / len(indices)
            for row, index in enumerate(indices):
                started = time.perf_counter()
                reading = self._read(
                    Sampled(maps[:, row], density[row]), prepared[index][1], pictures[index], steps
                )
                ms = shared_ms + (time.perf_counter() - started) * 1000
                readings[index] = replace(reading, ms=ms)
        return [reading for reading in readings if reading is not None]

    def bounds(self, reading: CrowdReading, coverage: float) -> tuple[float, float]:
        """The reading's interval at another calibrated coverage, `models.interval.COVERAGES`."""
        interval = nearest(self.recipe.intervals, reading.steps, reading.samples)
        return interval.bounds(reading.count, reading.spread, coverage)

    def _read(
        self, sampled: Sampled, size: tuple[int, int], picture: NDArray[np.uint8], steps: int
    ) -> CrowdReading:
        """The reading of one picture's maps (K, H, W) and density (h, w)."""
        height, width = size
        inside = sampled.maps[:, :height, :width].clamp(min=0).numpy()
        mean_map = inside.mean(axis=0)
        read = [read_map(x, self.recipe.reading) for x in inside]
        counts = _mean_counts(read, density_inside(sampled.density, height, width))
        share = self.recipe.density_share
        count = (1 - share) * counts.mass + share * counts.density
        # Heads come from the first sample: an average of maps has blurred ones.
        heads = read[0].heads.copy()
        total = float(heads[:, 2].sum())
        if total <= 0:
            count, heads = 0.0, heads[:0]
        else:
            heads[:, 2] *= count / total
        heads[:, 0] *= picture.shape[1] / width
        heads[:, 1] *= picture.shape[0] / height
        spread = float(np.std([r.mass for r in read], ddof=1)) if len(read) > 1 else 0.0
        interval = nearest(self.recipe.intervals, steps, len(read))
        low, high = interval.bounds(count, spread)
        return CrowdReading(
            count=count,
            low=low,
            high=high,
            heads=heads,
            crowd_map=(mean_map / KERNEL_SUM).astype(np.float32),
            ms=0.0,
            counts=counts,
            spread=spread,
            steps=steps,
            samples=len(read),
            interval=interval.curve(count, spread),
        )


def _emptied(people: Tensor, nobody: Tensor) -> Tensor:
    """Maps (..., N, H, W) with zeros in blocks of the pictures, (N, h, w) bool."""
    factor = people.shape[-1] // nobody.shape[-1]
    inside = nobody.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    return people.masked_fill(inside, 0)


def _mean_counts(read: Sequence[MapReading], density: Tensor) -> MapCounts:
    return MapCounts(
        mass=float(np.mean([r.mass for r in read])),
        masked_mass=float(np.mean([r.masked_mass for r in read])),
        contours=float(np.mean([r.contours for r in read])),
        split=float(np.mean([r.split for r in read])),
        density=float(density.sum()),
    )
