"""The empty place: textured ground, walls and sky in the camera's perspective."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenes.camera import Camera
from scenes.solids import Bytes
from scenes.textures import Texture


@dataclass(frozen=True)
class Wall:
    """An upright rectangle over the ground line from ``start`` to ``end``; metres."""

    start: tuple[float, float]
    end: tuple[float, float]
    top: float
    texture: Texture
    gain: float = 1.0
    bottom: float = 0.0


def paint_ground(
    image: Bytes, camera: Camera, texture: Texture, offset: tuple[float, float], turn: float
) -> None:
    """Fill the rows below the horizon with ``texture``, finer levels near and coarser ones far."""
    height, width = image.shape[:2]
    first = max(int(np.ceil(camera.horizon + 2)), 0)
    if first >= height:
        return
    rows = np.arange(first, height, dtype=np.float64)
    places = camera.ground(np.stack([np.full_like(rows, camera.width / 2), rows], 1))
    ahead = camera.depth(np.concatenate([places, np.zeros((len(rows), 1))], 1))
    across = ahead / camera.focal
    along = np.abs(np.gradient(places[:, 1])) if len(rows) > 1 else across
    footprint = np.sqrt(across * np.maximum(along, 1e-6)) * texture.texels
    levels = np.clip(np.floor(np.log2(np.maximum(footprint, 1)) + 0.5), 0, len(texture.levels) - 1)
    c, s = np.cos(turn), np.sin(turn)
    plane = camera.plane_to_picture((0, 0, 0), (1, 0, 0), (0, 1, 0))
    for level in np.unique(levels).astype(int):
        chosen = np.flatnonzero(levels == level)
        y0, y1 = first + int(chosen[0]), first + int(chosen[-1]) + 1
        texels = texture.texels / 2**level
        to_texture = np.array(
            [
                [c * texels, -s * texels, offset[0] * texels],
                [s * texels, c * texels, offset[1] * texels],
                [0, 0, 1],
            ]
        )
        down = np.array([[1.0, 0, 0], [0, 1, y0], [0, 0, 1]])
        picture_to_texture = to_texture @ np.linalg.inv(plane) @ down
        image[y0:y1] = cv2.warpPerspective(
            texture.levels[level],
            picture_to_texture,
            (width, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_WRAP,
        )


def paint_wall(image: Bytes, camera: Camera, wall: Wall, mask: Bytes | None = None) -> None:
    """Draw a wall; its ends are cut where they come behind the camera.

    ``mask`` (H, W), where given, receives 255 on the wall's pixels.
    """
    ends = np.array([wall.start, wall.end], float)
    depth = camera.depth(np.concatenate([ends, np.zeros((2, 1))], 1))
    high = camera.depth(np.concatenate([ends, np.full((2, 1), wall.top)], 1))
    near = 0.5
    nearest = np.minimum(depth, high)
    if (nearest < near).all():
        return
    for i in (0, 1):
        if nearest[i] < near:
            t = (near - nearest[i]) / (nearest[1 - i] - nearest[i])
            ends[i] = ends[i] + t * (ends[1 - i] - ends[i])
    if float(np.linalg.norm(ends[1] - ends[0])) < 1e-3:
        return
    along = np.append(ends[1] - ends[0], 0.0)
    origin, rise = (*ends[0], wall.bottom), (0.0, 0.0, wall.top - wall.bottom)
    paint_quad(image, camera, origin, along, rise, wall.texture, gain=wall.gain, mask=mask)


def paint_quad(
    image: Bytes,
    camera: Camera,
    origin: ArrayLike,
    across: ArrayLike,
    up: ArrayLike,
    texture: Texture,
    *,
    gain: float = 1.0,
    mask: Bytes | None = None,
    fit: bool = False,
) -> None:
    """Draw a textured parallelogram that lies wholly before the camera.

    Args:
        image: the picture (H, W, 3), drawn into.
        camera: who looks.
        origin: the lower left corner (3,), metres.
        across, up: its two sides (3,), metres.
        texture: repeated in its own measure, its lower edge on ``origin``.
        gain: brightness.
        mask: (H, W), receives 255 on the quad's pixels.
        fit: stretch the texture once over the quad instead.
    """
    o, a, b = (np.asarray(v, float) for v in (origin, across, up))
    wide, high = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    corners = np.array([o, o + a, o + a + b, o + b])
    polygon = np.clip(camera.project(corners), -20000, 20000)
    plane = camera.plane_to_picture(o, a / wide, b / high)
    metres = (wide, high) if fit else texture.metres
    texels = texture.levels[0].shape[1] / metres[0]
    middle = float(np.median(camera.depth(corners)))
    footprint = middle / camera.focal * texels
    level = int(np.clip(round(np.log2(max(footprint, 1))), 0, len(texture.levels) - 1))
    rows, columns = texture.levels[level].shape[:2]
    to_texture = np.diag([columns / metres[0], -rows / metres[1], 1.0])
    to_texture[1, 2] = rows  # a picture's rows count from its top
    _fill(image, polygon, texture.levels[level], to_texture @ np.linalg.inv(plane), gain, mask)


def _fill(
    image: Bytes,
    polygon: NDArray[np.float64],
    texture: Bytes,
    picture_to_texture: ArrayLike,
    gain: float,
    mask: Bytes | None,
) -> None:
    height, width = image.shape[:2]
    x0, y0 = np.maximum(np.floor(polygon.min(axis=0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + 1, (width, height))
    if x0 >= x1 or y0 >= y1:
        return
    local = np.asarray(picture_to_texture) @ np.array([[1.0, 0, x0], [0, 1, y0], [0, 0, 1]])
    patch = cv2.warpPerspective(
        texture,
        local,
        (int(x1 - x0), int(y1 - y0)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    if gain != 1.0:
        patch = cv2.convertScaleAbs(patch, alpha=gain)
    cover = np.zeros(patch.shape[:2], np.uint8)
    points = np.rint((polygon - (x0, y0)) * 16).astype(np.int32)
    cv2.fillConvexPoly(cover, points, 255, cv2.LINE_AA, 4)
    block = image[y0:y1, x0:x1]
    cv2.copyTo(np.asarray(patch, np.uint8), cover, block)
    if mask is not None:
        cv2.copyTo(cover, cover, mask[y0:y1, x0:x1])


def sky(image: Bytes, camera: Camera, top: ArrayLike, bottom: ArrayLike) -> None:
    """Fill the rows above the horizon with a gradient of two BGR colours."""
    rows = int(np.clip(np.ceil(camera.horizon) + 4, 0, image.shape[0]))
    if rows:
        ramp = np.linspace(0, 1, rows)[:, None, None]
        colour = np.asarray(top) * (1 - ramp) + np.asarray(bottom) * ramp
        image[:rows] = np.clip(colour, 0, 255).astype(np.uint8)


def stain(
    image: Bytes, camera: Camera, noise: NDArray[np.float32], strength: float, metres: float
) -> None:
    """Large soft stains and wear on the ground, from a repeating noise of deviation 1."""
    shrink = 4
    height, width = image.shape[0] // shrink, image.shape[1] // shrink
    plane = camera.plane_to_picture((0, 0, 0), (1, 0, 0), (0, 1, 0))
    texels = noise.shape[0] / metres
    to_texture = (
        np.diag([texels, texels, 1.0]) @ np.linalg.inv(plane) @ np.diag([shrink, shrink, 1.0])
    )
    tone = cv2.convertScaleAbs(1 + strength * noise, alpha=128)
    wear = cv2.warpPerspective(
        tone,
        to_texture,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    first = int(np.clip(camera.horizon / shrink + 2, 0, height))
    wear[:first] = 128
    full = cv2.resize(wear, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, cv2.merge([full] * 3), image, scale=1 / 128)
