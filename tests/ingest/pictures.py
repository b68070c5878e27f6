"""Real frames, what can happen to them, and the way through an encoder that a camera's take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


def decoded(path: Path, every: int = 1) -> Iterator[Any]:
    """The frames of a video (``av.VideoFrame``)."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == 0:
                yield frame


@cache
def grey(path: Path, most: int, every: int = 1) -> list[Grey]:
    """The first frames of a video, grey."""
    frames = islice(decoded(path, every), most)
    return [frame.to_ndarray(format="gray") for frame in frames]


def through_encoder(pictures: Iterable[Grey], gop: int = 8, **options: str) -> Iterator[Any]:
    """Grey pictures as frames that were encoded as H.264 and decoded again."""
    encoder: Any = None
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    number = 0
    for number, picture in enumerate(pictures):
        if encoder is None:
            encoder = av.CodecContext.create("libx264", "w")
            encoder.height, encoder.width = picture.shape
            encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 10)
            encoder.framerate, encoder.gop_size, encoder.thread_count = Fraction(10), gop, 1
            encoder.options = {"preset": "ultrafast", "tune": "zerolatency", **options}
        frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, encoder.time_base
        for packet in encoder.encode(frame):
            yield from decoder.decode(packet)
    for packet in encoder.encode(None):
        yield from decoder.decode(packet)


def noisy(picture: Grey | NDArray[np.float64], sigma: float, rng: np.random.Generator) -> Grey:
    """The picture with a sensor's noise of ``sigma`` grey levels."""
    return np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def looking_at(picture: Grey, left: float, top: float, part: float = 0.8) -> Grey:
    """What a camera would see that shows ``part`` of the picture, from these fractions on."""
    height, width = (2 * round(side * part / 2) for side in picture.shape)
    y, x = round(top * picture.shape[0]), round(left * picture.shape[1])
    return picture[y : y + height, x : x + width]


def turned(picture: Grey, degrees: float) -> Grey:
    """What a camera sees that hangs askew."""
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.1)
    return np.asarray(
        cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def write_grey(path: Path, pictures: Iterable[Grey]) -> None:
    """Grey pictures as a video of 10 frames/s."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
                stream.height, stream.width, stream.pix_fmt = *picture.shape, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
