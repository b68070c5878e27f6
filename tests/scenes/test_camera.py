"""The pinhole camera above the ground."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.camera import Camera

CAMERA = Camera(height=6.0, tilt=0.4, focal=900.0, width=960, picture_height=540)


@given(x=st.floats(-8, 8), y=st.floats(6, 40))
def test_a_ground_point_is_found_again_from_its_pixel(x: float, y: float) -> None:
    pixel = CAMERA.project([(x, y, 0.0)])
    assert CAMERA.ground(pixel)[0] == pytest.approx((x, y), abs=1e-6)


def test_the_optical_axis_meets_the_middle_of_the_picture() -> None:
    ahead = CAMERA.height / np.tan(CAMERA.tilt)
    assert CAMERA.project([(0.0, ahead, 0.0)])[0] == pytest.approx((480, 270))


def test_what_is_twice_as_far_is_half_as_large() -> None:
    flat = Camera(height=2.0, tilt=0.0, focal=900.0, width=960, picture_height=540)
    sizes = []
    for y in (5.0, 10.0):
        top, bottom = flat.project([(0.0, y, 1.8), (0.0, y, 1.57)])
        sizes.append(bottom[1] - top[1])
    assert sizes[0] == pytest.approx(2 * sizes[1])


def test_far_ground_approaches_the_horizon() -> None:
    assert CAMERA.project([(0.0, 1e7, 0.0)])[0, 1] == pytest.approx(CAMERA.horizon, abs=0.01)


def test_a_plane_s_homography_agrees_with_the_projection() -> None:
    plane = CAMERA.plane_to_picture((1.0, 9.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    x, y, w = plane @ (3.0, 2.0, 1.0)
    assert (x / w, y / w) == pytest.approx(tuple(CAMERA.project([(1.0, 12.0, 2.0)])[0]))
