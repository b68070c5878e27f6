"""Draws figures far to near into a picture and remembers whose pixel each one is.

The owner of every pixel tells which heads are visible: a head counts when at least half of its
disc, the part outside the picture included, shows its own person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor, log2

import cv2
import numpy as np
from numpy.typing import NDArray

from scenes.bodies import HEAD_RADIUS
from scenes.camera import Camera
from scenes.looks import Palette
from scenes.solids import UNIT_SHADE, Bytes, Sprite

VISIBLE_SHARE = 0.5
OBSTACLE = -1
_RINGS = ((0.0, 1), (0.4, 6), (0.78, 12))
_DISC = np.array(
    [
        (r * np.cos(2 * np.pi * k / n), r * np.sin(2 * np.pi * k / n))
        for r, n in _RINGS
        for k in range(n)
    ]
)


@dataclass
class Figure:
    """A person or thing standing on the ground.

    ``place`` is its ground point (x, y) and ``head`` the centre of its head (3,) in world metres
    (for a thing: what its sprite calls its head). ``gain`` multiplies its colours (3,) BGR.
    """

    sprite: Sprite
    palette: Palette
    place: tuple[float, float]
    head: tuple[float, float, float]
    person: bool = True
    mirrored: bool = False
    gain: NDArray[np.float32] = field(default_factory=lambda: np.ones(3, np.float32))


@dataclass
class Picture:
    """A picture in the making; ``owner`` (H, W) is 0 for backdrop, else 1 + index of a figure."""

    image: Bytes
    owner: NDArray[np.int16]

    @classmethod
    def on(cls, backdrop: Bytes) -> Picture:
        return cls(backdrop.copy(), np.zeros(backdrop.shape[:2], np.int16))


def colour_sprite(
    sprite: Sprite, level: int, palette: Palette, gain: NDArray[np.float32], mirrored: bool
) -> Bytes:
    """The sprite in its colours, (h, w, 4) BGRA uint8 with colours premultiplied by coverage."""
    shade, material, cover = sprite.level(level)
    colours = np.clip(palette * gain, 0, 255).astype(np.uint8)
    flat = colours[material]
    flat = cv2.multiply(flat, cv2.merge([shade, shade, shade]), scale=1 / UNIT_SHADE)
    flat = cv2.multiply(flat, cv2.merge([cover, cover, cover]), scale=1 / 255)
    painted = cv2.merge([*cv2.split(flat), cover])
    return np.asarray(cv2.flip(painted, 1) if mirrored else painted, np.uint8)


def sprite_level(sprite: Sprite, scale: float) -> int:
    """The coarsest level that is still at least as fine as ``scale`` pixels a metre."""
    if scale >= sprite.resolution:
        return 0
    return min(floor(log2(sprite.resolution / scale)), 6)


def placement(
    figure: Figure, camera: Camera, level: int, painted: Bytes
) -> NDArray[np.float64] | None:
    """The affine map (2, 3) from sprite pixels to the picture; None behind the camera.

    It takes the sprite's origin to the feet and its head to the head's place in the picture, so
    that people lean outwards at the edges as through a lens.
    """
    x, y = figure.place
    points = np.array([(x, y, 0.0), figure.head])
    depths = camera.depth(points)
    if depths[1] < 0.25 or depths.mean() < 0.3:
        return None
    feet, head = camera.project(points) - 0.5
    if depths[0] < 0.3:
        return None
    shrink = 2.0**level
    resolution = figure.sprite.resolution / shrink
    sx = camera.focal / float(depths.mean()) / resolution
    origin = np.array(figure.sprite.origin) / shrink - 0.5
    at_head = np.array(figure.sprite.head) / shrink - 0.5
    if figure.mirrored:
        origin[0] = painted.shape[1] - 1 - origin[0]
        at_head[0] = painted.shape[1] - 1 - at_head[0]
    rise = at_head - origin
    if abs(rise[1]) < 1e-3:
        return None
    column = (head - feet - np.array([sx * rise[0], 0.0])) / rise[1]
    matrix = np.array([[sx, column[0]], [0.0, column[1]]])
    shift = feet - matrix @ origin
    return np.concatenate([matrix, shift[:, None]], axis=1)


def blit(
    picture: Picture, painted: Bytes, matrix: NDArray[np.float64], owner: int, blur: float = 0.0
) -> None:
    """Lay a coloured sprite over the picture. ``blur`` is the length of its motion, pixels."""
    h, w = painted.shape[:2]
    corners = matrix @ np.array([[-1, w, w, -1], [-1, -1, h, h], [1, 1, 1, 1]])
    extra = blur / 2 + 1
    height, width = picture.owner.shape
    x0, x1 = (
        max(floor(corners[0].min() - extra), 0),
        min(floor(corners[0].max() + extra) + 1, width),
    )
    y0, y1 = max(floor(corners[1].min()), 0), min(floor(corners[1].max()) + 2, height)
    if x0 >= x1 or y0 >= y1:
        return
    local = matrix.copy()
    local[:, 2] -= (x0, y0)
    patch = cv2.warpAffine(painted, local, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    if blur >= 2:
        patch = cv2.blur(patch, (round(blur), 1))
    cover = patch[..., 3]
    under = picture.image[y0:y1, x0:x1]
    clear = cv2.bitwise_not(cv2.merge([cover, cover, cover]))
    faded = cv2.multiply(under, clear, scale=1 / 255)
    picture.image[y0:y1, x0:x1] = cv2.add(faded, np.ascontiguousarray(patch[..., :3]))
    np.copyto(picture.owner[y0:y1, x0:x1], owner, where=cover > 127)


def draw_figure(picture: Picture, camera: Camera, figure: Figure, owner: int) -> None:
    """Draw one figure with id ``owner``."""
    depth = float(camera.depth([figure.head])[0])
    if depth < 0.3:
        return
    level = sprite_level(figure.sprite, camera.focal / depth)
    painted = colour_sprite(figure.sprite, level, figure.palette, figure.gain, figure.mirrored)
    matrix = placement(figure, camera, level, painted)
    if matrix is not None:
        blit(picture, painted, matrix, owner)


def far_to_near(camera: Camera, places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order (N,) in which things standing at ``places`` (N, 2) are drawn."""
    points = np.concatenate([places, np.zeros((len(places), 1))], axis=1)
    return np.argsort(-camera.depth(points), kind="stable")


