"""A pinhole camera above a flat ground, without roll.

World axes in metres: x to the right, y away from the camera along the ground, z up. The camera
stands over the origin at its height and looks along +y, tilted down. Picture axes in pixels, x to
the right and y down, with the principal point in the centre of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin, tan

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Height in metres, tilt below the horizon in radians, focal length and size in pixels."""

    height: float
    tilt: float
    focal: float
    width: int
    picture_height: int

    def rotate(self, points: ArrayLike) -> Floats:
        """World points (N, 3) as right, down and forward of the camera (N, 3), metres."""
        x, y, z = np.asarray(points, dtype=np.float64).T
        z = z - self.height
        down = -z * cos(self.tilt) - y * sin(self.tilt)
        forward = y * cos(self.tilt) - z * sin(self.tilt)
        return np.stack([x, down, forward], axis=1)

    def project(self, points: ArrayLike) -> Floats:
        """World points (N, 3) as picture points (N, 2); meaningful in front of the camera only."""
        right, down, forward = self.rotate(points).T
        forward = np.maximum(forward, 1e-6)
        return np.stack(
            [
                self.width / 2 + self.focal * right / forward,
                self.picture_height / 2 + self.focal * down / forward,
            ],
            axis=1,
        )

    def depth(self, points: ArrayLike) -> Floats:
        """Distance of world points (N, 3) along the optical axis, metres (N,)."""
        return self.rotate(points)[:, 2]

    def elevation(self, points: ArrayLike) -> Floats:
        """How steeply, in radians below the horizon, the camera looks at world points (N, 3)."""
        x, y, z = np.asarray(points, dtype=np.float64).T
        return np.asarray(np.arctan2(self.height - z, np.hypot(x, y)))

    @property
    def horizon(self) -> float:
        """Picture y of the horizon; outside the picture for a steep camera."""
        return self.picture_height / 2 - self.focal * tan(self.tilt)

    def ground(self, pixels: ArrayLike) -> Floats:
        """Ground places (N, 2) in metres of picture points (N, 2) below the horizon."""
        u, v = np.asarray(pixels, dtype=np.float64).T
        right = (u - self.width / 2) / self.focal
        down = (v - self.picture_height / 2) / self.focal
        fall = sin(self.tilt) + down * cos(self.tilt)
        reach = self.height / np.maximum(fall, 1e-9)
        return np.stack([right * reach, (cos(self.tilt) - down * sin(self.tilt)) * reach], axis=1)

    def plane_to_picture(self, origin: ArrayLike, across: ArrayLike, along: ArrayLike) -> Floats:
        """Homography (3, 3) from plane coordinates (metres along two world vectors) to pixels."""
        o, a, b = (np.asarray(v, dtype=np.float64) for v in (origin, across, along))
        start = self.rotate(o[None])[0]
        columns = [self.rotate((o + v)[None])[0] - start for v in (a, b)]
        pose = np.stack([*columns, start], axis=1)
        lens = np.array(
            [
                [self.focal, 0.0, self.width / 2],
                [0.0, self.focal, self.picture_height / 2],
                [0.0, 0.0, 1.0],
            ]
        )
        homography: Floats = lens @ pose
        return homography
