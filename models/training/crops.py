"""Training crops: cut from pictures in memory, scaled, in batches.

Pictures are decoded once and kept as uint8. A crop is one `cv2.resize` of a window of its picture,
cut by threads while the network computes (OpenCV releases the GIL).
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.frames import PADDING_GREY
from models.training.damage import Heads, Picture, damaged, exposed, with_blank
from models.training.data import Annotated

SCALES = (0.6, 1.6)  # of pictures without head sizes
HEAD_PIXELS = (6.0, 120.0)  # of pictures with head sizes: log-uniform side of the head's box
OVERHANG = 0.125  # share of a window that may lie outside its picture


@dataclass(frozen=True)
class Crop:
    """A training example."""

    picture: Picture  # (size, size, 3) RGB
    heads: Heads  # (N, 2) x, y in pixels of the crop


@dataclass(frozen=True)
class Batch:
    """Several crops: pictures (N, 3, size, size) uint8 RGB and their heads."""

    pictures: NDArray[np.uint8]
    heads: list[Heads]
    seed: int = 0  # of the noise that a loss adds

    def split(self, parts: int) -> list[Batch]:
        """The batch in parts, fewer where it has fewer crops."""
        starts = np.array_split(np.arange(len(self.heads)), min(parts, len(self.heads)))
        return [
            Batch(self.pictures[i[0] : i[-1] + 1], self.heads[i[0] : i[-1] + 1], self.seed + n)
            for n, i in enumerate(starts)
        ]


@dataclass(frozen=True)
class Example:
    """A decoded picture with its heads."""

    picture: Picture  # (H, W, 3) BGR
    heads: Heads  # (N, 2) x, y in pixels, the first pixel's centre at 0.5, 0.5
    sizes: NDArray[np.float32] | None = None  # (N,) side of the head's box, where known


def decoded(items: Sequence[Annotated]) -> list[Example]:
    """Annotated pictures held in memory; takes about 5 ms each."""
    return [Example(item.picture(), item.heads, item.sizes) for item in items]


class CropSource:
    """Crops drawn from several data sets in given shares.

    Args:
        examples: name of a data set to its pictures.
        shares: name to its share of the crops (normalised to one); names without examples are
            passed over.
        size: side of a crop in pixels.
        squash: whole pictures squeezed to the crop's size instead, as in the paper.
        scales: limits of the scale of pictures without head sizes, log-uniform, by data set where
            they are not `SCALES`.
        native: share of the crops that are cut pixel for pixel. All others are interpolated, and
            a network that has seen nothing else misses heads in pictures as sharp as they come.
        damaged: share of the crops that are damaged as streams are.
        blanked: share of the crops that lack a part of their picture.
    """

    def __init__(
        self,
        examples: Mapping[str, Sequence[Example]],
        shares: Mapping[str, float],
        size: int,
        *,
        squash: bool = False,
        scales: Mapping[str, tuple[float, float]] | None = None,
        native: float = 0.0,
        damaged: float = 1.0,
        blanked: float = 0.0,
    ) -> None:
        self.size = size
        self.scales = dict(scales or {})
        self.native, self.damaged, self.blanked = native, damaged, blanked
        self.squash = squash
        self.examples = examples
        self.names = [name for name in shares if name in examples]
        total = sum(shares[name] for name in self.names)
        self.probabilities = [shares[name] / total for name in self.names]

    def draw(self, rng: np.random.Generator) -> Crop:
        """One random crop."""
        name = self.names[int(rng.choice(len(self.names), p=self.probabilities))]
        examples = self.examples[name]
        example = examples[int(rng.integers(len(examples)))]
        if self.squash:
            picture, heads = _squeezed(example, self.size)
        elif rng.random() < self.native:
            picture, heads = _cut_native(example, self.size, rng)
        else:
            picture, heads = _cut(example, self.size, self.scales.get(name, SCALES), rng)
        if rng.random() < 0.5:
            picture = np.ascontiguousarray(picture[:, ::-1])
            heads = np.stack([self.size - heads[:, 0], heads[:, 1]], axis=1)
        picture = exposed(picture, rng)
        if rng.random() < self.blanked:
            picture, heads = with_blank(picture, heads, rng)
        if rng.random() < self.damaged:
            picture = damaged(picture, rng)
        return Crop(picture[:, :, ::-1], heads.astype(np.float32))

    def batch(self, count: int, rng: np.random.Generator) -> Batch:
        """``count`` random crops."""
        crops = [self.draw(rng) for _ in range(count)]
        pictures = np.stack([crop.picture.transpose(2, 0, 1) for crop in crops])
        return Batch(pictures, [crop.heads for crop in crops], int(rng.integers(2**62)))


class BatchStream:
    """An endless stream of batches, cut ahead by threads.

    ``waited_s`` is the time that the consumer spent waiting: the share lost to data.
    """

    def __init__(self, source: CropSource, count: int, seed: int, threads: int = 1) -> None:
        self.waited_s = 0.0
        self._queue: queue.Queue[Batch | Exception] = queue.Queue(maxsize=4)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._fill,
                args=(source, count, np.random.default_rng([seed, n])),
                daemon=True,
            )
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _fill(self, source: CropSource, count: int, rng: np.random.Generator) -> None:
        while not self._stop.is_set():
            try:
                item: Batch | Exception = source.batch(count, rng)
            except Exception as error:
                item = error
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.5)
                    break
                except queue.Full:
                    continue

    def __iter__(self) -> Iterator[Batch]:
        while True:
            started = time.monotonic()
            item = self._queue.get()
            self.waited_s += time.monotonic() - started
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        """Ends the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)


