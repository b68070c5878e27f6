"""Ground calibrations as they are set up: whether they can be used, and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.settings import Ground as GroundSettings
from core.settings import Site, Zone
from crowd.ground import Ground
from crowd.pose import GroundError, Matrix

USUAL_ASPECTS = (16 / 9, 4 / 3)  # a site file does not say what shape the camera's picture has
MOST_LINES = 40  # of a grid, in each direction
SPACINGS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # metres between the lines of a grid
POINTS_PER_LINE = 24

Line = list[tuple[float, float]]  # fractions of the picture


@dataclass(frozen=True)
class GroundCheck:
    """What a calibration comes to.

    Attributes:
        problem: why it cannot be used, in one sentence; empty where it can.
        area_m2: of the zone on the ground.
        camera_height: of the camera above the ground, metres.
        spacing: metres between the lines of the grid.
        grid: lines on the ground as they appear in the picture.
    """

    problem: str = ""
    area_m2: float | None = None
    camera_height: float | None = None
    spacing: float = 1.0
    grid: tuple[Line, ...] = ()


def check_ground(
    settings: GroundSettings, polygon: Sequence[tuple[float, float]] | None, aspect: float
) -> GroundCheck:
    """Try a calibration on pictures of this width over height.

    Args:
        polygon: of the zone, fractions; None for the whole picture.
    """
    try:
        ground = _ground(settings, aspect)
    except GroundError as error:
        return GroundCheck(problem=str(error))
    spacing, grid = metre_grid(ground, settings)
    height = round(float(ground.camera.height), 2)
    try:
        area = round(ground.area_m2(polygon), 2)
    except GroundError as error:
        return GroundCheck(str(error), None, height, spacing, grid)
    return GroundCheck("", area, height, spacing, grid)


def metre_grid(ground: Ground, settings: GroundSettings) -> tuple[float, tuple[Line, ...]]:
    """Lines a whole number of metres apart, over the four points and half as much around them."""
    places = np.asarray(settings.metres, dtype=np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = 0.5 * (high - low)
    low, high = low - margin, high + margin
    longest = float((high - low).max())
    spacing = next((step for step in SPACINGS if longest / step <= MOST_LINES), SPACINGS[-1])
    lines = []
    for axis in (0, 1):
        first, last = np.ceil(low[axis] / spacing), np.floor(high[axis] / spacing)
        for number in np.arange(first, min(last, first + MOST_LINES) + 1):
            along = np.linspace(low[1 - axis], high[1 - axis], POINTS_PER_LINE)
            points = np.empty((POINTS_PER_LINE, 2))
            points[:, axis], points[:, 1 - axis] = number * spacing, along
            lines += _visible(ground, points)
    return spacing, tuple(lines)


def calibration_faults(site: Site) -> list[str]:
    """What is wrong with ground calibrations, one sentence each, whatever shape the picture has."""
    faults = []
    for index, camera in enumerate(site.cameras):
        for number, zone in enumerate(camera.zones):
            if zone.ground is None:
                continue
            found = [_fault(zone, aspect) for aspect in USUAL_ASPECTS]
            if all(found):
                faults.append(f"cameras[{index}].zones[{number}].ground: {found[0]}")
    return faults


def _fault(zone: Zone, aspect: float) -> str:
    assert zone.ground is not None
    return check_ground(zone.ground, zone.polygon, aspect).problem


def _ground(settings: GroundSettings, aspect: float) -> Ground:
    return Ground(
        settings.picture, settings.metres, aspect, settings.head_height, settings.camera_height
    )


def _visible(ground: Ground, metres: Matrix) -> list[Line]:
    """The stretches of a line on the ground that lie in or near the picture."""
    points = ground.to_picture(metres)
    there = np.isfinite(points).all(axis=1) & (np.abs(points - 0.5) < 1.5).all(axis=1)
    # What lies behind the camera is projected too, to the wrong side: it does not come back.
    back = ground.to_ground(np.where(np.isfinite(points), points, 0.5))
    there &= np.isfinite(back).all(axis=1) & (np.abs(back - metres).max(axis=1) < 0.05)
    stretches: list[Line] = []
    for point, shown in zip(points, there, strict=True):
        if not shown:
            stretches.append([])
            continue
        if not stretches:
            stretches.append([])
        stretches[-1].append((round(float(point[0]), 4), round(float(point[1]), 4)))
    return [line for line in stretches if len(line) > 1]
