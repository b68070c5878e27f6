"""Ray casting of ellipsoids into sprites: shade, material and coverage.

People and street furniture are unions of ellipsoids. A sprite is what a distant camera sees of
such a union from one side: an orthographic picture that the compositor bends into perspective.
Colours stay out of it, so that one sprite serves any clothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import cos, sin

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Vector = Sequence[float] | NDArray[np.float64]
Paint = Callable[[Floats], Bytes]

UNIT_SHADE = 128  # the stored shade that leaves a colour as it is


@dataclass(frozen=True)
class Solid:
    """An ellipsoid: ``centre`` (3,) and semi-axes as the columns of ``axes`` (3, 3), metres.

    ``paint`` gives the material of each surface point from its place on the unit sphere (3, N);
    without it the whole ellipsoid is of ``material``. ``rough`` scales the folds and grain.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    material: int
    paint: Paint | None = None
    rough: float = 1.0


def ball(
    centre: Vector,
    radii: Vector,
    material: int,
    paint: Paint | None = None,
    rough: float = 1.0,
) -> Solid:
    """An ellipsoid whose axes are those of the body."""
    return Solid(np.array(centre, float), np.diag(np.array(radii, float)), material, paint, rough)


def limb(
    start: Vector,
    end: Vector,
    radii: tuple[float, float],
    material: int,
    pieces: int = 3,
    rough: float = 1.0,
) -> list[Solid]:
    """A tapered tube from ``start`` to ``end``, as overlapping ellipsoids along the bone."""
    a, b = np.array(start, float), np.array(end, float)
    bone = b - a
    length = float(np.linalg.norm(bone)) or 1e-6
    along = bone / length
    x, y, z = along
    aside = np.array([-z, 0.0, x] if abs(y) < 0.9 else [0.0, z, -y])
    aside /= np.sqrt(aside @ aside)
    u, v, w = aside
    across = np.array([y * w - z * v, z * u - x * w, x * v - y * u])
    solids = []
    for piece in range(pieces):
        place = (piece + 0.5) / pieces
        radius = radii[0] + (radii[1] - radii[0]) * place
        half = length / pieces * 0.5 + radius * 0.9
        axes = np.stack([aside * radius, across * radius, along * half], axis=1)
        solids.append(Solid(a + bone * place, axes, material, None, rough))
    return solids


@dataclass
class Sprite:
    """One view of a union of solids, at ``resolution`` pixels a metre and coarser.

    ``origin`` is the sprite pixel (x, y) of the ground point below the body, ``head`` that of the
    head centre (of the top, for things without a head), both at the finest level. Each level
    holds shade, material and coverage, (h, w) uint8 each, and is half as fine as the one before.
    """

    resolution: float
    origin: tuple[float, float]
    head: tuple[float, float]
    shade: Bytes
    material: Bytes
    cover: Bytes
    levels: list[tuple[Bytes, Bytes, Bytes]] = field(default_factory=list)

    def level(self, index: int) -> tuple[Bytes, Bytes, Bytes]:
        """Shade, material and coverage, shrunk by 2 ** index."""
        while len(self.levels) <= index:
            if not self.levels:
                self.levels.append((self.shade, self.material, self.cover))
                continue
            shade, material, cover = self.levels[-1]
            h, w = (shade.shape[0] + 1) // 2, (shade.shape[1] + 1) // 2
            # Padding to even sides keeps the levels exactly aligned.
            pad = (0, 2 * h - shade.shape[0], 0, 2 * w - shade.shape[1])
            even = [
                np.asarray(cv2.copyMakeBorder(a, *pad, cv2.BORDER_CONSTANT, value=0), np.uint8)
                for a in (shade, material, cover)
            ]
            self.levels.append(
                (
                    _average_covered(even[0], even[2], (w, h)),
                    np.ascontiguousarray(even[1][1::2, 1::2]),
                    np.asarray(cv2.resize(even[2], (w, h), interpolation=cv2.INTER_AREA), np.uint8),
                )
            )
        return self.levels[index]


