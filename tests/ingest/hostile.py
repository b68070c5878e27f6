"""Hostile videos, made from a real encoded clip: seeded mutations, cuts and bombs.

``python -m tests.ingest.hostile FOLDER`` plays every file of a folder as a camera's process does
and prints one line of JSON for each: what became of it.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from core.settings import CameraSettings, Play
from ingest.picture import encode_jpeg
from ingest.picture_health import PictureHealth
from ingest.player import Player
from ingest.publishing import Captured
from ingest.source import open_source
from ingest.source_error import SourceError

BOMB_SIDE = 16_000  # pixels
_MARKERS = (b"moov", b"stsz", b"stco", b"stts", b"avcC", b"tkhd", b"stsd", b"\xff\xc0", b"\xff\xda")


def mutants(video: bytes, number: int, seed: int) -> Iterator[bytes]:
    """``number`` damaged copies of an encoded video, always the same for a seed."""
    rng = random.Random(seed)
    for index in range(number):
        data = bytearray(video)
        kind = index % 5
        if kind == 0:  # cut off
            del data[rng.randrange(1, len(data)) :]
        elif kind == 1:  # a piece is missing
            start = rng.randrange(len(data))
            del data[start : start + rng.randrange(1, 2000)]
        elif kind == 2:  # sizes and tables that lie
            marker = rng.choice([marker for marker in _MARKERS if marker in data])
            start = data.index(marker)
            for _ in range(rng.randrange(1, 6)):
                data[min(len(data) - 1, start + rng.randrange(-4, 40))] = rng.choice((0, 127, 255))
        elif kind == 3:  # noise in the pictures
            for _ in range(rng.randrange(1, 200)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        else:  # pieces in another order
            first, second = sorted(rng.randrange(len(data)) for _ in range(2))
            data[first : first + 300], data[second : second + 300] = (
                data[second : second + 300],
                data[first : first + 300],
            )
        yield bytes(data)


def raw_h264(path: Path) -> bytes:
    """The access units of an MP4, back to back (Annex B)."""
    with av.open(str(path)) as container:
        to_annex_b: Any = av.BitStreamFilterContext("h264_mp4toannexb", container.streams.video[0])
        packets = [out for packet in container.demux(video=0) for out in to_annex_b.filter(packet)]
    return b"".join(bytes(packet) for packet in packets)


def jpegs(path: Path) -> list[bytes]:
    """Each frame of a video as JPEG."""
    with av.open(str(path)) as container:
        return [encode_jpeg(frame, 320) for frame in container.decode(video=0)]


def write_mjpeg(path: Path, pictures: Sequence[bytes]) -> Path:
    """JPEGs as an AVI that says they are 320 x 240, whatever they are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for number, picture in enumerate(pictures):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = number
            container.mux(packet)
    return path


def bomb() -> bytes:
    """A JPEG of 3 MB that unpacks to 256 million pixels."""
    black = np.zeros((BOMB_SIDE, BOMB_SIDE), np.uint8)
    return bytes(cv2.imencode(".jpg", black, [cv2.IMWRITE_JPEG_QUALITY, 20])[1].tobytes())


class _Counter:
    """Counts the frames that would be published, and encodes them as for that."""

    frames = drops = errors = 0

    def put(self, captured: Captured) -> None:
        encode_jpeg(captured.picture, 320)
        self.frames += 1

    def missed(self, frames: int) -> None: ...

    def close(self) -> None: ...


def outcome(path: Path) -> dict[str, Any]:
    """What becomes of a file: the frames it gave, or the reason and the sentence."""
    play = Play(repeat=False, pace="fast", policy="every")
    camera = CameraSettings(id="hostile", source=str(path), fps=60, play=play)
    health, sink = PictureHealth(10, fixed_view=True), _Counter()

    def decoded(frame: Any, at_s: float) -> bool:
        return health.see(frame, at_s).reason is None

    player = Player(camera, sink, decoded, lambda: None, threading.Event())
    try:
        source = open_source(str(path))
        try:
            player.play(source)
        finally:
            source.container.close()
    except SourceError as error:
        return {"reason": str(error.reason), "detail": error.detail, "frames": sink.frames}
    return {"frames": sink.frames}


def main() -> None:
    av.logging.set_level(None)
    for path in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps({"file": path.name, **outcome(path)}), flush=True)


if __name__ == "__main__":
    main()
