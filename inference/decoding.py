"""A picture's bytes as an array."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


class PictureError(ValueError):
    """The bytes are no picture that can be decoded."""


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) BGR.

    Raises:
        PictureError: the bytes are no picture, or a damaged or oversized one.
    """
    try:
        picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None  # empty, or more pixels than OpenCV is ready to allocate
    if picture is None:
        raise PictureError(f"{len(data)} bytes that are no readable picture")
    return np.asarray(picture, dtype=np.uint8)
