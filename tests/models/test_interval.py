import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.interval import Interval, calibrate, conformal_quantile


def test_calibrated_intervals_hold_the_truth_nine_times_in_ten():
    rng = np.random.default_rng(0)

    def pictures(n):
        true = rng.uniform(0, 800, n)
        return np.maximum(true + rng.normal(0, 1 + 0.2 * true), 0), true

    interval = calibrate(*pictures(2000))
    predicted, true = pictures(4000)
    bounds = [interval.bounds(count) for count in predicted]
    inside = np.mean([low <= t <= high for (low, high), t in zip(bounds, true, strict=True)])
    assert 0.87 < inside < 0.96


@given(st.floats(0, 1e5))
def test_bounds_enclose_the_count_and_are_never_negative(count):
    low, high = Interval((5.0, 50.0, 500.0), (2.0, 10.0, 90.0)).bounds(count)
    assert 0 <= low <= count <= high


def test_the_width_grows_with_the_count():
    interval = Interval((10.0, 100.0), (2.0, 20.0))
    widths = [high - low for low, high in map(interval.bounds, (20, 60, 100, 200, 1000))]
    assert widths == sorted(widths)


def test_the_quantile_is_conservative():
    assert conformal_quantile(np.arange(1.0, 20.0), 0.9) == 18
    assert conformal_quantile(np.arange(1.0, 5.0), 0.9) == 4


def test_too_few_pictures_are_refused():
    with pytest.raises(ValueError, match="too few"):
        calibrate([1.0] * 5, [1.0] * 5)
