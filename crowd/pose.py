"""The pose and focal length of a camera that sees four known places of the ground.

One view of a plane fixes two intrinsics (Zhang, "A flexible new technique for camera calibration",
2000); square pixels and a centred principal point leave only the focal length unknown.

"Centred" coordinates: in units of the picture's height from its centre, x right and y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

Matrix = NDArray[np.float64]

CLICK_ERROR = 1 / 720  # how exactly a point can be set, in picture heights (a pixel of 720p)
LARGEST_FOCAL_ERROR = 0.15  # relative, of the focal length, that click errors may cause
LARGEST_MISFIT = 0.03  # picture heights by which the four points may miss a real camera's


class GroundError(ValueError):
    """A calibration or a zone on it cannot be used; the text is one sentence for its author."""


@dataclass(frozen=True)
class Camera:
    """The pose of a camera over the ground: Z is up, the ground is Z = 0, metres."""

    focal_length: float  # in picture heights
    rotation: Matrix  # (3, 3) world to camera: x right, y down, z into the picture
    centre: Matrix  # (3,) metres

    @property
    def height(self) -> float:
        """Metres above the ground."""
        return float(self.centre[2])

    def plane_homography(self, height: float) -> Matrix:
        """(3, 3) from (X, Y, 1) on the plane Z = ``height`` metres to centred coordinates."""
        intrinsics = np.diag([self.focal_length, self.focal_length, 1.0])
        offset = np.array([0.0, 0.0, height]) - self.centre
        in_camera = np.column_stack(
            [self.rotation[:, 0], self.rotation[:, 1], self.rotation @ offset]
        )
        return intrinsics @ in_camera


def homography(source: Matrix, target: Matrix) -> Matrix:
    """(3, 3) that takes four points exactly to four others (direct linear transform)."""
    centre, size = source.mean(axis=0), float(np.ptp(source, axis=0).max())
    normalise = np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, size]]) / size
    rows = []
    for (x, y), (u, v) in zip((source - centre) / size, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    return np.asarray(np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3) @ normalise)


def project(matrix: Matrix, points: Matrix) -> Matrix:
    """(N, 2) points through a homography."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(mapped[:, :2] / mapped[:, 2:])


def _pose_at(to_picture: Matrix, focal_length: float) -> Camera:
    """The camera nearest to a homography, were its focal length known."""
    columns = np.diag([1 / focal_length, 1 / focal_length, 1.0]) @ to_picture
    columns = columns / np.sqrt(np.linalg.norm(columns[:, 0]) * np.linalg.norm(columns[:, 1]))
    if columns[2, 2] < 0:  # the ground lies in front of the camera, not behind it
        columns = -columns
    left, _, right = np.linalg.svd(
        np.column_stack([columns[:, :2], np.cross(columns[:, 0], columns[:, 1])])
    )
    rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return Camera(focal_length, rotation, -rotation.T @ columns[:, 2])


def fit_camera(places: Matrix, centred: Matrix, camera_height: float | None = None) -> Camera:
    """Pose and focal length: the camera that sees the four places nearest to the four points.

    Eight numbers for seven unknowns, so the fit also says whether there is such a camera, and how
    far an error of the points would change its focal length.

    Raises:
        GroundError: no camera fits, or the focal length is not determined.
    """
    middle = places.mean(axis=0)  # the fit starts from here, so that "in front" has a meaning
    local = homography(places - middle, centred)

    def unpack(values: Matrix) -> Camera:
        rotation = Rotation.from_rotvec(values[1:4]).as_matrix()
        height = float(np.exp(values[6])) if camera_height is None else camera_height
        return Camera(float(np.exp(values[0])), rotation, np.array([*values[4:6], height]))

    def misfit(values: Matrix) -> Matrix:
        seen = project(unpack(values).plane_homography(0.0), places - middle)
        return np.asarray(np.clip(np.nan_to_num(seen - centred, nan=1e3), -1e3, 1e3).ravel())

    best = None
    for focal_length in np.geomspace(0.3, 12.0, 16):
        start = _pose_at(local, float(focal_length))
        turn = Rotation.from_matrix(start.rotation).as_rotvec()
        first = [np.log(start.focal_length), *turn, *start.centre[:2]]
        if camera_height is None:
            first.append(np.log(max(start.height, 0.1)))
        fit = least_squares(misfit, np.array(first), x_scale="jac", max_nfev=60)
        if best is None or fit.cost < best.cost - 1e-15:
            best = fit
    assert best is not None
    _check_fit(best.fun, np.asarray(best.jac), camera_height)
    camera = unpack(best.x)
    if camera.rotation[1, 2] > 0.1:
        raise GroundError(
            "the ground lies above the camera in these four points: they are upside down (its far "
            "side must be the higher one in the picture)"
        )
    return Camera(camera.focal_length, camera.rotation, camera.centre + np.append(middle, 0.0))


def _check_fit(misfit: Matrix, jacobian: Matrix, camera_height: float | None) -> None:
    if np.abs(misfit).max() > LARGEST_MISFIT:
        with_height = "" if camera_height is None else f" {camera_height:g} m above the ground"
        raise GroundError(
            f"no camera{with_height} sees these four places at these four points (off by "
            f"{np.abs(misfit).max():.0%} of the picture's height): they are mirrored or swapped, "
            "or a distance is wrong"
        )
    precision = jacobian.T @ jacobian
    scale = np.sqrt(np.diag(precision))
    if camera_height is None:
        inverse = np.linalg.pinv(precision / np.outer(scale, scale), rcond=1e-13, hermitian=True)
        focal_error = CLICK_ERROR * float(np.sqrt(inverse[0, 0])) / scale[0]
        singular = np.linalg.cond(precision / np.outer(scale, scale)) > 1e12
        if singular or focal_error > LARGEST_FOCAL_ERROR:
            raise GroundError(
                "the camera's focal length cannot be recovered from these four points (it looks "
                "almost straight down, or they span too little): give `camera_height`, or choose "
                "points that span more"
            )
