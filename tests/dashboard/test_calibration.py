from __future__ import annotations

import math

import pytest

from core.settings import Ground
from dashboard.calibration import check_ground

ASPECT = 16 / 9
PICTURE = [[0.3, 0.3], [0.7, 0.3], [0.95, 0.95], [0.05, 0.95]]
SQUARE = [[0, 0], [8, 0], [8, 8], [0, 8]]


def ground(**changes: object) -> Ground:
    return Ground.model_validate({"picture": PICTURE, "metres": SQUARE, **changes})


def test_a_usable_calibration_has_an_area_a_height_and_a_metre_grid() -> None:
    check = check_ground(ground(), [(x, y) for x, y in PICTURE], ASPECT)

    assert check.problem == ""
    assert check.area_m2 == pytest.approx(64, abs=0.01)
    assert check.camera_height is not None
    assert check.camera_height > 1.6
    assert check.spacing == 0.5
    corners = [point for line in check.grid for point in line]
    for x, y in PICTURE:  # the grid's lines go through the four points
        assert min(math.dist((x, y), corner) for corner in corners) < 0.03
    assert all(-1 <= x <= 2 and -1 <= y <= 2 for x, y in corners)


def test_why_a_calibration_is_refused() -> None:
    mixed_up = ground(metres=[[0, 0], [8, 8], [8, 0], [0, 8]])
    assert "go round" in check_ground(mixed_up, None, ASPECT).problem

    low = ground(metres=[[0, 0], [0.8, 0], [0.8, 0.8], [0, 0.8]])
    assert "check the metres" in check_ground(low, None, ASPECT).problem


def test_a_zone_that_reaches_the_horizon_is_refused_though_the_grid_is_shown() -> None:
    slanting = [[0.45, 0.4], [0.55, 0.4], [0.95, 0.95], [0.05, 0.95]]
    far = ground(picture=slanting, metres=[[0, 0], [6, 0], [6, 30], [0, 30]])

    check = check_ground(far, None, ASPECT)

    assert "horizon" in check.problem
    assert check.grid


def test_the_grid_of_a_large_place_is_coarse() -> None:
    check = check_ground(ground(metres=[[0, 0], [300, 0], [300, 300], [0, 300]]), None, ASPECT)

    assert check.spacing == 20
    assert 0 < len(check.grid) < 100
