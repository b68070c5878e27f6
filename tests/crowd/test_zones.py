"""Heads in zones, and what a camera's count says about one of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowd.zones import count_in_zone, points_in_polygon, zone_weights

fractions = st.floats(0, 1)
heads_lists = st.lists(st.tuples(fractions, fractions, st.floats(0.01, 3)), max_size=40)


def test_a_head_inside_a_concave_zone_counts_and_one_in_its_notch_does_not() -> None:
    horseshoe = [(0, 0), (0.3, 0), (0.3, 0.7), (0.7, 0.7), (0.7, 0), (1, 0), (1, 1), (0, 1)]
    inside = points_in_polygon([(0.1, 0.2), (0.5, 0.2), (0.5, 0.9), (1.2, 0.5)], horseshoe)
    assert inside.tolist() == [True, False, True, False]


def test_a_point_that_is_not_finite_is_nowhere() -> None:
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert not points_in_polygon([(np.nan, 0.5), (0.5, np.nan)], square).any()


@given(heads_lists, st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.floats(0.05, 0.95))
def test_zones_that_tile_the_picture_sum_to_the_camera(
    heads: list[tuple[float, float, float]], top: float, bottom: float, level: float
) -> None:
    heads = [*heads, (top, 0.0, 1.0), (1.0, 1.0, 1.0)]  # on a shared corner, and on the border
    total = sum(weight for _, _, weight in heads)
    cut = top + (bottom - top) * level
    zones = [
        [(0, 0), (top, 0), (cut, level), (0, level)],
        [(top, 0), (1, 0), (1, level), (cut, level)],
        [(0, level), (cut, level), (bottom, 1), (0, 1)],
        [(cut, level), (1, level), (1, 1), (bottom, 1)],
    ]
    counts = [count_in_zone(total, total * 0.9, total * 1.1, heads, zone).count for zone in zones]
    assert sum(counts) == pytest.approx(total)


def test_overlapping_zones_each_count_a_head() -> None:
    heads = [(0.5, 0.5, 1.0)]
    left, right = [(0, 0), (0.6, 0), (0.6, 1), (0, 1)], [(0.4, 0), (1, 0), (1, 1), (0.4, 1)]
    assert zone_weights(heads, left).all()
    assert zone_weights(heads, right).all()


def test_the_whole_picture_keeps_the_readings_values() -> None:
    whole = count_in_zone(31.4, 25.0, 40.0, [(0.5, 0.5, 30.0), (0.1, 0.1, 1.4)], None)
    assert (whole.count, whole.low, whole.high) == (31.4, 25.0, 40.0)


@given(heads_lists, st.floats(0, 1), st.floats(0, 2))
def test_a_zones_interval_holds_its_count_and_is_relatively_no_narrower(
    heads: list[tuple[float, float, float]], below: float, above: float
) -> None:
    total = sum(weight for _, _, weight in heads)
    low, high = total * (1 - below), total * (1 + above)
    zone = count_in_zone(total, low, high, heads, [(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
    assert 0 <= zone.low <= zone.count <= zone.high
    assert zone.high <= high + 1e-9
    if zone.count:
        assert (zone.high - zone.count) / zone.count >= (high - total) / total - 1e-9


def test_an_empty_zone_of_a_full_picture_is_not_surely_empty() -> None:
    heads = [(0.9, 0.5, 100.0)]
    zone = count_in_zone(100, 80, 120, heads, [(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
    assert (zone.count, zone.low) == (0, 0)
    assert zone.high == pytest.approx(2.0)


def test_heads_judged_on_the_ground_replace_the_test_in_the_picture() -> None:
    heads = [(0.1, 0.1, 1.0), (0.9, 0.9, 2.0)]
    zone = count_in_zone(3, 2, 4, heads, [(0, 0), (0.5, 0), (0.5, 0.5)], np.array([False, True]))
    assert zone.count == 2.0


def test_a_zone_has_the_interval_that_the_model_was_calibrated_for():
    heads = [(0.25, 0.5, 20.0), (0.75, 0.5, 180.0)]
    interval = [(10.0, 2.0, 4.0), (30.0, 6.0, 12.0), (100.0, 20.0, 40.0)]
    left = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
    right = [(0.5, 0), (1, 0), (1, 1), (0.5, 1)]
    zone = count_in_zone(200, 120, 300, heads, left, interval=interval)
    assert (zone.count, zone.low, zone.high) == (20, 16, 28)
    # Beyond the last row the distances grow with the count.
    zone = count_in_zone(200, 120, 300, heads, right, interval=interval)
    assert (zone.low, zone.high) == (pytest.approx(180 - 36), pytest.approx(180 + 72))
