"""Notices that a camera looks elsewhere than it used to, or less sharply.

What is compared are edges, by their direction and relative to the contrast around them, so that
light and dark do not matter; people are taken out by the median of a few seconds. Two views of the
same place correlate by 0.65 and more, views of different places by less than 0.05.
"""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import dataclass

import numpy as np

from ingest.look import HEIGHT, WIDTH, Floats, Look

RECENT = 10  # pictures in a median
LEARNED_FROM = 20  # pictures of the reference
_EVERY = 4  # pictures from check to check
_CHECKS_TO_RAISE = 3
_CHECKS_TO_CLEAR = 2
_SHIFTED = 3  # places of the small picture: 2 % of the width
_SHIFT_SURE = 0.4  # correlation of the views once shifted
_SHIFT_BETTER = 0.2  # than without the shift
_CELL = 20  # places; kept and lost structure is judged by such squares
_CELL_KEPT = 0.4  # correlation, of either sign: infrared light turns edges round
_CELL_EDGES = 0.05  # share of a cell's places that must be edges to judge it
_KEPT = 0.5  # share of the cells: the same view
_LOST = 0.15  # share of the cells: another view
_STEADY = 0.5  # correlation of successive medians: the scene stands still
_ABRUPT_S = 30.0  # a view that is lost faster was moved; a crowd that hides it comes more slowly
_ADAPT = 1 / 300  # share of the present view that each check mixes into the reference
_BLURRED = 0.65  # of the reference's sharpness
_SMOOTHING = 0.2


@dataclass(frozen=True)
class Reference:
    """How a camera's view looks when all is well."""

    small: Floats
    sharpness: float
    size: tuple[int, int]  # of the frames that the sharpness was measured in

    def packed(self) -> str:
        """As text, for `unpacked`."""
        small = base64.b64encode(self.small.round().astype(np.uint8).tobytes()).decode()
        return f"{self.size[0]} {self.size[1]} {self.sharpness:.6f} {small}"

    @staticmethod
    def unpacked(text: str) -> Reference:
        width, height, sharpness, data = text.split()
        small = np.frombuffer(base64.b64decode(data), np.uint8).reshape(HEIGHT, WIDTH)
        return Reference(small.astype(np.float32), float(sharpness), (int(width), int(height)))


@dataclass
class View:
    """What the check says."""

    moved: bool = False
    blurred: bool = False


class ViewCheck:
    """Compares a camera's view with a reference that it learns from the first steady pictures.

    Times are seconds of the stream.

    Args:
        reference: one that was learned before.

    Attributes:
        reference: None until it is learned.
        view: what the pictures so far say.
    """

    def __init__(self, reference: Reference | None = None) -> None:
        self.reference = reference
        self.view = View()
        self._recent: deque[Look] = deque(maxlen=LEARNED_FROM)
        self._pictures = 0
        self._wrong = 0  # checks in a row
        self._right = 0
        self._kept_at: float | None = None  # when the view was last the reference's
        self._lost_at: float | None = None  # since when it is another
        self._sharpness: float | None = None

    def restart(self) -> None:
        """Pictures to come are of another connection: between them anything may have happened."""
        self._recent.clear()
        self._kept_at = self._lost_at = None

    def see(self, look: Look, at_s: float) -> View:
        """The view, now that this picture, which shows something, was seen."""
        self._recent.append(look)
        self._pictures += 1
        if self.reference is None:
            self._learn(at_s)
        elif self._pictures % _EVERY == 0 and len(self._recent) >= RECENT:
            self._check(self.reference, at_s)
        return self.view

    def _median(self, first: int, last: int) -> Floats:
        pictures = [look.small for look in list(self._recent)[first:last]]
        return np.median(pictures, axis=0).astype(np.float32)

    def _learn(self, at_s: float) -> None:
        if not self._stands_still():
            return
        sharpness = float(np.median([look.sharpness for look in self._recent]))
        size = self._recent[-1].size
        self.reference = Reference(self._median(0, LEARNED_FROM), sharpness, size)
        self._kept_at = at_s

    def _check(self, reference: Reference, at_s: float) -> None:
        recent = self._median(-RECENT, LEARNED_FROM)
        before, now = edges(reference.small), edges(recent)
        kept = kept_share(before, now, reference.small)
        if kept >= _KEPT:
            self._kept_at, self._lost_at = at_s, None
        self._count(self._is_elsewhere(before, now, kept, at_s))
        if kept >= _KEPT and not self.view.moved:
            self._judge_sharpness(reference)
            self._adapt(recent)

    def _count(self, wrong: bool) -> None:
        self._wrong = self._wrong + 1 if wrong else 0
        self._right = 0 if wrong else self._right + 1
        if self._wrong >= _CHECKS_TO_RAISE:
            self.view.moved, self.view.blurred = True, False
        elif self._right >= _CHECKS_TO_CLEAR:
            self.view.moved = False

    def _is_elsewhere(self, before: Floats, now: Floats, kept: float, at_s: float) -> bool:
        x, y, best = best_shift(before, now)
        if max(abs(x), abs(y)) >= _SHIFTED and best >= _SHIFT_SURE:
            return best >= correlation(before, now) + _SHIFT_BETTER
        if kept >= _LOST:
            return self.view.moved and kept < _KEPT
        if self.view.moved:
            return True
        if self._lost_at is None:
            self._lost_at = at_s
        abrupt = self._kept_at is None or self._lost_at - self._kept_at <= _ABRUPT_S
        return abrupt and self._stands_still()

    def _stands_still(self) -> bool:
        if len(self._recent) < LEARNED_FROM:
            return False
        older, newer = edges(self._median(0, RECENT)), edges(self._median(RECENT, LEARNED_FROM))
        return correlation(older, newer) >= _STEADY

    def _judge_sharpness(self, reference: Reference) -> None:
        sharpness = float(np.median([look.sharpness for look in self._recent]))
        if reference.size != self._recent[-1].size:  # another resolution is another sharpness
            size = self._recent[-1].size
            self.reference = Reference(reference.small, sharpness, size)
            self._sharpness = None
            return
        old = sharpness if self._sharpness is None else self._sharpness
        self._sharpness = old + _SMOOTHING * (sharpness - old)
        self.view.blurred = self._sharpness < _BLURRED * reference.sharpness

    def _adapt(self, recent: Floats) -> None:
        """Follow the light of the day, and nothing else."""
        reference = self.reference
        assert reference is not None
        small = reference.small + _ADAPT * (recent - reference.small)
        self.reference = Reference(small, reference.sharpness, reference.size)


