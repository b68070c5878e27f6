"""What stands in a place for good: boxes with textured faces, and things, as ready layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenes.backdrop import paint_quad
from scenes.camera import Camera
from scenes.compose import OBSTACLE, Figure, Picture, colour_sprite, placement, sprite_level
from scenes.solids import Bytes
from scenes.textures import Texture


@dataclass(frozen=True)
class Layer:
    """A piece of picture, (h, w, 4) BGRA with colours premultiplied, at (``left``, ``top``).

    ``distance`` along the optical axis decides which people stand before and which behind it.
    """

    patch: Bytes
    left: int
    top: int
    distance: float

    def draw(self, picture: Picture) -> None:
        """Lay it over the picture; it hides who is behind."""
        h, w = self.patch.shape[:2]
        block = (slice(self.top, self.top + h), slice(self.left, self.left + w))
        cover = self.patch[..., 3]
        clear = cv2.bitwise_not(cv2.merge([cover, cover, cover]))
        faded = cv2.multiply(picture.image[block], clear, scale=1 / 255)
        picture.image[block] = cv2.add(faded, np.ascontiguousarray(self.patch[..., :3]))
        np.copyto(picture.owner[block], OBSTACLE, where=cover > 127)


@dataclass(frozen=True)
class Box:
    """A cuboid: ground rectangle (x0, y0, x1, y1), from ``bottom`` to ``top``, metres.

    ``front`` covers the sides; ``lid`` is the colour (BGR) of the top. ``gains`` are how bright
    the front, the sides and the top are.
    """

    ground: tuple[float, float, float, float]
    top: float
    front: Texture
    lid: tuple[float, float, float]
    bottom: float = 0.0
    gains: tuple[float, float, float] = (0.9, 0.7, 1.0)


def box_layer(camera: Camera, box: Box) -> Layer | None:
    """The box as the camera sees it; None where it is out of the picture."""
    image = np.zeros((camera.picture_height, camera.width, 3), np.uint8)
    mask = np.zeros(image.shape[:2], np.uint8)
    x0, y0, x1, y1 = box.ground
    rise = (0.0, 0.0, box.top - box.bottom)
    side = x0 if x0 > 0 else x1  # the side that is turned to the camera's axis
    if x0 > 0 or x1 < 0:
        paint_quad(
            image, camera, (side, y0, box.bottom), (0, y1 - y0, 0), rise, box.front,
            gain=box.gains[1], mask=mask,
        )  # fmt: skip
    if camera.height > box.top:
        lid = [(x0, y0, box.top), (x1, y0, box.top), (x1, y1, box.top), (x0, y1, box.top)]
        colour = tuple(min(c * box.gains[2], 255.0) for c in box.lid)
        outline = np.rint(camera.project(lid) * 16).astype(np.int32)
        cv2.fillConvexPoly(image, outline, colour, cv2.LINE_AA, 4)
        cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_AA, 4)
    paint_quad(
        image, camera, (x0, y0, box.bottom), (x1 - x0, 0, 0), rise, box.front,
        gain=box.gains[0], mask=mask,
    )  # fmt: skip
    return _cropped(image, mask, float(camera.depth([((x0 + x1) / 2, (y0 + y1) / 2, 0)])[0]))


def figure_layer(camera: Camera, figure: Figure) -> Layer | None:
    """A thing's sprite in its place; None where it is out of the picture."""
    depth = float(camera.depth([figure.head])[0])
    level = sprite_level(figure.sprite, camera.focal / max(depth, 0.3))
    painted = colour_sprite(figure.sprite, level, figure.palette, figure.gain, figure.mirrored)
    matrix = placement(figure, camera, level, painted)
    if matrix is None:
        return None
    full = cv2.warpAffine(painted, matrix, (camera.width, camera.picture_height))
    distance = float(camera.depth([(*figure.place, 0.0)])[0])
    cover = np.ascontiguousarray(full[..., 3])
    x, y, w, h = cv2.boundingRect(cover)
    if not w:
        return None
    return Layer(np.ascontiguousarray(full[y : y + h, x : x + w], np.uint8), x, y, distance)


def _cropped(image: Bytes, mask: Bytes, distance: float) -> Layer | None:
    x, y, w, h = cv2.boundingRect(mask)
    if not w:
        return None
    colour = image[y : y + h, x : x + w]
    cover = np.ascontiguousarray(mask[y : y + h, x : x + w])
    faded = cv2.multiply(colour, cv2.merge([cover, cover, cover]), scale=1 / 255)
    return Layer(np.asarray(cv2.merge([*cv2.split(faded), cover]), np.uint8), x, y, distance)


def ground_polygon(camera: Camera, points: ArrayLike) -> NDArray[np.int32]:
    """Picture outline (N, 2) of ground points (N, 2), with 4 fractional bits for cv2."""
    ground = np.asarray(points, float)
    pixels = camera.project(np.concatenate([ground, np.zeros((len(ground), 1))], 1))
    return np.rint(np.clip(pixels * 16, -(2**19), 2**19)).astype(np.int32)


def paint_stripes(
    image: Bytes,
    camera: Camera,
    lines: Sequence[tuple[float, float, float, float]],
    width: float,
    colour: tuple[float, float, float],
    strength: float = 0.8,
) -> None:
    """Painted lines on the ground, each from (x0, y0) to (x1, y1), ``width`` metres wide."""
    over = image.copy()
    for x0, y0, x1, y1 in lines:
        along = np.array([x1 - x0, y1 - y0])
        aside = np.array([-along[1], along[0]]) / np.linalg.norm(along) * width / 2
        ends = np.array([(x0, y0), (x1, y1)])
        corners = [ends[0] - aside, ends[1] - aside, ends[1] + aside, ends[0] + aside]
        cv2.fillConvexPoly(over, ground_polygon(camera, corners), colour, cv2.LINE_AA, 4)
    cv2.addWeighted(over, strength, image, 1 - strength, 0, image)