def _average_covered(shade: Bytes, cover: Bytes, size: tuple[int, int]) -> Bytes:
    """Halve ``shade`` without letting the empty surroundings darken its edge."""
    weight = cover.astype(np.float32) + 1.0
    top = cv2.resize(shade * weight, size, interpolation=cv2.INTER_AREA)
    return (top / cv2.resize(weight, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)


def view_matrix(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Body axes (x to its right, y ahead, z up) to right, up and towards the camera.

    ``azimuth`` 0 faces the camera, pi shows the back; ``elevation`` is how far, in radians, the
    camera looks down.
    """
    c, s = -cos(azimuth), -sin(azimuth)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    look = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, sin(elevation), cos(elevation)],
            [0.0, -cos(elevation), sin(elevation)],
        ]
    )
    return np.asarray(look @ turn)


@dataclass
class _Canvas:
    """The buffers of one ray casting, in view axes; ``left`` and ``top`` in metres."""

    left: float
    top: float
    step: float
    depth: Floats
    normal: Floats
    material: Bytes
    rough: Floats


def _cast(
    canvas: _Canvas,
    solid: Solid,
    centre: NDArray[np.float64],
    half: NDArray[np.float64],
    inverse: Floats,
) -> None:
    """Draw one ellipsoid into the buffers where it is in front.

    ``centre`` (3,) and ``half`` (3,), its half extents, are in view axes; ``inverse`` (3, 3) takes
    view axes to the unit sphere.
    """
    half_u, half_v = half[0], half[1]
    height, width = canvas.depth.shape
    x0 = max(int((centre[0] - half_u - canvas.left) / canvas.step), 0)
    x1 = min(int((centre[0] + half_u - canvas.left) / canvas.step) + 2, width)
    y0 = max(int((canvas.top - centre[1] - half_v) / canvas.step), 0)
    y1 = min(int((canvas.top - centre[1] + half_v) / canvas.step) + 2, height)
    if x0 >= x1 or y0 >= y1:
        return
    form = inverse.T @ inverse
    du = (canvas.left + (np.arange(x0, x1, dtype=np.float32) + 0.5) * canvas.step - centre[0])[None]
    dv = (canvas.top - (np.arange(y0, y1, dtype=np.float32) + 0.5) * canvas.step - centre[1])[
        :, None
    ]
    du, dv = du.astype(np.float32), dv.astype(np.float32)
    b = form[0, 2] * du + form[1, 2] * dv
    c = form[0, 0] * du * du + (form[1, 1] * dv * dv - 1) + (2 * form[0, 1]) * du * dv
    inside = b * b - form[2, 2] * c
    hit = inside > 0
    dw = (np.sqrt(np.maximum(inside, 0)) - b) / form[2, 2]
    w = dw + np.float32(centre[2])
    block = (slice(y0, y1), slice(x0, x1))
    front = hit & (w > canvas.depth[block])
    rows, columns = np.nonzero(front)
    if not rows.size:
        return
    canvas.depth[block][front] = w[front]
    point = np.stack([du[0, columns], dv[rows, 0], dw[front]])
    normal = form @ point
    normal /= np.sqrt((normal * normal).sum(axis=0)) + 1e-9
    canvas.normal[block][front] = normal.T
    canvas.rough[block][front] = solid.rough
    if solid.paint is None:
        canvas.material[block][front] = solid.material
    else:
        canvas.material[block][front] = solid.paint(inverse @ point)


def _light(canvas: _Canvas, elevation: float, folds: Floats, lamp: NDArray[np.float64]) -> Bytes:
    """Shade of each pixel: light from above, a little from one side, crevices dark."""
    solid = (canvas.depth > -50).astype(np.float32)
    up = np.array([0.0, cos(elevation), sin(elevation)], np.float32)
    # Unions of ellipsoids have seams; smooth normals hide them.
    normal = np.asarray(cv2.GaussianBlur(canvas.normal, (0, 0), 0.018 / canvas.step), np.float32)
    normal /= np.sqrt((normal * normal).sum(axis=2, keepdims=True)) + np.float32(1e-6)
    above = normal @ up
    shade = 0.44 + 0.30 * (above * 0.5 + 0.5) + 0.34 * np.maximum(normal @ lamp, 0)
    shade += 0.10 * normal[..., 2]
    sigma = 0.035 / canvas.step
    depth = np.where(solid > 0, canvas.depth, 0).astype(np.float32)
    mean = cv2.GaussianBlur(depth, (0, 0), sigma) / (
        cv2.GaussianBlur(solid, (0, 0), sigma) + np.float32(1e-4)
    )
    shade *= 1 - np.clip((mean - depth) * 5.0, 0.0, 0.55)
    shade *= 1 + folds * canvas.rough
    return np.clip(shade * UNIT_SHADE, 0, 255).astype(np.uint8)


def _folds(rng: np.random.Generator, shape: tuple[int, int], step: float) -> Floats:
    """Creases and grain of cloth: smooth noise of about 5 cm, longer than wide, and fine noise."""
    height, width = shape
    total: Floats = np.zeros(shape, np.float32)
    for across, down, strength in ((0.05, 0.11, 0.09), (0.02, 0.035, 0.035)):
        size = (max(int(width * step / across), 2), max(int(height * step / down), 2))
        noise = rng.standard_normal((size[1], size[0]), dtype=np.float32)
        total += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def render_sprite(
    solids: Sequence[Solid],
    head: NDArray[np.float64],
    azimuth: float,
    elevation: float,
    *,
    resolution: float,
    rng: np.random.Generator,
    supersample: int = 2,
) -> Sprite:
    """Look at ``solids`` from one side and return the sprite, cropped to what is seen.

    Args:
        solids: the ellipsoids, in body axes with the ground at z = 0.
        head: centre of the head (3,), body axes.
        azimuth: which side is seen, radians; 0 faces the camera.
        elevation: how far the camera looks down, radians.
        resolution: pixels a metre.
        rng: source of the folds.
        supersample: finer by this factor inside, for smooth edges.
    """
    view = view_matrix(azimuth, elevation)
    axes = view @ np.array([s.axes for s in solids])
    reach = np.sqrt((axes**2).sum(axis=2))  # half extents along each view axis
    inverses = np.linalg.inv(axes).astype(np.float32)
    centres = np.array([s.centre for s in solids]) @ view.T
    low, high = (centres - reach).min(axis=0), (centres + reach).max(axis=0)
    step = 1.0 / (resolution * supersample)
    margin = 2 * supersample * step
    left, top = low[0] - margin, high[1] + margin
    width = int(np.ceil((high[0] + margin - left) / step / supersample)) * supersample
    height = int(np.ceil((top - low[1] + margin) / step / supersample)) * supersample
    canvas = _Canvas(
        left,
        top,
        step,
        np.full((height, width), -100, np.float32),
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width), np.uint8),
        np.ones((height, width), np.float32),
    )
    for solid, centre, half, inverse in zip(solids, centres, reach, inverses, strict=True):
        _cast(canvas, solid, centre, half, inverse)
    side = -0.55
    lamp = np.array([side, cos(elevation) * 0.7, 0.3 + sin(elevation) * 0.7])
    lamp = (lamp / np.linalg.norm(lamp)).astype(np.float32)
    shade = _light(canvas, elevation, _folds(rng, (height, width), step), lamp)
    cover = ((canvas.depth > -50) * np.uint8(255)).astype(np.uint8)
    material = canvas.material
    if supersample > 1:
        small = (width // supersample, height // supersample)
        shade = _average_covered(shade, cover, small)
        cover = np.asarray(cv2.resize(cover, small, interpolation=cv2.INTER_AREA), np.uint8)
        # The sample in the middle may lie outside; the largest label of the block never does.
        blocks = material.reshape(small[1], supersample, small[0], supersample)
        material = np.ascontiguousarray(blocks.max(axis=(1, 3)))
    head_view = view @ head
    scale = 1 / (step * supersample)
    return Sprite(
        resolution,
        (-left * scale, top * scale),
        ((head_view[0] - left) * scale, (top - head_view[1]) * scale),
        shade,
        material,
        cover,
    )
