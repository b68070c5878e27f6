"""What the checks of a picture's health see of it: a few small grey pictures of a decoded frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 120  # of `Look.small`, whatever the shape of the picture: places are relative
_FINE = 4  # the larger picture that sharpness is measured in has so many times its sides
_SAMPLES = 240  # pixels along the shorter side that `Look.samples` has at most
_EDGE = 16.0  # grey levels between neighbours in the small picture
_LUMA_FIRST = frozenset(
    f"yuv{prefix}{chroma}p" for prefix in ("", "j") for chroma in (420, 422, 444)
) | {"nv12", "gray"}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """Small grey pictures of one frame.

    Attributes:
        samples: every n-th pixel, not averaged, so that the sensor's noise is still in it; uint8.
        small: `HEIGHT` x `WIDTH`, averaged; grey levels 0 to 255.
        structure: share of the small picture's places at an edge, 0 to 1.
        sharpness: contrast between neighbouring pixels, relative to that of the small picture.
        size: of the frame, pixels.
        is_keyframe: decoded without any other frame.
    """

    samples: NDArray[np.uint8]
    small: Floats
    structure: float
    sharpness: float
    size: tuple[int, int]
    is_keyframe: bool


def look_at(frame: Any) -> Look:
    """The look of a decoded frame (``av.VideoFrame``)."""
    fine = frame.reformat(
        width=WIDTH * _FINE,
        height=HEIGHT * _FINE,
        format="gray",
        interpolation=Interpolation.AREA,
    ).to_ndarray()
    small = fine.reshape(HEIGHT, _FINE, WIDTH, _FINE).mean(axis=(1, 3), dtype=np.float32)
    steps = np.abs(np.diff(small, axis=1))[:-1] + np.abs(np.diff(small, axis=0))[:, :-1]
    contrast = np.abs(np.diff(fine.astype(np.int16), axis=1)).mean()
    return Look(
        samples=_samples(frame),
        small=small,
        structure=float((steps > _EDGE).mean()),
        sharpness=float(contrast / max(1.0, float(steps.mean()))),
        size=(frame.width, frame.height),
        is_keyframe=bool(frame.key_frame),
    )


def _samples(frame: Any) -> NDArray[np.uint8]:
    grey = frame if frame.format.name in _LUMA_FIRST else frame.reformat(format="gray")
    plane = grey.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    step = max(1, min(frame.width, frame.height) // _SAMPLES)
    return rows[: frame.height : step, : frame.width : step].copy()
