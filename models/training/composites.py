"""Composites of a fixed camera: people cut out of its labelled frames, before its other frames.

A few labelled frames are soon known by heart: where nobody stood in them, the network learns to see
nobody. The camera is fixed, so the median of its frames is its background, what differs from it are
people, and each of them may as well stand in another frame, further left or right, where people are
as large. (Copy-paste augmentation, as in Ghiasi et al., 2021.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.crops import Example
from models.training.damage import Heads, Picture

FEWEST_FRAMES = 5  # of fewer the median still shows people
DIFFERENCE = 22  # grey levels from the background
LARGEST_SHARE = 0.08  # of the picture: larger regions are another exposure, not people
MOST_PASTED = 8  # cut-outs per composite
SIDEWAYS, UPWARDS = 0.1, 2.0  # deviations of a cut-out's move: of the width, and in pixels
EDGE = 0.8  # sigma of its border, pixels

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Cutout:
    """One person, or several who stand together."""

    picture: Picture  # (h, w, 3) BGR
    mask: Mask  # (h, w)
    heads: Heads  # (n, 2) x, y in pixels of the cut-out
    x: int  # of its left top pixel in the frame
    y: int


def composites(frames: Sequence[Example], count: int, rng: np.random.Generator) -> list[Example]:
    """``count`` new pictures of the camera; none where its frames show no background.

    Args:
        frames: labelled frames of one fixed camera.
        count: how many pictures.
        rng: chooses frames, cut-outs and places.
    """
    if len(frames) < FEWEST_FRAMES or len({frame.picture.shape for frame in frames}) > 1:
        return []
    people = cut_out(frames)
    if not people:
        return []
    return [_composite(frames[int(rng.integers(len(frames)))], people, rng) for _ in range(count)]


def cut_out(frames: Sequence[Example]) -> list[Cutout]:
    """The labelled people who stand off the background, the median of all frames."""
    background = np.median([frame.picture for frame in frames], axis=0).astype(np.uint8)
    return [person for frame in frames for person in _regions(frame, background)]


def _regions(frame: Example, background: Picture) -> Iterator[Cutout]:
    """The regions of a frame that differ from the background and hold a labelled head."""
    smooth = cv2.GaussianBlur(frame.picture, (0, 0), 1.0)
    difference = cv2.absdiff(smooth, cv2.GaussianBlur(background, (0, 0), 1.0)).max(axis=2)
    small, large = (cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (n, n)) for n in (3, 7))
    mask = (difference > DIFFERENCE).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, small)
    mask = cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, large), small)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(mask)
    near = cv2.dilate(labels.astype(np.uint16), large)  # a label may lie beside its head
    region = near[_pixels(frame.heads, mask.shape)]
    for number in np.unique(region):
        x, y, w, h, area = boxes[number]
        if number and area <= LARGEST_SHARE * mask.size:
            heads = frame.heads[region == number] - np.array([x, y], np.float32)
            box = slice(y, y + h), slice(x, x + w)
            yield Cutout(frame.picture[box], labels[box] == number, heads, int(x), int(y))


def _composite(frame: Example, people: Sequence[Cutout], rng: np.random.Generator) -> Example:
    """A frame with some of the people pasted before it, mirrored or not."""
    picture, heads = frame.picture.copy(), frame.heads
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(0, MOST_PASTED + 1))):
        person = people[int(rng.integers(len(people)))]
        cutout, mask, own = person.picture, person.mask, person.heads
        h, w = mask.shape
        if rng.random() < 0.5:
            cutout, mask = cutout[:, ::-1], mask[:, ::-1]
            own = np.stack([w - own[:, 0], own[:, 1]], axis=1)
        x = int(np.clip(person.x + rng.normal(0, SIDEWAYS * width), 0, width - w))
        y = int(np.clip(person.y + rng.normal(0, UPWARDS), 0, height - h))
        place = slice(y, y + h), slice(x, x + w)
        opacity = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), EDGE)[..., None]
        mixed = picture[place] * (1 - opacity) + cutout * opacity
        picture[place] = mixed.astype(np.uint8)
        covered = np.zeros((height, width), bool)
        covered[place] = mask
        shown = heads[~covered[_pixels(heads, covered.shape)]]
        heads = np.concatenate([shown, own + np.array([x, y], np.float32)]).astype(np.float32)
    inside = ((heads >= 0) & (heads < np.array([width, height]))).all(axis=1)
    return Example(picture, heads[inside])


def _pixels(heads: Heads, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels in which heads lie, or nearest to those outside."""
    columns, rows = heads.astype(np.int64).clip(0, (shape[1] - 1, shape[0] - 1)).T
    return rows, columns
