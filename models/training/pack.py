"""A training pack: all pictures and points of some data sets in one file.

A safetensors file (nothing is pickled), so that a machine with torch, numpy and OpenCV can train
from it and nothing else. Its tensors are, for each data set NAME: ``NAME/files``, the pictures'
WebP files one after the other, ``NAME/ends``, where each ends, ``NAME/points``, (N, 3) x, y and
head size in pixels (0 where unknown), and ``NAME/heads``, how many points each picture has. The
header's ``pictures`` lists the names of the pictures by data set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models.training.data import Annotated

SIDES = (1024, 768, 640, 512)  # longest side of the pictures, pixels, best first
QUALITIES = (80, 60, 45, 30)  # of WebP
SAMPLE = 25  # every so manieth picture tells how large the pack will be
MARGIN = 0.95  # of the limit that the estimate may fill


class PackError(ValueError):
    """A pack cannot be read, or cannot be made so small; the text is one sentence."""


@dataclass(frozen=True)
class Written:
    """How the pictures of a pack were stored."""

    pictures: int
    side: int  # longest, pixels
    quality: int  # of WebP


def write_pack(sets: Mapping[str, Sequence[Annotated]], path: Path, limit: int) -> Written:
    """Writes the pack with the best pictures that the limit allows.

    Args:
        sets: annotated pictures by data set.
        path: of the file.
        limit: bytes.

    Raises:
        PackError: even the smallest pictures would take more.
    """
    every = [item for items in sets.values() for item in items]
    sample = every[:: max(1, min(SAMPLE, len(every) // 8))]
    for side, quality in product(SIDES, QUALITIES):
        size = sum(len(_encoded(item, side, quality)[0]) for item in sample)
        if size * len(every) / len(sample) <= limit * MARGIN:
            break
    else:
        raise PackError(f"{path}: {len(every)} pictures do not fit into {limit / 1e6:.0f} MB")
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, items in sets.items():
        files, points = zip(*(_encoded(item, side, quality) for item in items), strict=True)
        tensors[f"{name}/files"] = np.concatenate(files)
        tensors[f"{name}/ends"] = np.cumsum([len(file) for file in files])
        tensors[f"{name}/points"] = np.concatenate(points)
        tensors[f"{name}/heads"] = np.array([len(rows) for rows in points])
    names = {name: [item.path.name for item in items] for name, items in sets.items()}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"pictures": json.dumps(names)})
    temporary.replace(path)
    return Written(len(every), side, quality)


def read_pack(path: Path) -> dict[str, list[Annotated]]:
    """The data sets of a pack; pictures are decoded when they are asked for.

    Raises:
        PackError: it is not a pack.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            names = json.loads((file.metadata() or {})["pictures"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return {name: list(_items(path, name, names[name], tensors)) for name in names}
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise PackError(f"{path}: not a training pack ({reason})") from None


def _encoded(
    item: Annotated, side: int, quality: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The picture's WebP file, reduced to the longest side, and its points (N, 3)."""
    picture = item.picture()
    scale = min(1.0, side / max(picture.shape[:2]))
    if scale < 1:
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    _, file = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
    sizes = np.zeros(len(item.heads), np.float32) if item.sizes is None else item.sizes
    points = np.concatenate([item.heads, sizes[:, None]], axis=1) * np.float32(scale)
    return np.asarray(file, np.uint8).ravel(), points.astype(np.float32)


def _items(
    path: Path, name: str, pictures: Sequence[str], tensors: Mapping[str, NDArray[np.generic]]
) -> Iterable[Annotated]:
    files, ends = tensors[f"{name}/files"], tensors[f"{name}/ends"]
    points, heads = tensors[f"{name}/points"], tensors[f"{name}/heads"]
    sized = bool(len(points)) and bool(points[:, 2].any())
    parts = np.split(points, np.cumsum(heads)[:-1])
    for picture, file, rows in zip(pictures, np.split(files, ends[:-1]), parts, strict=True):
        yield Annotated(
            path / name / picture,
            np.asarray(rows[:, :2], np.float32),
            np.asarray(rows[:, 2], np.float32) if sized else None,
            np.asarray(file, np.uint8),
        )
