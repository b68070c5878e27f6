import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.interval import (
    COVERAGES,
    Interval,
    Residuals,
    calibrate,
    conformal_quantile,
    coverage_by_folds,
    nearest,
)


def pictures(rng, n, samples=1):
    """Counts that are on average a tenth too low, worse where the samples disagree."""
    true = rng.uniform(0, 800, n)
    spread = rng.uniform(0.02, 0.3, n) * true if samples > 1 else np.zeros(n)
    deviation = 1 + (spread if samples > 1 else 0.2 * true)
    count = np.maximum(0.9 * true + rng.normal(0, 1, n) * deviation, 0)
    return Residuals(count, spread, true)


@pytest.mark.parametrize("samples", [1, 4])
@pytest.mark.parametrize("coverage", COVERAGES)
def test_calibrated_intervals_hold_the_truth_as_often_as_they_promise(samples, coverage):
    rng = np.random.default_rng(0)
    interval = calibrate(pictures(rng, 3000, samples), 1, samples)
    new = pictures(rng, 3000, samples)
    bounds = [interval.bounds(c, s, coverage) for c, s in zip(new.count, new.spread, strict=True)]
    inside = np.mean([low <= t <= high for (low, high), t in zip(bounds, new.true, strict=True)])
    assert coverage - 0.02 < inside < coverage + 0.06


def test_samples_that_agree_give_a_narrower_interval():
    interval = calibrate(pictures(np.random.default_rng(1), 3000, 4), 1, 4)
    agree, differ = (interval.bounds(300, spread) for spread in (6, 90))
    assert agree[1] - agree[0] < 0.5 * (differ[1] - differ[0])


def test_a_count_that_is_usually_too_low_reaches_further_up():
    interval = calibrate(pictures(np.random.default_rng(2), 3000), 1, 1)
    low, high = interval.bounds(300)
    assert high - 300 > 300 - low


def test_folds_give_the_coverage_that_new_pictures_would():
    residuals = pictures(np.random.default_rng(3), 1500)
    held, width = coverage_by_folds(residuals, np.arange(1500) // 5, 1)
    assert 0.87 < held.mean() < 0.95
    assert (width > 0).all()


def simple(steps, samples):
    distances = {0.9: (2.0, 10.0, 90.0)}
    return Interval(steps, samples, (5.0, 50.0, 500.0), distances, distances)


@given(st.floats(0, 1e5))
def test_bounds_enclose_the_count_and_are_never_negative(count):
    low, high = simple(1, 1).bounds(count)
    assert 0 <= low <= count <= high


@given(st.floats(0, 400), st.floats(0, 100))
def test_the_curve_for_zones_is_the_same_function(count, spread):
    interval = simple(1, 1)
    people, below, above = np.array(interval.curve(count, spread)).T
    low, high = interval.bounds(count, spread)
    assert high == pytest.approx(count + np.interp(count, people, above))
    assert low == pytest.approx(max(0, count - np.interp(count, people, below)))


def test_the_width_grows_with_the_count():
    widths = [high - low for low, high in map(simple(1, 1).bounds, (5, 20, 60, 100, 600, 1000))]
    assert widths == sorted(widths)


def test_the_interval_of_the_nearest_steps_and_samples_is_taken():
    known = [simple(1, 1), simple(4, 1), simple(1, 4)]
    assert nearest(known, 1, 1) is known[0]
    assert nearest(known, 8, 1) is known[1]
    assert nearest(known, 4, 4) is known[2]
    assert nearest(known, 1, 16) is known[2]


def test_an_interval_survives_its_file():
    interval = calibrate(pictures(np.random.default_rng(4), 500), 2, 1)
    assert Interval.from_json(json.loads(json.dumps(interval.to_json()))) == interval


def test_the_quantile_is_conservative():
    assert conformal_quantile(np.arange(1.0, 20.0), 0.9) == 18
    assert conformal_quantile(np.arange(1.0, 5.0), 0.9) == 4


def test_too_few_pictures_are_refused():
    few = Residuals(np.ones(5), np.zeros(5), np.ones(5))
    with pytest.raises(ValueError, match="too few"):
        calibrate(few, 1, 1)
