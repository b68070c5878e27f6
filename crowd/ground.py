"""From four points of a picture to metres: areas on the ground, and heads above it.

A calibration maps feet. Heads are 1.5 to 1.8 m above the ground, so a head sent through the ground
homography lands metres behind the person. Four points with square pixels and a centred principal
point give the camera's pose and focal length (`crowd.pose`), and with them the plane at head
height has a homography of its own.

Coordinates: the picture in fractions of width and height from the top left; the ground in metres,
in the axes of the user's own four places. Whether these are listed clockwise or anticlockwise is
the user's choice: a floor plan's y points down, a surveyor's up. (So exchanging the sides of a
rectangle cannot be noticed: it is another place, seen by another camera.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import Polygon as ShapelyPolygon

from crowd.pose import GroundError, Matrix, fit_camera, homography, project
from crowd.zones import WHOLE_PICTURE, Polygon, points_in_polygon

FARTHEST = 0.01  # a zone may reach to this share of the calibration's nearness (100 times as far)


class Ground:
    """A calibrated ground plane.

    Args:
        picture: (4, 2) points on the ground, fractions of the picture, in order round.
        metres: (4, 2) the same points on the ground, metres.
        aspect: width over height of the picture (pixels are square).
        head_height: of heads above the ground, metres.
        camera_height: of the camera above the ground, metres. Needed where the four points do not
            reveal the focal length; used wherever it is given.

    Raises:
        GroundError: the points are degenerate, mixed up or upside down, fit no camera, or do not
            reveal the focal length.

    Example:
        >>> ground = Ground([[0.3, 0.3], [0.7, 0.3], [0.95, 0.95], [0.05, 0.95]],
        ...                 [[0, 0], [8, 0], [8, 8], [0, 8]], aspect=16 / 9)
        >>> round(ground.area_m2([[0.3, 0.3], [0.7, 0.3], [0.95, 0.95], [0.05, 0.95]]))
        64
    """

    def __init__(
        self,
        picture: ArrayLike,
        metres: ArrayLike,
        aspect: float,
        head_height: float = 1.6,
        camera_height: float | None = None,
    ) -> None:
        corners = np.asarray(picture, dtype=np.float64)
        places = np.asarray(metres, dtype=np.float64)
        self._aspect = aspect
        self._flip = _orientation(corners, places)  # of Y, so that Z points up
        centred = self._centred(corners)
        to_ground = np.asarray(places * [1.0, self._flip])
        self.camera = fit_camera(to_ground, centred, camera_height)
        if self.camera.height <= head_height:
            raise GroundError(
                f"the four points put the camera {self.camera.height:.1f} m above the ground, "
                f"which is not above heads ({head_height:g} m): check the metres"
            )
        # The measured homography keeps lens and measuring errors that no ideal camera has, so the
        # ground itself uses it; the heads' plane is that homography moved as the camera says.
        self._from_ground = homography(to_ground, centred)
        shift = np.linalg.inv(self.camera.plane_homography(0.0)) @ self.camera.plane_homography(
            head_height
        )
        self._from_heads = self._from_ground @ shift
        self._nearness = float(self._depths(corners.mean(axis=0))[0])

    def to_ground(self, points: ArrayLike) -> Matrix:
        """Metres of points on the ground: (N, 2) fractions to (N, 2); NaN above the horizon."""
        return self._metres(self._from_ground, points)

    def heads_to_ground(self, heads: ArrayLike) -> Matrix:
        """Where the people under these heads stand: (N, 2 or more) fractions to (N, 2) metres.

        NaN for a head above the horizon.
        """
        table = np.asarray(heads, dtype=np.float64)
        points = table[:, :2] if table.size else np.empty((0, 2))
        return self._metres(self._from_heads, points)

    def to_picture(self, metres: ArrayLike, heads: bool = False) -> Matrix:
        """Where ground points, or the ``heads`` above them, appear: (N, 2) metres to fractions."""
        places = np.asarray(metres, dtype=np.float64).reshape(-1, 2)
        matrix = self._from_heads if heads else self._from_ground
        centred = project(matrix @ np.diag([1.0, self._flip, 1.0]), places)
        return centred / [self._aspect, 1.0] + 0.5

    def zone_on_ground(self, polygon: Polygon | None) -> Matrix:
        """(M, 2) metres of a zone's corners, drawn round the feet; None is the whole picture.

        Raises:
            GroundError: a corner lies on or above the horizon.
        """
        corners = np.asarray(WHOLE_PICTURE if polygon is None else polygon, dtype=np.float64)
        nearness = self._depths(corners) / self._nearness
        for corner, near in zip(corners, nearness, strict=True):
            if not near > FARTHEST:
                who = "the zone is the whole picture, and its" if polygon is None else "the zone's"
                raise GroundError(
                    f"{who} corner ({corner[0]:g}, {corner[1]:g}) lies at or above the horizon of "
                    "the calibrated ground: draw the polygon lower"
                )
        return self.to_ground(corners)

    def area_m2(self, polygon: Polygon | None) -> float:
        """Square metres of a zone on the ground.

        Raises:
            GroundError: the polygon crosses itself, encloses nothing or reaches the horizon.
        """
        shape = ShapelyPolygon(self.zone_on_ground(polygon))
        if not shape.is_valid or shape.area <= 0:
            raise GroundError(
                "the zone's polygon crosses itself or encloses nothing: list its "
                "corners in order round it"
            )
        return float(shape.area)

    def inside(self, places: ArrayLike, polygon: Polygon | None) -> NDArray[np.bool_]:
        """(N,) who stands in a zone; places as from `heads_to_ground`, the zone in fractions."""
        return points_in_polygon(places, self.zone_on_ground(polygon))

    def _centred(self, points: ArrayLike) -> Matrix:
        fractions = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        return np.asarray((fractions - 0.5) * np.array([self._aspect, 1.0]), dtype=np.float64)

    def _depths(self, points: ArrayLike) -> Matrix:
        """(N,) third coordinate of the way to the ground: its sign flips at the horizon."""
        centred = self._centred(points)
        rows = np.column_stack([centred, np.ones(len(centred))])
        return np.asarray(rows @ np.linalg.inv(self._from_ground)[2])

    def _metres(self, to_picture: Matrix, points: ArrayLike) -> Matrix:
        centred = self._centred(points)
        from_picture = np.asarray(np.linalg.inv(to_picture), dtype=np.float64)
        places = project(from_picture, centred) * [1.0, self._flip]
        # Parallel planes share the horizon, so one test serves the ground and the heads' plane.
        places[~(self._depths(points) / self._nearness > 0)] = np.nan
        return places


def _orientation(picture: Matrix, metres: Matrix) -> float:
    """1 or -1: the sign of Y with which the camera looks down on the ground.

    Raises:
        GroundError: the points do not form two convex quadrangles.
    """
    turns = []
    for name, points in (("picture", picture), ("metres", metres)):
        if points.shape != (4, 2) or not np.isfinite(points).all():
            raise GroundError(f"`{name}` needs four points of two numbers each")
        edges = np.roll(points, -1, axis=0) - points
        following = np.roll(edges, -1, axis=0)
        cross = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
        size = np.ptp(points, axis=0).max() ** 2
        if size == 0 or (np.abs(cross) < 1e-3 * size).any():
            raise GroundError(
                f"three of the four points of `{name}` lie on one line or coincide: choose four "
                "corners of an area"
            )
        if abs(np.sign(cross).sum()) != 4:
            raise GroundError(
                f"the four points of `{name}` do not go round a convex area: list them in order "
                "round it"
            )
        turns.append(np.sign(cross[0]))
    # In the picture y points down: seen from above, that turns the same corners the other way.
    return -float(turns[0] * turns[1])
