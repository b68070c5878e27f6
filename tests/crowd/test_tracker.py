"""A zone from counts to values and events, live and replayed."""

import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crowd.ground
import crowd.levels
import crowd.smoothing
from crowd.levels import EventKind, LevelSettings
from crowd.tracker import ZoneTracker
from crowd.zones import ZoneCount

DENSITY = LevelSettings({"watch": 3, "critical": 5}, {"watch": 0.5, "critical": 0.5}, 5, 30, 5)


def test_levels_in_persons_per_square_metre_use_the_area() -> None:
    tracker = ZoneTracker(DENSITY, "persons/m2", area_m2=20.0)
    kinds = []
    for second in range(20):
        value, events = tracker.step(second * 1000, ZoneCount(70, 65, 75))
        kinds += [(event.kind, event.level) for event in events]
    assert kinds == [(EventKind.RAISED, "watch")]
    assert value.density == pytest.approx(3.5)
    assert value.level == "watch"
    assert tracker.peak == pytest.approx(3.5)


def test_raise_is_not_delayed_by_smoothing_for_more_than_two_readings() -> None:
    levels = LevelSettings({"warning": 40}, {"warning": 4}, 5, 30, 5)
    tracker = ZoneTracker(levels)
    for second in range(30):
        tracker.step(second * 1000, ZoneCount(10, 9, 11))
    at = []
    for second in range(30, 50):
        _, events = tracker.step(second * 1000, ZoneCount(50, 45, 55))
        at += [event.at_ms for event in events]
    assert at
    assert at[0] <= 37_000


def test_a_zone_without_levels_is_normal_and_has_no_density_without_an_area() -> None:
    value, events = ZoneTracker().step(1000, ZoneCount(900, 800, 1000))
    assert (value.level, value.density, events) == ("normal", None, [])


def test_a_reading_that_is_not_newer_is_refused() -> None:
    tracker = ZoneTracker()
    tracker.step(1000, ZoneCount(1, 0, 2))
    with pytest.raises(ValueError, match="1000"):
        tracker.step(1000, ZoneCount(1, 0, 2))


def test_density_levels_without_an_area_are_refused() -> None:
    with pytest.raises(ValueError, match="area"):
        ZoneTracker(DENSITY, "persons/m2")


@given(
    st.lists(st.tuples(st.sampled_from([500, 1000, 9000]), st.floats(0, 150)), max_size=120),
    st.integers(0, 120),
)
def test_replay_of_the_counts_equals_the_live_run_with_a_restart_in_it(
    readings: list[tuple[int, float]], stop: int
) -> None:
    live = ZoneTracker(DENSITY, "persons/m2", 20.0)
    replay = ZoneTracker(DENSITY, "persons/m2", 20.0)
    at = 0
    for index, (passed, count) in enumerate(readings):
        if index == stop:
            stored = json.loads(json.dumps(live.to_state()))
            live = ZoneTracker(DENSITY, "persons/m2", 20.0)
            live.restore(stored)
        at += passed
        people = ZoneCount(count, count * 0.8, count * 1.2)
        assert live.step(at, people) == replay.step(at, people)


@pytest.mark.parametrize("module", [crowd.ground, crowd.levels, crowd.smoothing])
def test_the_examples_in_the_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
