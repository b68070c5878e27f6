import numpy as np
import pytest

from models.metrics import Localisation, count_errors, grid_error, matched


def test_errors_of_counts():
    errors = count_errors([12, 8, 0], [10, 10, 0])
    assert errors.mae == pytest.approx(4 / 3)
    assert errors.rmse == pytest.approx((8 / 3) ** 0.5)
    assert errors.nae == pytest.approx(0.2)
    assert errors.bias == 0
    assert errors.n == 3


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="0 predictions"):
        count_errors([], [])


def test_game_sees_heads_in_the_wrong_place():
    true, found = np.array([[10.0, 10.0]]), np.array([[90.0, 90.0]])
    weights = np.ones(1)
    assert grid_error(found, weights, true, (100, 100), 0) == 0
    assert grid_error(found, weights, true, (100, 100), 1) == 2


def test_a_head_is_matched_once():
    true = np.array([[10.0, 10.0]])
    twice = np.array([[10.0, 11.0], [10.0, 9.0]])
    assert matched(twice, true, 4) == 1
    total = Localisation()
    total.add(twice, true, 4)
    assert (total.precision, total.recall) == (0.5, 1.0)
    assert total.f1 == pytest.approx(2 / 3)


def test_matching_is_the_largest_possible():
    """Greedy pairing of the nearest would leave one of them alone."""
    found = np.array([[0.0, 0.0], [3.0, 0.0]])
    true = np.array([[2.0, 0.0], [6.0, 0.0]])
    assert matched(found, true, 3.5) == 2


def test_nobody_found_and_nobody_there():
    nobody = np.zeros((0, 2))
    assert matched(nobody, nobody, 4) == 0
    assert Localisation().f1 == 0
