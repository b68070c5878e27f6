"""Writes frames of the two camera videos with their heads as folders for `headcount evaluate`.

    python benchmarks/camera_sets.py ../shared/data OUT [--every 20]

makes OUT/mall and OUT/pets, each with images/ and points.csv. Mall's heads are annotated; in PETS
whole people are, and the head is taken 7 % below the top of the box.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import av
import cv2

HEAD_IN_BOX = 0.07  # of the box's height, below its top

Points = dict[int, list[tuple[float, float]]]


def mall_heads(table: Path) -> Points:
    points: Points = defaultdict(list)
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            points[int(row["frame"])].append((float(row["x"]), float(row["y"])))
    return points


def pets_heads(table: Path) -> Points:
    points: Points = defaultdict(list)
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
            points[int(row["frame"])].append((x + w / 2, y + HEAD_IN_BOX * h))
    return points


def write_set(video: Path, points: Points, frames: range, out: Path) -> None:
    """The chosen frames of a video and their heads."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    rows = ["file,x,y"]
    with av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index not in frames:
                continue
            name = f"{index:05d}.jpg"
            picture = frame.to_ndarray(format="bgr24")
            cv2.imwrite(str(out / "images" / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
            rows += [f"{name},{x:.1f},{y:.1f}" for x, y in points[index]]
    (out / "points.csv").write_text("\n".join(rows) + "\n")


def write_cameras(videos: Path, frames: range, out: Path) -> None:
    """The chosen frames of both cameras, in ``out/mall`` and ``out/pets``."""
    heads = mall_heads(videos / "mall_train_heads.csv")
    write_set(videos / "mall_train_640x480.mp4", heads, frames, out / "mall")
    people = pets_heads(videos / "pets2009_people.csv")
    write_set(videos / "pets2009_480x360.mp4", people, frames, out / "pets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=int, default=20, help="every so manieth frame")
    parser.add_argument("--start", type=int, default=0, help="first frame")
    parser.add_argument("--stop", type=int, default=800, help="frame after the last")
    arguments = parser.parse_args()
    frames = range(arguments.start, arguments.stop, arguments.every)
    write_cameras(arguments.data / "videos", frames, arguments.out)


if __name__ == "__main__":
    main()
