"""The filter follows true changes quickly, trusts sure readings more, and respects gaps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowd.smoothing import Smoother


def fed(count: float, share: float = 0.2, readings: int = 20, start: int = 0) -> Smoother:
    smoother = Smoother()
    for index in range(readings):
        at = start + index * 1000
        smoother.step(at, count, count * (1 - share / 2), count * (1 + share / 2))
    return smoother


def test_a_step_from_10_to_50_people_is_followed_to_90_percent_within_three_readings() -> None:
    smoother = fed(10)
    levels = [smoother.step(20_000 + index * 1000, 50, 45, 55) for index in range(10)]
    assert max(levels[:3]) >= 46
    assert max(levels) < 53  # and hardly overshot
    assert levels[-1] == pytest.approx(50, abs=1)


def test_a_drop_is_followed_too() -> None:
    smoother = fed(50)
    levels = [smoother.step(20_000 + index * 1000, 10, 9, 11) for index in range(4)]
    assert levels[2] < 14
    assert min(levels) >= 0


def test_noise_of_doubtful_readings_is_reduced() -> None:
    smoother = fed(40, share=1.0)
    swings = [30, 50, 28, 51, 33, 47, 29, 52]
    levels = [
        smoother.step(20_000 + index * 1000, count, count - 20, count + 20)
        for index, count in enumerate(swings)
    ]
    assert max(levels) - min(levels) < 0.7 * (max(swings) - min(swings))


def test_a_doubtful_reading_moves_the_level_less_than_a_sure_one() -> None:
    sure, doubtful = fed(20), fed(20)
    assert sure.step(20_000, 40, 38, 42) > doubtful.step(20_000, 40, 10, 70) + 5


def test_a_long_gap_forgets_the_past() -> None:
    smoother = fed(80)
    assert smoother.step(200_000, 5, 4, 6) == 5
    assert smoother.slope == 0


def test_a_steady_rise_shows_in_the_slope() -> None:
    smoother = Smoother()
    for second in range(60):
        count = 20 + second
        smoother.step(second * 1000, count, count - 2, count + 2)
    assert smoother.slope == pytest.approx(1.0, abs=0.3)


@given(
    st.lists(st.tuples(st.integers(50, 30_000), st.floats(0, 500), st.floats(0, 1)), max_size=60),
    st.integers(0, 60),
)
def test_a_stored_filter_goes_on_exactly_like_the_live_one(
    readings: list[tuple[int, float, float]], stop: int
) -> None:
    live, restarted, at = Smoother(), Smoother(), 0
    for index, (passed, count, share) in enumerate(readings):
        if index == stop:
            restarted = Smoother.from_state(json.loads(json.dumps(live.to_state())))
        at += passed
        level = live.step(at, count, count * (1 - share), count * (1 + share))
        assert level >= 0
        assert level == level  # never NaN
        if index >= stop:
            assert restarted.step(at, count, count * (1 - share), count * (1 + share)) == level
