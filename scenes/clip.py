"""Scenes as files: a video and the truth of each of its frames."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from scenes.scene import CYCLE, SHORTEST_CYCLE, Scene

Progress = Callable[[float], None]


def write_clip(
    scene_name: str,
    folder: Path,
    seconds: float = CYCLE,
    *,
    seed: int = 0,
    width: int = 960,
    height: int = 540,
    progress: Progress | None = None,
) -> tuple[Path, Path]:
    """Render a scene to ``NAME.mp4`` and its truth to ``NAME.csv``.

    The video is H.264 with a key frame each second. The table has the columns frame, x, y: every
    visible head of every frame, pixels, 0-based centre. A clip of a minute or more holds one whole
    cycle and can be played in a loop; a shorter one shows the beginning of a cycle of two minutes.
    Both files appear whole or not at all, the table last.

    Args:
        scene_name: ``plaza`` or ``concourse``.
        folder: where to; it must exist.
        seconds: length.
        seed: another cast.
        width, height: of the picture, even numbers.
        progress: is told the share that is done, 0 to 1.

    Returns:
        The paths of the video and of the table.

    Raises:
        ValueError: there is no such scene.
    """
    cycle = seconds if seconds >= SHORTEST_CYCLE else CYCLE
    scene = Scene(scene_name, seed, width, height, cycle)
    frames = max(round(seconds * scene.fps), 1)
    video, table = folder / f"{scene_name}.mp4", folder / f"{scene_name}.csv"
    with _replacing(video) as video_part, _replacing(table) as table_part:
        _render(scene, frames, video_part, table_part, progress)
    return video, table


def resize_clip(source: Path, target: Path, width: int, height: int) -> None:
    """The same film in another size, encoded as `write_clip` does; it appears whole or not at all.

    Args:
        width, height: of the picture, even numbers.
    """
    with av.open(str(source)) as film, _replacing(target) as part:
        stream = film.streams.video[0]
        fps = round(stream.average_rate or Scene.fps)
        with closing(_Encoder(part, width, height, fps)) as encoder:
            for frame in film.decode(stream):
                picture = frame.to_ndarray(width=width, height=height, format="bgr24")
                encoder.add(np.asarray(picture, dtype=np.uint8))


def _render(scene: Scene, frames: int, video: Path, table: Path, progress: Progress | None) -> None:
    camera = scene.place.camera
    encoder = _Encoder(video, camera.width, camera.picture_height, scene.fps)
    with table.open("w", newline="") as file, closing(encoder):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("frame", "x", "y"))
        for index in range(frames):
            picture, heads = scene.frame(index)
            encoder.add(picture)
            rows.writerows((index, f"{x:.2f}", f"{y:.2f}") for x, y in heads)
            if progress is not None:
                progress((index + 1) / frames)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder; it takes the place of ``path`` if all goes well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class _Encoder:
    """An H.264 file that grows by one picture at a time."""

    def __init__(self, path: Path, width: int, height: int, fps: int) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream("libx264", rate=Fraction(fps))
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = fps
        self._stream.options = {"preset": "superfast", "crf": "26", "tune": "zerolatency"}
        self._stream.thread_count = 1

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Append a picture (H, W, 3) BGR."""
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Write what is left and the file's index."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
