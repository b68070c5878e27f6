import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.crowd_map import KERNEL_SUM, cell_counts, crowd_map


@given(st.lists(st.tuples(st.floats(8, 88), st.floats(8, 56)), max_size=40))
def test_the_mass_of_a_map_is_its_number_of_heads(places):
    heads = np.array(places, np.float32).reshape(-1, 2)
    x = crowd_map(heads, 64, 96)
    assert x.shape == (64, 96)
    assert x.sum() / KERNEL_SUM == pytest.approx(len(places), rel=2e-3, abs=1e-6)


def test_a_kernel_peaks_at_one_at_its_sub_pixel_place():
    assert crowd_map(np.array([[10.5, 20.5]]), 32, 32)[20, 10] == pytest.approx(1.0)
    moved = crowd_map(np.array([[10.9, 20.5]]), 32, 32)
    assert moved[20, 11] > moved[20, 9]


def test_heads_on_one_place_add_up():
    twice = crowd_map(np.array([[8.0, 8.0], [8.0, 8.0]]), 16, 16)
    assert np.allclose(twice, 2 * crowd_map(np.array([[8.0, 8.0]]), 16, 16))


def test_heads_outside_the_map_are_left_out():
    assert crowd_map(np.array([[-1.0, 5.0], [5.0, 99.0]]), 16, 16).sum() == 0
    assert cell_counts(np.array([[-1.0, 5.0], [5.0, 99.0]]), 16, 16, 8).sum() == 0


def test_cells_count_the_heads_inside_them():
    cells = cell_counts(np.array([[0.0, 0.0], [7.9, 7.9], [8.0, 0.0]]), 16, 16, 8)
    assert cells.tolist() == [[2, 1], [0, 0]]
