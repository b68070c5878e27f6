"""Labels of a camera's frames: frames taken from a recording, and the points in ``points.csv``."""

from __future__ import annotations

import csv
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from headcount.failures import InputError
from models.training.data import read_points

Point = tuple[float, float]  # x, y in pixels, the first pixel's centre at 0, as in points.csv

_changing = threading.Lock()  # fast clicks run the page in several threads at once


def take_frames(video: Path, images: Path, count: int) -> int:
    """Writes frames of a recording as JPEG, evenly spread; returns how many.

    Raises:
        InputError: the recording cannot be read, or the folder has pictures already.
    """
    if images.is_dir() and any(images.iterdir()):
        raise InputError(f"{images}: has pictures already; name an empty folder")
    try:
        with av.open(str(video)) as container:
            total = sum(1 for _ in container.decode(video=0))
        wanted = set(np.linspace(0, max(0, total - 1), min(count, total)).astype(int).tolist())
        images.mkdir(parents=True, exist_ok=True)
        with av.open(str(video)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in wanted:
                    picture = frame.to_ndarray(format="bgr24")
                    file = images / f"frame-{index:06d}.jpg"
                    cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{video}: not a video that can be read ({error})") from None
    return len(wanted)


def labelled_heads(table: Path) -> dict[str, list[Point]]:
    """The labelled heads by picture; a picture that is not in it is not labelled yet.

    Raises:
        models.training.data.DataError: it is no table of points.
        InputError: it holds sizes of heads, which labels are written without.
    """
    if not table.is_file():
        return {}
    heads, sized = read_points(table)
    if sized:
        raise InputError(f"{table}: has sizes of heads (w, h), which labelling here would lose")
    return {name: [(x, y) for x, y, _ in own] for name, own in heads.items()}


def write_points(table: Path, points: Mapping[str, Sequence[Point]]) -> None:
    """Writes all labelled heads, atomically."""
    temporary = table.with_suffix(".tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "x", "y"])
        for name in sorted(points):
            writer.writerows((name, f"{x:.1f}", f"{y:.1f}") for x, y in points[name])
    temporary.replace(table)


def set_points(table: Path, name: str, points: Sequence[Point]) -> dict[str, list[Point]]:
    """Replaces one picture's heads and keeps those of the others; returns all."""
    with _changing:
        write_points(table, {**labelled_heads(table), name: points})
        return labelled_heads(table)
