import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.correction import Correction, by_folds, fit, relative_error


def biased(n=600):
    """A tenth too low below a hundred people, a tenth too high above."""
    rng = np.random.default_rng(0)
    true = np.exp(rng.uniform(np.log(5), np.log(1500), n))
    counts = np.where(true < 100, 0.9, 1.1) * true * rng.normal(1, 0.05, n)
    return counts, true


def test_a_bias_that_depends_on_the_count_is_taken_out():
    counts, true = biased()
    correction = fit(counts, true)
    assert correction(40) == pytest.approx(40 / 0.9, rel=0.05)
    assert correction(900) == pytest.approx(900 / 1.1, rel=0.05)
    names = ["set"] * len(true)
    assert relative_error(by_folds(counts, true), true, names) < 0.6 * relative_error(
        counts, true, names
    )


def test_noise_alone_is_not_corrected_away():
    rng = np.random.default_rng(1)
    true = np.exp(rng.uniform(np.log(5), np.log(1500), 300))
    counts = true * rng.normal(1, 0.1, 300)
    names = ["set"] * 300
    before, after = (relative_error(c, true, names) for c in (counts, by_folds(counts, true)))
    assert after > 0.95 * before


@given(st.floats(0, 1e5))
def test_a_count_stays_a_count(count):
    correction = Correction((10.0, 100.0), (1.25, 0.75))
    assert 0.75 * count <= correction(count) <= 1.25 * count
    assert Correction()(count) == count


def test_data_sets_weigh_the_same_whatever_their_size():
    counts, true = np.array([9.0, 11.0, 50.0]), np.array([10.0, 10.0, 100.0])
    assert relative_error(counts, true, ["a", "a", "b"]) == pytest.approx((0.1 + 0.5) / 2)
