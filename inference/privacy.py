"""What of a picture may leave the worker: all, a blur in which nobody is known, or nothing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.settings import Pictures

LARGEST_HEAD = 1 / 8  # of the picture's height: heads are taken to be no larger
BLURRED_HEAD_PX = 4  # nobody is recognised in a head of so many pixels
JPEG_QUALITY = 80


def blurred(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture (H, W, 3), reduced until a head is at most 4 px high and enlarged again.

    What is lost in the reduction cannot be brought back by any sharpening.
    """
    height, width = picture.shape[:2]
    small_height = max(1, min(height, round(BLURRED_HEAD_PX / LARGEST_HEAD)))
    small_width = max(1, round(width * small_height / height))
    small = cv2.resize(picture, (small_width, small_height), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, dtype=np.uint8)


def published_jpeg(jpeg: bytes, picture: NDArray[np.uint8], pictures: Pictures) -> bytes | None:
    """The JPEG that goes on to the dashboard and into evidence, or None.

    Args:
        jpeg: the frame as the camera gave it.
        picture: the same, decoded, (H, W, 3) BGR.
        pictures: what may leave the worker of the camera's pictures.
    """
    if pictures == "none":
        return None
    if pictures == "full":
        return jpeg
    _, encoded = cv2.imencode(".jpg", blurred(picture), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()
