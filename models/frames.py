"""From pictures of any size to the network's input and back."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MULTIPLE = 32  # the input's sides; covers every stride of the network
BLACK = 4  # of 255: no pixel of a block is lighter where there is no picture
PADDING_GREY = 110  # the mean of `conditioner.normalise`: padding is zero to the network


def working_size(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    """Height and width at which a picture is counted: never enlarged, longer side <= max_side."""
    scale = 1.0 if max_side is None else min(1.0, max_side / max(height, width))
    return max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))


def frame_tensor(
    picture: NDArray[np.uint8], max_side: int | None, squash: int | None = None
) -> tuple[Tensor, tuple[int, int]]:
    """The network's input for one picture.

    Args:
        picture: (H, W, 3) BGR.
        max_side: longest side of the working picture in pixels, None for native size.
        squash: instead, both sides of the working picture, whatever the picture's shape.

    Returns:
        (1, 3, H', W') uint8 RGB, padded with grey at the right and bottom to multiples of 32, and
        the height and width of the working picture inside it.
    """
    height, width = working_size(picture.shape[0], picture.shape[1], max_side)
    if squash is not None:
        height = width = squash
    if (height, width) != picture.shape[:2]:
        resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        picture = resized.astype(np.uint8, copy=False)
    padded = np.full(
        (-(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE, 3),
        PADDING_GREY,
        np.uint8,
    )
    padded[:height, :width] = picture[:, :, ::-1]
    return torch.from_numpy(padded).permute(2, 0, 1)[None], (height, width)


def without_picture(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Where a picture is black in whole blocks: no signal, a bar at the side, a privacy mask.

    The shipped weights were trained without such parts, and what they see there is made up.

    Args:
        picture: (1, 3, H', W') uint8, from `frame_tensor`.
        size: height and width of the working picture inside it.

    Returns:
        (1, H'/32, W'/32) bool.
    """
    height, width = size
    inside = picture[0].permute(1, 2, 0).numpy()[:height, :width]
    rows = np.maximum.reduceat(inside, range(0, height, MULTIPLE), axis=0).max(axis=2)
    lightest = np.maximum.reduceat(rows, range(0, width, MULTIPLE), axis=1)
    return torch.from_numpy(lightest <= BLACK)[None]
