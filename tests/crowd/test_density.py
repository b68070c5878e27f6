"""The densest place of a zone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from crowd.density import DensityField

HALL = [(0.0, 0.0), (20.0, 0.0), (20.0, 10.0), (0.0, 10.0)]


def lattice(left: float, top: float, right: float, bottom: float, density: float) -> NDArray:
    """People evenly spread over a rectangle."""
    spacing = 1 / np.sqrt(density)
    x = np.arange(left + spacing / 2, right, spacing)
    y = np.arange(top + spacing / 2, bottom, spacing)
    return np.array([(a, b) for a in x for b in y])


def test_an_even_crowd_is_as_dense_at_its_worst_as_everywhere() -> None:
    people = lattice(0, 0, 20, 10, 4.0)
    assert DensityField(HALL).worst(people, np.ones(len(people))) == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("corner", [(0.0, 0.0), (17.0, 7.0), (9.0, 4.0)])
def test_a_crush_in_a_thin_crowd_is_found_also_against_a_wall(corner: tuple[float, float]) -> None:
    thin = lattice(0, 0, 20, 10, 0.5)
    crush = lattice(*corner, corner[0] + 3, corner[1] + 3, 6.0)
    people = np.vstack([thin, crush])
    worst = DensityField(HALL).worst(people, np.ones(len(people)))
    assert worst == pytest.approx(6.2, rel=0.15)
    assert len(people) / 200 < 1.0  # the mean sees nothing


def test_weights_are_people() -> None:
    people = lattice(0, 0, 20, 10, 4.0)
    worst = DensityField(HALL).worst(people, np.full(len(people), 0.5))
    assert worst == pytest.approx(2.0, rel=0.1)


def test_nobody_and_people_outside_are_no_density() -> None:
    field = DensityField(HALL)
    assert field.worst(np.empty((0, 2)), []) == 0
    assert field.worst([(25.0, 5.0), (np.nan, np.nan)], [50.0, 1.0]) == 0


def test_a_sliver_of_a_zone_works() -> None:
    field = DensityField([(0.0, 0.0), (3.0, 0.0), (3.0, 0.05), (0.0, 0.05)])
    assert field.worst([(1.0, 0.02)], [1.0]) > 0


def test_a_large_square_is_computed_on_a_coarser_grid() -> None:
    plaza = [(0.0, 0.0), (500.0, 0.0), (500.0, 400.0), (0.0, 400.0)]
    people = lattice(100, 100, 140, 140, 3.0)
    assert DensityField(plaza).worst(people, np.ones(len(people))) == pytest.approx(3.0, rel=0.1)