def visible_heads(
    picture: Picture, camera: Camera, heads: NDArray[np.float64], owners: Sequence[int]
) -> NDArray[np.bool_]:
    """Which of ``heads`` (N, 3), drawn with ids ``owners``, are seen by half or more (N,)."""
    if not len(heads):
        return np.zeros(0, np.bool_)
    centres = camera.project(heads) - 0.5
    depths = np.maximum(camera.depth(heads), 0.1)
    radius = camera.focal * HEAD_RADIUS * 0.8 / depths
    samples = np.rint(centres[:, None] + radius[:, None, None] * _DISC[None]).astype(np.int64)
    height, width = picture.owner.shape
    x, y = samples[..., 0], samples[..., 1]
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    owner = picture.owner[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    own = inside & (owner == np.asarray(owners)[:, None])
    in_picture = (
        (centres >= 0).all(axis=1) & (centres[:, 0] <= width - 1) & (centres[:, 1] <= height - 1)
    )
    return np.asarray((own.mean(axis=1) >= VISIBLE_SHARE) & in_picture)


def cast_shadows(
    image: Bytes,
    camera: Camera,
    places: NDArray[np.float64],
    *,
    strength: float,
    sun: tuple[float, float] | None,
    stature: float = 1.7,
    radius: float = 0.26,
) -> Bytes:
    """Darken the ground below people: a soft contact shadow and, in sun, a cast one.

    Args:
        image: the backdrop (H, W, 3).
        camera: who looks.
        places: ground points (N, 2), metres.
        strength: 0 to 1.
        sun: the ground vector, metres, from the feet to the shadow of the top of the head.
        stature: height of what casts.
        radius: of the contact shadow, metres.
    """
    height, width = image.shape[:2]
    shrink = 4 if max(height, width) > 400 else 2
    layer = np.zeros((-(-height // shrink), -(-width // shrink)), np.uint8)
    near = places[camera.depth(np.concatenate([places, np.zeros((len(places), 1))], 1)) > 0.5]
    if not len(near):
        return image
    turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    outline = _project_ground(camera, near, ring, shrink)
    for polygon in outline:
        cv2.fillConvexPoly(layer, polygon, int(255 * 0.55 * strength), cv2.LINE_AA, 4)
    if sun is not None:
        body = _shadow_outline(sun, stature)
        cast = np.zeros_like(layer)
        for polygon in _project_ground(camera, near, body, shrink):
            cv2.fillConvexPoly(cast, polygon, int(255 * 0.8 * strength), cv2.LINE_AA, 4)
        layer = np.maximum(layer, cast)
    blurred = cv2.GaussianBlur(layer, (0, 0), 1.2)
    light = cv2.resize(255 - blurred, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(image, cv2.merge([light] * 3), scale=1 / 255), np.uint8)


def _project_ground(
    camera: Camera, places: NDArray[np.float64], ring: NDArray[np.float64], shrink: int
) -> NDArray[np.int32]:
    """Outlines (N, K, 2) round ``places`` in a picture shrunk by ``shrink``, 4 fractional bits."""
    ground = places[:, None] + ring[None]
    flat = np.concatenate([ground, np.zeros((*ground.shape[:2], 1))], axis=2).reshape(-1, 3)
    pixels = camera.project(flat).reshape(*ground.shape) / shrink
    return np.clip(np.rint(pixels * 16), -(2**18), 2**18).astype(np.int32)


def _shadow_outline(sun: tuple[float, float], stature: float) -> NDArray[np.float64]:
    """A body's shadow on the ground relative to its feet (K, 2), metres."""
    along = np.array(sun) * stature / 1.7
    length = float(np.linalg.norm(along)) or 1e-6
    aside = np.array([-along[1], along[0]]) / length
    profile = ((0.0, 0.10), (0.45, 0.17), (0.8, 0.22), (0.86, 0.10), (0.95, 0.10), (1.0, 0.05))
    left = [along * at + aside * half for at, half in profile]
    right = [along * at - aside * half for at, half in reversed(profile)]
    return np.array(left + right)
