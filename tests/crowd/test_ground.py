"""Metres from four points: against cameras that are known, and against a real surveyed one."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from crowd.ground import Ground
from crowd.pose import Camera, GroundError, project
from crowd.zones import points_in_polygon

ASPECT = 16 / 9
TILE = [(-4.0, 6.0), (4.0, 6.0), (4.0, 14.0), (-4.0, 14.0)]  # metres before the camera


def camera(height: float, down: float, focal_length: float, roll: float = 0.0) -> Camera:
    """A camera above (0, 0) that looks along +Y and ``down`` degrees below the horizon."""
    level = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # x right, y down, z forward
    turn = Rotation.from_euler("zx", [roll, down], degrees=True).as_matrix()
    return Camera(focal_length, turn @ level, np.array([0.0, 0.0, height]))


def seen(by: Camera, places: Sequence[tuple[float, float]], height: float = 0.0) -> NDArray:
    """(N, 2) fractions of the picture of points at ``height`` metres above the ground."""
    return project(by.plane_homography(height), np.array(places)) / [ASPECT, 1.0] + 0.5


@settings(max_examples=25)
@given(st.floats(3.5, 12), st.floats(20, 50), st.floats(0.7, 1.8), st.floats(-8, 8), st.booleans())
def test_a_cameras_height_focal_length_and_heads_are_recovered(
    height: float, down: float, focal_length: float, roll: float, mirrored: bool
) -> None:
    truth = camera(height, down, focal_length, roll)
    plan = [(x, -y) for x, y in TILE] if mirrored else TILE  # a floor plan's y points down
    try:
        ground = Ground(seen(truth, TILE), plan, ASPECT)
    except GroundError as error:
        assume("camera_height" not in str(error))
        raise
    assert ground.camera.height == pytest.approx(height, rel=1e-3)
    assert ground.camera.focal_length == pytest.approx(focal_length, rel=1e-3)
    people = [(-3.0, 7.0), (0.0, 10.0), (3.5, 13.0)]
    expected = [(x, -y) for x, y in people] if mirrored else people
    heads = seen(truth, people, 1.6)
    assert ground.heads_to_ground(heads) == pytest.approx(np.array(expected), abs=0.01)
    assert ground.to_picture(expected, heads=True) == pytest.approx(heads, abs=1e-3)


def test_area_is_in_square_metres() -> None:
    truth = camera(6, 30, 1.0)
    ground = Ground(seen(truth, TILE), TILE, ASPECT)
    triangle = seen(truth, [(0, 8), (3, 8), (0, 12)])
    assert ground.area_m2(triangle) == pytest.approx(6.0)


def test_people_at_the_near_edge_are_counted_through_their_heads() -> None:
    truth = camera(5, 35, 1.0)
    zone = seen(truth, TILE)
    ground = Ground(zone, TILE, ASPECT)
    rng = np.random.default_rng(7)
    people = rng.uniform([-6, 4], [6, 18], (400, 2))
    heads = seen(truth, people, 1.6)
    standing = points_in_polygon(people, TILE)
    assert (ground.inside(ground.heads_to_ground(heads), zone) == standing).all()
    through_the_ground = points_in_polygon(ground.to_ground(heads), TILE)
    assert (through_the_ground != standing).mean() > 0.1


def test_no_heads_is_an_empty_answer() -> None:
    truth = camera(6, 30, 1.0)
    ground = Ground(seen(truth, TILE), TILE, ASPECT)
    assert ground.inside(ground.heads_to_ground([]), seen(truth, TILE)).shape == (0,)


def test_a_head_above_the_horizon_is_nowhere() -> None:
    truth = camera(6, 10, 1.0)
    zone = seen(truth, TILE)
    ground = Ground(zone, TILE, ASPECT)
    assert np.isnan(ground.heads_to_ground([(0.5, 0.02)])).all()
    assert not ground.inside(ground.heads_to_ground([(0.5, 0.02)]), zone).any()


def test_straight_down_asks_for_the_cameras_height_and_then_works() -> None:
    below = [(-2.0, -2.0), (2.0, -2.0), (2.0, 2.0), (-2.0, 2.0)]
    truth = camera(7, 90, 1.2)
    with pytest.raises(GroundError, match="give `camera_height`"):
        Ground(seen(truth, below), below, ASPECT)
    ground = Ground(seen(truth, below), below, ASPECT, camera_height=7)
    assert ground.camera.focal_length == pytest.approx(1.2, rel=1e-3)
    heads = seen(truth, [(2.0, 1.0)], 1.6)
    assert ground.heads_to_ground(heads) == pytest.approx(np.array([[2.0, 1.0]]), abs=0.01)


def test_a_tiny_quadrangle_asks_for_the_cameras_height() -> None:
    tile = [(0.0, 10.0), (0.6, 10.0), (0.6, 10.6), (0.0, 10.6)]
    with pytest.raises(GroundError, match="give `camera_height`"):
        Ground(seen(camera(6, 30, 1.0), tile), tile, ASPECT)


GOOD = seen(camera(6, 30, 1.0), TILE).tolist()


@pytest.mark.parametrize(
    ("picture", "metres", "sentence"),
    [
        (GOOD[:3], TILE, "needs four points"),
        ([GOOD[0], GOOD[0], GOOD[2], GOOD[3]], TILE, "`picture` lie on one line or coincide"),
        (GOOD, [(0, 0), (1, 1), (2, 2), (0, 5)], "`metres` lie on one line"),
        ([GOOD[0], GOOD[2], GOOD[1], GOOD[3]], TILE, "`picture` do not go round a convex area"),
        (GOOD, [TILE[0], TILE[2], TILE[1], TILE[3]], "`metres` do not go round a convex area"),
        (GOOD, [(-4, 6), (4, 6), (4, 30), (-4, 14)], "mirrored or swapped, or a distance is wrong"),
        ([(x, 1 - y) for x, y in GOOD], TILE, "upside down"),
        (GOOD, [(x / 5, y / 5) for x, y in TILE], "not above heads"),
    ],
)
def test_unusable_points_are_named_in_one_sentence(
    picture: list[tuple[float, float]], metres: list[tuple[float, float]], sentence: str
) -> None:
    with pytest.raises(GroundError, match=sentence) as caught:
        Ground(picture, metres, ASPECT)
    assert "\n" not in str(caught.value)


def test_a_zone_up_to_the_horizon_is_refused() -> None:
    ground = Ground(seen(camera(6, 12, 1.0), TILE), TILE, ASPECT)
    with pytest.raises(GroundError, match=r"corner \(0.5, 0.1\) lies at or above the horizon"):
        ground.area_m2([(0.5, 0.1), (0.9, 0.9), (0.1, 0.9)])
    with pytest.raises(GroundError, match="the zone is the whole picture, and its corner"):
        ground.area_m2(None)


def test_a_zone_that_crosses_itself_is_refused() -> None:
    ground = Ground(seen(camera(6, 30, 1.0), TILE), TILE, ASPECT)
    with pytest.raises(GroundError, match="crosses itself"):
        ground.area_m2([GOOD[0], GOOD[2], GOOD[1], GOOD[3]])


@pytest.mark.data
def test_heads_of_a_surveyed_camera_agree_with_the_feet_in_its_zone(data_folder: Path) -> None:
    survey = json.loads((data_folder / "videos/pets2009_ground.json").read_text())
    zone = [(x / 480, y / 360) for x, y in survey["picture"]]
    ground = Ground(zone, survey["metres"], 480 / 360)
    assert ground.area_m2(zone) == pytest.approx(survey["area_m2"], rel=0.02)

    with (data_folder / "videos/pets2009_people.csv").open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    frames = np.array([int(row["frame"]) for row in rows])
    middle = np.array([(row["x"] + row["w"] / 2) / 480 for row in rows])
    # The middle of a head lies about 7 % of the person's height below the top of the box.
    heads = np.column_stack([middle, [(row["y"] + 0.07 * row["h"]) / 360 for row in rows]])
    feet = np.column_stack([middle, [(row["y"] + row["h"]) / 360 for row in rows]])

    def per_frame(inside: NDArray[np.bool_]) -> NDArray:
        return np.bincount(frames, weights=inside, minlength=795)

    on_ground = ground.zone_on_ground(zone)
    truth = per_frame(points_in_polygon(ground.to_ground(feet), on_ground))
    head_plane = per_frame(ground.inside(ground.heads_to_ground(heads), zone))
    ground_plane = per_frame(points_in_polygon(ground.to_ground(heads), on_ground))
    error = np.abs(head_plane - truth).mean() / truth.mean()
    naive = np.abs(ground_plane - truth).mean() / truth.mean()
    print(f"people in the zone, per-frame error: head plane {error:.1%}, ground plane {naive:.1%}")
    assert error < 0.10
    assert naive > 0.30
