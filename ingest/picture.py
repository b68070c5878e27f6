"""From a decoded frame to the JPEG that travels to a worker."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace, Interpolation

AUTO_MAX_SIDE = 1024
_QUALITY = 3  # MJPEG quantiser, 2 (best) to 31; 3 is about quality 85 of other encoders

_TURNS: dict[
    int, list[tuple[str, str | None]]
] = {  # quarter turns anticlockwise to the filters that make them
    1: [("transpose", "cclock")],
    2: [("hflip", None), ("vflip", None)],
    3: [("transpose", "clock")],
}


def sized(width: int, height: int, max_side: int) -> tuple[int, int]:
    """The size of the JPEG: longer side at most ``max_side``, never enlarged, even numbers.

    >>> sized(1920, 1080, 1024)
    (1024, 576)
    """
    scale = min(1.0, max_side / max(width, height))
    return _even(width * scale), _even(height * scale)


def upright(frame: Any) -> Any:
    """The frame (``av.VideoFrame``) as a player shows it: phones record sideways and say so."""
    turn = _TURNS.get(round(frame.rotation / 90) % 4)
    if turn is None:
        return frame
    graph = Graph()
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    for name, arguments in turn:
        step = graph.add(name, arguments)
        last.link_to(step)
        last = step
    last.link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    return graph.pull()


def _even(length: float) -> int:
    return max(2, 2 * int(length / 2 + 1e-6))


def encode_jpeg(frame: Any, max_side: int) -> bytes:
    """The frame (``av.VideoFrame``) as JPEG, downscaled by area so that small heads survive.

    FFmpeg's encoder takes the picture as it comes out of the decoder; a way through RGB would take
    twice the time and need numpy and OpenCV in each camera's process.
    """
    width, height = sized(frame.width, frame.height, max_side)
    picture = frame.reformat(
        width=width,
        height=height,
        format="yuvj420p",
        interpolation=Interpolation.AREA,
        dst_colorspace=Colorspace.ITU601,  # what JPEG means, whatever the camera sends
        dst_color_range=ColorRange.JPEG,
    )
    picture.pts = 0
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qmin = encoder.qmax = _QUALITY
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
