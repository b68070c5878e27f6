"""An MP4 of a camera's pictures, each shown for as long as it was the newest one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av

from core.messages import Picture

MILLISECOND = Fraction(1, 1000)
# Small files that every browser plays; one thread, since readings come first.
ENCODER = {"preset": "veryfast", "crf": "23", "threads": "1", "x264-params": "keyint=20"}


class ClipError(ValueError):
    """There is nothing to make a clip of."""


def write_clip(path: Path, pictures: Sequence[Picture]) -> None:
    """Write the pictures as H.264, in the order and at the distances in which they were captured.

    Args:
        path: of the file; it is replaced.
        pictures: of one camera. Those that cannot be decoded are left out; those of another size
            than the first are fitted to it.

    Raises:
        ClipError: none of them can be decoded.
        OSError: the file cannot be written.
    """
    frames = _decoded(sorted(pictures, key=lambda picture: (picture.captured_at, picture.seq)))
    first = next(frames, None)
    if first is None:
        raise ClipError("none of the pictures can be decoded")
    began, frame = first
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=1000)
        stream.width, stream.height = frame.width // 2 * 2, frame.height // 2 * 2
        stream.pix_fmt = "yuv420p"
        stream.options = ENCODER
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        last = -1
        for at, each in chain([first], frames):
            picture = each.reformat(stream.width, stream.height, format="yuv420p")
            # Two pictures of the same millisecond must not stop the encoder.
            picture.pts = last = max(at - began, last + 1)
            picture.time_base = MILLISECOND
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _decoded(pictures: Sequence[Picture]) -> Iterator[tuple[int, Any]]:
    """Instant in ms and ``av.VideoFrame`` of each picture that can be decoded."""
    for picture in pictures:
        decoder: Any = av.CodecContext.create("mjpeg", "r")
        try:
            frames = [*decoder.decode(av.Packet(picture.jpeg)), *decoder.decode(None)]
        except av.error.FFmpegError:
            continue
        if frames:
            yield picture.captured_at, frames[0]