def _squeezed(item: Example, size: int) -> tuple[Picture, Heads]:
    """The whole picture at ``size`` x ``size``, with its heads."""
    height, width = item.picture.shape[:2]
    picture = cv2.resize(item.picture, (size, size), interpolation=cv2.INTER_AREA)
    scale = np.array([size / width, size / height], np.float32)
    return picture.astype(np.uint8, copy=False), item.heads * scale


def _cut(
    item: Example, size: int, scales: tuple[float, float], rng: np.random.Generator
) -> tuple[Picture, Heads]:
    """A window of the picture, scaled to ``size`` x ``size``, with its heads."""
    height, width = item.picture.shape[:2]
    focus: Heads | None = None
    if item.sizes is not None and len(item.sizes):
        chosen = int(rng.integers(len(item.sizes)))
        wanted = _log_uniform(rng, HEAD_PIXELS)
        scale = wanted / max(float(item.sizes[chosen]), 2.0)
        scale = float(np.clip(scale, size / max(height, width), 3.0))
        focus = item.heads[chosen] if rng.random() < 0.6 else None
    else:
        scale = _log_uniform(rng, scales)
        scale = max(scale, size / max(height, width))
    window = size / scale
    left, top = (
        _window_start(length, window, None if focus is None else float(focus[axis]), rng)
        for axis, length in ((0, width), (1, height))
    )
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float64)
    # Pixel centres lie at 0.5 here and at 0 in OpenCV.
    matrix[:, 2] += 0.5 * scale - 0.5
    source = item.picture
    if scale < 0.75:  # warpAffine does not average, so a strong reduction would alias
        blur = 0.4 / scale
        x0, x1 = max(0, int(left) - 2), min(width, int(left + window) + 3)
        y0, y1 = max(0, int(top) - 2), min(height, int(top + window) + 3)
        source = cv2.GaussianBlur(source[y0:y1, x0:x1], (0, 0), blur).astype(np.uint8, copy=False)
        matrix[:, 2] += np.array([x0, y0]) * scale
    picture = cv2.warpAffine(
        source,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderValue=(PADDING_GREY, PADDING_GREY, PADDING_GREY),
    )
    heads = (item.heads - np.array([left, top], np.float32)) * scale
    inside = ((heads >= 0) & (heads < size)).all(axis=1)
    return picture.astype(np.uint8, copy=False), heads[inside]


def _cut_native(item: Example, size: int, rng: np.random.Generator) -> tuple[Picture, Heads]:
    """A window of the picture as it is, pixel for pixel, with its heads."""
    height, width = item.picture.shape[:2]
    left, top = (round(_window_start(length, size, None, rng)) for length in (width, height))
    picture = np.full((size, size, 3), PADDING_GREY, np.uint8)
    x0, y0 = max(0, left), max(0, top)
    part = item.picture[y0 : max(0, top + size), x0 : max(0, left + size)]
    picture[y0 - top :, x0 - left :][: part.shape[0], : part.shape[1]] = part
    heads = item.heads - np.array([left, top], np.float32)
    inside = ((heads >= 0) & (heads < size)).all(axis=1)
    return picture, heads[inside]


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))


def _window_start(
    length: int, window: float, focus: float | None, rng: np.random.Generator
) -> float:
    """Where a window of a side's length begins; a shorter picture lies somewhere inside it.

    Any pixel is as likely as another to be the middle, and windows that would leave the picture
    are moved back until they hang over its border a little. Were the beginnings uniform instead,
    the outer pixels would be seen a third as often as the rest: on street cameras that is where
    the far half of the people is.
    """
    overhang = OVERHANG * window if length > window else 0.0
    low, high = min(0.0, length - window) - overhang, max(0.0, length - window) + overhang
    if focus is not None:
        start = focus - rng.uniform(0.1, 0.9) * window
    elif length > window:
        start = rng.uniform(0, length) - window / 2
    else:
        start = rng.uniform(low, high)
    return float(np.clip(start, low, high))
