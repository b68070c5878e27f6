"""``headcount count``: count the people in pictures, or in a video."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from headcount.failures import INPUT_AT_FAULT, InputError, say
from headcount.recount import counted_then
from inference.decoding import PictureError, decode_picture
from inference.result_item import result_item
from models.counter import Counter, CrowdReading

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
HEAD_COLOUR = (60, 220, 255)  # BGR
TEXT_HEIGHT = 0.045  # of the picture's height


@dataclass(frozen=True)
class CountedPicture:
    """A picture (H, W, 3) BGR with what the model said, as it is reported."""

    file: Path
    frame: int
    picture: NDArray[np.uint8]
    reading: CrowdReading

    @property
    def item(self) -> dict[str, Any]:
        return result_item(self.reading, str(self.file), self.frame, None)


def pictures_of(file: Path, every_s: float) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The file's picture as frame 0, or the frames of a video at this distance in time.

    Raises:
        InputError: the file is neither.
    """
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    if file.suffix.lower() in PICTURE_SUFFIXES:
        try:
            yield 0, decode_picture(file.read_bytes())
        except PictureError:
            raise InputError(f"{file}: not a picture that can be read") from None
        return
    yield from _video_frames(file, every_s)


def _video_frames(file: Path, every_s: float) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    frames = 0
    try:
        with av.open(str(file)) as video:
            if not video.streams.video:
                raise InputError(f"{file}: has no video in it")
            stream = video.streams.video[0]
            fps = float(stream.average_rate or 25)
            next_at = 0.0
            for frames, frame in enumerate(video.decode(stream), start=1):
                at = (frames - 1) / fps
                if at + 0.5 / fps >= next_at:
                    next_at += every_s
                    yield frames - 1, np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
    except av.error.FFmpegError:
        if frames == 0:
            raise InputError(f"{file}: neither a picture nor a video that can be read") from None
        say(f"{file}: damaged after frame {frames - 1}; counted up to there.")
    else:
        if frames == 0:
            raise InputError(f"{file}: has no video frame in it")


def drawn(counted: CountedPicture) -> NDArray[np.uint8]:
    """The picture with a ring round every head and the count in a corner."""
    picture = counted.picture.copy()
    height, width = picture.shape[:2]
    radius = max(3, round(min(height, width) / 160))
    for x, y, _ in np.asarray(counted.reading.heads).reshape(-1, 3):
        centre = (round(float(x)), round(float(y)))
        cv2.circle(picture, centre, radius, HEAD_COLOUR, max(1, radius // 3), cv2.LINE_AA)
    reading = counted.reading
    text = f"{reading.count:.0f}  ({reading.low:.0f} to {reading.high:.0f})"
    scale = max(0.4, TEXT_HEIGHT * height / 22)
    thickness = max(1, round(1.6 * scale))
    font = cv2.FONT_HERSHEY_SIMPLEX
    (text_width, text_height), base = cv2.getTextSize(text, font, scale, thickness)
    margin = max(4, text_height // 3)
    cv2.rectangle(
        picture, (0, 0), (text_width + 2 * margin, text_height + base + 2 * margin), (0, 0, 0), -1
    )
    place = (margin, margin + text_height)
    cv2.putText(picture, text, place, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return picture


def _overlay_path(out: Path, counted: CountedPicture, single: bool, prefix: str) -> Path:
    """Where a drawn picture goes: ``out`` itself, or a file in the folder ``out``.

    Args:
        prefix: tells files of the same name from each other.
    """
    if single:
        return out
    stem = prefix + counted.file.stem
    if counted.file.suffix.lower() not in PICTURE_SUFFIXES:
        stem = f"{stem}-{counted.frame:06d}"
    return out / f"{stem}.jpg"


def _save_overlay(path: Path, counted: CountedPicture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded, data = cv2.imencode(path.suffix.lower(), drawn(counted))
    if not encoded:
        raise InputError(f"--overlay {path}: cannot be written as a picture")
    path.write_bytes(data.tobytes())


def _print_line(item: dict[str, Any], is_video: bool) -> None:
    place = f"{item['source']} frame {item['frame']}" if is_video else item["source"]
    print(
        f"{place}: {item['count']:.1f} people, 90 % between {item['low']:.0f} and "
        f"{item['high']:.0f} ({item['ms']:.0f} ms)",
        flush=True,
    )


def _how(file: Path, counter: Counter, steps: int | None, max_side: int | None) -> dict[str, Any]:
    """Steps, samples and size: what the user asks for, else as the file's evidence was counted."""
    then = counted_then(file)
    if then is None:
        return {"steps": steps, "max_side": max_side}
    if then.model_hash != counter.weights_hash:
        say(
            f"{file}: was counted by other weights then ({then.model} {then.model_hash}; these are "
            f"{counter.name} {counter.weights_hash}), so the count may differ."
        )
    if then.pictures != "full":
        say(f"{file}: was {then.pictures} after it was counted, so the count differs.")
    return {
        "steps": steps or then.steps,
        "max_side": max_side or then.max_side,
        "samples": then.samples,
    }


def count_files(
    files: Sequence[Path],
    *,
    weights: str,
    steps: int | None,
    max_side: int | None,
    every_s: float,
    device: str,
    as_json: bool,
    overlay: Path | None,
) -> None:
    """Count every file; one that cannot be read is said on stderr, and the exit code is 1.

    Raises:
        models.counter.WeightsError: the weights are missing or unreadable.
    """
    single = len(files) == 1 and files[0].suffix.lower() in PICTURE_SUFFIXES
    if overlay is not None and single and overlay.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"--overlay {overlay}: name a picture, such as counted.jpg")
    counter = Counter.load(weights, device=device)
    items = []
    failed = 0
    stems = [file.stem for file in files]
    for position, file in enumerate(files):
        is_video = file.suffix.lower() not in PICTURE_SUFFIXES
        try:
            for frame, picture in pictures_of(file, every_s):
                reading = counter.count([picture], **_how(file, counter, steps, max_side))[0]
                counted = CountedPicture(file, frame, picture, reading)
                items.append(counted.item)
                if not as_json:
                    _print_line(counted.item, is_video)
                if overlay is not None:
                    prefix = f"{position:03d}-" if stems.count(file.stem) > 1 else ""
                    _save_overlay(_overlay_path(overlay, counted, single, prefix), counted)
        except InputError as error:
            say(str(error))
            failed += 1
    if as_json:
        print(json.dumps({"items": items}))
    if failed:
        raise typer.Exit(INPUT_AT_FAULT)
