"""People per square metre near and far, from the true heads of the built-in scenes."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crowd.density import DensityField
from crowd.ground import Ground
from crowd.zones import count_in_zone, points_in_polygon
from scenes.scene import Scene, ground_of

ASPECT = 16 / 9


@cache
def scene(name: str) -> Scene:
    return Scene(name, width=640, height=360, seconds=60)


def halves(name: str) -> tuple[Ground, dict[str, NDArray[np.float64]]]:
    """The scene's calibration, and the near and the far half of its zone on the ground."""
    given_ground = ground_of(scene(name))
    ground = Ground(given_ground.picture, given_ground.metres, ASPECT, 1.6)
    x0, y0, x1, y1 = scene(name).place.plan.zone
    middle = (y0 + y1) / 2
    return ground, {
        "near": np.array([(x0, middle), (x1, middle), (x1, y0), (x0, y0)]),
        "far": np.array([(x0, y1), (x1, y1), (x1, middle), (x0, middle)]),
    }


@pytest.mark.parametrize("name", ["plaza", "concourse"])
@pytest.mark.parametrize("half", ["near", "far"])
def test_density_is_within_a_tenth_of_the_truth(name: str, half: str) -> None:
    ground, zones = halves(name)
    corners = zones[half]
    polygon = [(float(x), float(y)) for x, y in ground.to_picture(corners)]
    area = ground.area_m2(polygon)
    field = DensityField(ground.zone_on_ground(polygon))
    camera = scene(name).place.camera
    size = (camera.width, camera.picture_height)
    truth, found, worst_truth, worst_found = [], [], [], []
    for frame in range(0, scene(name).frames, 16):
        feet, heads = scene(name).people(frame)
        seen = np.asarray(camera.project(heads)) / size
        people = np.ones(len(feet))
        truth.append(points_in_polygon(feet, corners).sum() / area)
        places = ground.heads_to_ground(seen)
        found.append(ground.inside(places, polygon).sum() / area)
        worst_truth.append(field.worst(feet, people))
        worst_found.append(field.worst(places, people))
    error = np.abs(np.array(found) - truth).mean() / np.mean(truth)
    worst = np.abs(np.array(worst_found) - worst_truth).mean() / np.mean(worst_truth)
    print(f"{name}, {half}: density off by {error:.1%}, worst cell by {worst:.1%}")
    assert abs(np.mean(found) / np.mean(truth) - 1) < 0.10
    assert error < 0.10
    assert worst < 0.10


@cache
def calibrated(aspect: float) -> Ground:
    given_ground = ground_of(scene("plaza"))
    return Ground(given_ground.picture, given_ground.metres, aspect, 1.6)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 2)), max_size=30),
    st.sampled_from([(320, 180), (1280, 720), (1920, 1080)]),
)
def test_scaling_the_picture_changes_no_zone_count(
    heads: list[tuple[float, float, float]], size: tuple[int, int]
) -> None:
    width, height = size
    # Found in pixels of the scaled picture, and handed on as fractions of it.
    scaled = [(x * width / width, y * height / height, weight) for x, y, weight in heads]
    total = sum(weight for _, _, weight in heads)
    for polygon in ([(0.1, 0.5), (0.6, 0.5), (0.7, 0.95), (0.05, 0.95)], None):
        plain = count_in_zone(total, total, total, heads, polygon).count
        assert count_in_zone(total, total, total, scaled, polygon).count == pytest.approx(plain)
        if polygon is None:
            continue
        small, large = calibrated(ASPECT), calibrated(width / height)
        inside = [
            small.inside(small.heads_to_ground(heads), polygon),
            large.inside(large.heads_to_ground(scaled), polygon),
        ]
        counts = [
            count_in_zone(total, total, total, table, polygon, which).count
            for table, which in zip((heads, scaled), inside, strict=True)
        ]
        assert counts[0] == pytest.approx(counts[1])
