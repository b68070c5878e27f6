from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.crowd_map import KERNEL_SUM, crowd_map
from models.reading import ONE_PERSON, ReadingSettings, joined, read_map, regions_above

SHARP = ReadingSettings(offset=0.05, smoothing=0.0, spacing=3)


def lattice(spacing, count=8, start=20.0):
    axis = start + spacing * np.arange(count)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def test_an_empty_map_has_no_heads():
    read = read_map(np.zeros((64, 64), np.float32), SHARP)
    assert read.heads.shape == (0, 3)
    assert (read.mass, read.contours, read.split) == (0, 0, 0)


@pytest.mark.parametrize("spacing", [3.0, 4.0, 6.0, 12.0])
def test_heads_side_by_side_are_told_apart(spacing):
    heads = lattice(spacing)
    read = read_map(crowd_map(heads, 160, 160), SHARP)
    assert read.split == len(heads)
    assert read.mass == pytest.approx(len(heads), rel=1e-3)


def test_contours_alone_merge_heads_that_stand_close():
    heads = lattice(3.0)
    read = read_map(crowd_map(heads, 160, 160), SHARP)
    assert read.contours < len(heads) / 4


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(10, 118), st.floats(10, 118)), min_size=1, max_size=60),
    st.floats(0.3, 1.0),
)
def test_the_weights_of_the_heads_sum_to_the_mass(places, height):
    x = crowd_map(np.array(places), 128, 128) * np.float32(height)
    read = read_map(x, SHARP)
    if len(read.heads) == 0:  # nowhere the mass of a person
        assert read.mass < 0.7 * len(places)
        return
    assert read.heads[:, 2].sum() == pytest.approx(read.mass, rel=1e-4)
    assert read.masked_mass <= read.mass * 1.0001


def test_heads_are_placed_to_a_fraction_of_a_pixel():
    truth = np.array([[30.2, 40.7], [70.9, 20.1]])
    read = read_map(crowd_map(truth, 64, 128), SHARP)
    found = read.heads[np.argsort(read.heads[:, 0]), :2]
    assert np.abs(found - truth).max() < 0.35


def test_a_large_head_that_gets_several_dots_is_one_head():
    """A near head whose place is unsure: its mass lies in three maxima."""
    near = crowd_map(np.array([[40.0, 40.0], [45.0, 43.0], [38.0, 46.0]]), 96, 192)
    x = near * np.float32(1 / 3) + crowd_map(np.array([[120.5, 30.5], [124.5, 30.5]]), 96, 192)
    for joining in (0.0, 10.0):  # what is not joined as maxima is joined on the coarse grid
        read = read_map(x, replace(SHARP, joining=joining))
        assert len(read.heads) == 3  # the two small ones side by side stay two
        one = read.heads[read.heads[:, 0].argmin()]
        np.testing.assert_allclose(one, [41, 43, 1], atol=2)
        assert one[2] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("sigma", [6, 10, 14])
def test_a_near_head_of_unsure_place_is_one_head_although_no_threshold_finds_it(sigma):
    rows, columns = np.indices((160, 240))
    spread = np.exp(-((rows - 80) ** 2 + (columns - 60) ** 2) / (2 * sigma**2))
    x = (spread / spread.sum() * KERNEL_SUM).astype(np.float32)
    x += crowd_map(np.array([[180.5, 40.5]]), 160, 240)
    read = read_map(x, SHARP)
    assert read.contours == 1
    assert len(read.heads) == 2
    near = read.heads[read.heads[:, 0].argmin()]
    assert np.hypot(near[0] - 60, near[1] - 80) < 4
    assert near[2] == pytest.approx(1, abs=0.05)


def test_crumbs_of_mass_are_no_heads_but_are_counted():
    rng = np.random.default_rng(4)
    places = rng.uniform(0, 256, (60, 2))
    crumbs = crowd_map(places, 256, 256) * np.float32(0.004)
    read = read_map(crumbs + crowd_map(np.array([[128.0, 100.0]]), 256, 256), SHARP)
    assert len(read.heads) == 1
    assert read.heads[0, 2] == pytest.approx(1.24, abs=0.02)


@settings(max_examples=30)
@given(
    arrays(np.float32, (40, 3), elements=st.floats(0.015625, 2, width=32)),
    st.floats(0.1, 60),
)
def test_joining_keeps_everybody_and_where_they_are(heads, within):
    heads[:, :2] *= 50
    left = joined(heads, within)
    assert left[:, 2].sum() == pytest.approx(heads[:, 2].sum(), rel=1e-4)
    np.testing.assert_allclose(
        (left[:, :2] * left[:, 2:]).sum(axis=0),
        (heads[:, :2] * heads[:, 2:]).sum(axis=0),
        rtol=1e-3,
    )
    grown = left[~np.isin(left[:, 2], heads[:, 2])]
    assert (grown[:, 2] <= ONE_PERSON * 1.001).all()


def test_uneven_background_noise_adds_no_heads():
    """The reason for a local threshold: a bright corner is above any global one."""
    ramp = np.linspace(0, 0.6, 128, dtype=np.float32)[None, :].repeat(128, axis=0)
    read = read_map(ramp + crowd_map(np.array([[20.0, 60.0]]), 128, 128), SHARP)
    assert read.contours == 1


def test_one_threshold_for_all_misses_the_faint_and_joins_the_crowded():
    x = crowd_map(np.array([[20.5, 20.5], [60.5, 20.5], [63.0, 20.5]]), 40, 80)
    x[:, :40] *= 0.3  # a faint head
    assert regions_above(x, 0.5) == 1
    assert regions_above(x, 0.1) == 2
