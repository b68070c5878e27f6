"""Small videos, made once per run."""

from __future__ import annotations

import socket
from pathlib import Path

import av
import numpy as np
import pytest

FPS = 10


def write_video(path: Path, seconds: float, width: int = 320, height: int = 240) -> Path:
    """A moving pattern as H.264 at 10 frames/s; brightness grows with time."""
    frames = round(seconds * FPS)
    encoding = {"preset": "ultrafast", "g": "10"}
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=encoding)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        column = np.arange(width, dtype=np.int32)[None, :]
        row = np.arange(height, dtype=np.int32)[:, None]
        for index in range(frames):
            grey = ((column * 2 + row + index * 8) % 120 + 100 * index // frames).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.stack([grey] * 3, axis=-1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``gate.mp4`` (4 s), ``short.mp4`` (1 s), ``ten.mp4`` (10 s) and others."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "gate.mp4", 4)
    write_video(folder / "hall.mp4", 4, width=640, height=360)
    write_video(folder / "short.mp4", 1)
    write_video(folder / "ten.mp4", 10)
    whole = (folder / "gate.mp4").read_bytes()
    start = whole.index(b"mdat") + 4
    (folder / "damaged.mp4").write_bytes(whole[:start] + bytes(len(whole) - start))
    (folder / "notes.mp4").write_text("This is a text, whatever its name says.\n" * 50)
    return folder


@pytest.fixture
def unused_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