def edges(small: Floats) -> Floats:
    """Brightness steps to the right and downwards, relative to those around; 2 x height x width."""
    right, down = np.zeros_like(small), np.zeros_like(small)
    right[:, 1:-1] = small[:, 2:] - small[:, :-2]
    down[1:-1] = small[2:] - small[:-2]
    around = _box_mean(np.hypot(right, down), 8) + 4
    both: Floats = np.stack([right / around, down / around])
    return both


def _box_mean(values: Floats, reach: int) -> Floats:
    """Mean over the square of 2 * ``reach`` + 1 places round each place."""
    side = 2 * reach + 1
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (reach + 1, reach)
        sums = np.cumsum(np.pad(values, width, mode="reflect"), axis=axis, dtype=np.float32)
        upper, lower = np.delete(sums, np.s_[:side], axis), np.delete(sums, np.s_[-side:], axis)
        values = ((upper - lower) / side).astype(np.float32)
    return values


def correlation(first: Floats, second: Floats) -> float:
    """-1 to 1 between the edges of two views."""
    energy = float((first * first).sum() * (second * second).sum())
    return float((first * second).sum()) / max(1e-6, float(energy**0.5))


def best_shift(first: Floats, second: Floats) -> tuple[int, int, float]:
    """By how many places to the right and downwards the second view looks most like the first,
    and the correlation there."""
    spectrum = np.conj(np.fft.rfft2(first)) * np.fft.rfft2(second)
    plane = np.fft.irfft2(spectrum.sum(axis=0), s=(HEIGHT, WIDTH))
    row, column = divmod(int(plane.argmax()), WIDTH)
    energy = float((first * first).sum() * (second * second).sum())
    y = (row + HEIGHT // 2) % HEIGHT - HEIGHT // 2
    x = (column + WIDTH // 2) % WIDTH - WIDTH // 2
    return x, y, float(plane.max()) / max(1e-6, energy**0.5)


def kept_share(before: Floats, now: Floats, small: Floats) -> float:
    """Share of the cells with structure in the first view whose structure is in the second too."""

    def cells(values: Floats) -> Floats:
        sums: Floats = values.reshape(HEIGHT // _CELL, _CELL, WIDTH // _CELL, _CELL).sum(
            axis=(1, 3)
        )
        return sums

    energy = cells((before**2).sum(axis=0)) * cells((now**2).sum(axis=0))
    alike = np.abs(cells((before * now).sum(axis=0))) / np.sqrt(energy + 1e-6)
    across, down = np.gradient(small)
    is_edge = (np.hypot(across, down) > 8).astype(np.float32)
    judged = cells(is_edge) >= _CELL_EDGES * _CELL**2
    return float((alike[judged] > _CELL_KEPT).mean()) if judged.any() else 1.0
