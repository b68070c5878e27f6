"""Annotated pictures: ShanghaiTech folders, CSV folders, and the split into train and validation.

A data set is a folder with ``images/`` and either ``ground-truth/GT_IMG_n.mat`` (ShanghaiTech) or
``points.csv`` (columns file, x, y and, where known, the head's box size w, h).
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

ABOVE_HEAD = 14  # pixels that are kept above a head's centre: it is whole


class DataError(ValueError):
    """A data folder is not what it should be; the text says where and what is expected."""


@dataclass(frozen=True)
class Annotated:
    """One picture with its heads."""

    path: Path
    heads: NDArray[np.float32]  # (N, 2) x, y in pixels, the first pixel's centre at 0.5, 0.5
    sizes: NDArray[np.float32] | None  # (N,) side of the head's box in pixels, where annotated
    encoded: NDArray[np.uint8] | None = None  # the picture's file, where `path` is in a pack
    top: int = 0  # rows that are cut off the picture's upper side

    def picture(self) -> NDArray[np.uint8]:
        """The decoded picture, (H, W, 3) BGR.

        Raises:
            DataError: it cannot be decoded.
        """
        if self.encoded is not None:
            decoded = cv2.imdecode(self.encoded, cv2.IMREAD_COLOR)
        else:
            decoded = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if decoded is None:
            raise DataError(f"{self.path}: not a picture that can be decoded")
        return decoded[self.top :].astype(np.uint8, copy=False)


def read_folder(folder: Path) -> list[Annotated]:
    """All annotated pictures of one data folder, sorted by number and name.

    Raises:
        DataError: there is no such folder, no annotation, or an annotation without its picture.
    """
    images = folder / "images"
    if not images.is_dir():
        raise DataError(f"{folder}: no folder images/ with the pictures in it")
    if (folder / "ground-truth").is_dir():
        return [_shanghaitech(path, folder) for path in sorted_pictures(images)]
    if (folder / "points.csv").is_file():
        return list(_csv_folder(folder))
    raise DataError(f"{folder}: neither ground-truth/*.mat nor points.csv beside images/")


def split(items: list[Annotated]) -> tuple[list[Annotated], list[Annotated]]:
    """Train and validation: the last tenth, by file number, is validation."""
    held_out = max(1, len(items) // 10)
    return items[:-held_out], items[-held_out:]


def cut_above_heads(item: Annotated) -> Annotated:
    """The picture without what lies above its highest head.

    For data sets whose far people nobody annotated: they would be taught to be nobody.
    """
    if not len(item.heads):
        return item
    top = max(0, int(item.heads[:, 1].min()) - ABOVE_HEAD)
    return replace(item, heads=item.heads - np.array([0, top], np.float32), top=item.top + top)


def sorted_pictures(images: Path) -> list[Path]:
    """The pictures in a folder, by the number in their names."""
    allowed = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
    found = [path for path in images.iterdir() if path.suffix.lower() in allowed]
    return sorted(found, key=lambda path: (_number(path), path.name))


def _number(path: Path) -> int:
    digits = re.findall(r"\d+", path.stem)
    return int(digits[-1]) if digits else 0


def _shanghaitech(path: Path, folder: Path) -> Annotated:
    truth = folder / "ground-truth" / f"GT_{path.stem}.mat"
    if not truth.is_file():
        raise DataError(f"{truth}: missing, the annotation of {path.name}")
    try:
        location = loadmat(truth)["image_info"][0, 0]["location"][0, 0]
        heads = location.astype(np.float32).reshape(-1, 2)
    except Exception as error:  # damaged MATLAB files raise what they like
        raise DataError(
            f"{truth}: not an annotation of ShanghaiTech, image_info with location ({error})"
        ) from None
    # 1-based pixel indices: the centre of the first pixel is 1 there and 0.5 here.
    return Annotated(path, heads - 0.5, None)


def read_points(table: Path) -> tuple[dict[str, list[tuple[float, float, float]]], bool]:
    """The heads of a ``points.csv`` by picture, and whether the file has their sizes.

    A head is x, y and the side of its box in pixels, as in the file: the first pixel's centre at 0.
    The side is 0 in a file without sizes.

    Raises:
        DataError: it is no table of points.
    """
    rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            if not {"file", "x", "y"} <= columns:
                raise DataError(f"{table}: columns file, x, y are expected")
            sized = {"w", "h"} <= columns
            for row in reader:
                x, y, w, h = _numbers(row, sized, f"{table}:{reader.line_num}")
                rows[row["file"]].append((x, y, (w * h) ** 0.5))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a CSV file in UTF-8 ({error})") from None
    return dict(rows), sized


def _csv_folder(folder: Path) -> Iterator[Annotated]:
    table = folder / "points.csv"
    rows, sized = read_points(table)
    pictures = sorted_pictures(folder / "images")
    unknown = set(rows) - {path.name for path in pictures}
    if unknown:
        raise DataError(f"{table}: names {min(unknown)}, not in images/")
    for path in pictures:
        points = np.array(rows.get(path.name, []), np.float32).reshape(-1, 3)
        yield Annotated(path, points[:, :2] + 0.5, points[:, 2] if sized else None)


def _numbers(row: Mapping[str, str], sized: bool, place: str) -> tuple[float, float, float, float]:
    """x, y, w, h of a row in pixels; w and h are 0 in a file without sizes."""
    names = ("x", "y", "w", "h") if sized else ("x", "y")
    values = {"w": 0.0, "h": 0.0}
    for name in names:
        try:
            values[name] = float(row[name])
        except (TypeError, ValueError):
            values[name] = math.nan
        if not math.isfinite(values[name]) or (name in "wh" and values[name] < 0):
            raise DataError(f"{place}: {name} is {row[name]!r}; a number of pixels is expected")
    return values["x"], values["y"], values["w"], values["h"]
