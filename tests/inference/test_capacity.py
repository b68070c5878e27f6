"""The input size that fits the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import ModelSettings
from inference.capacity import (
    CHANGE_EVERY_S,
    Capacity,
    batch_limit,
    fitted_capacity,
    fitting_side,
    synthetic_picture,
    without_disturbance,
)
from inference.peers import threads_for
from tests.inference.conftest import SpotCounter

TABLE = {384: 40.0, 512: 70.0, 640: 110.0, 768: 160.0, 896: 220.0, 1024: 290.0}


def test_the_largest_size_with_headroom_is_chosen() -> None:
    assert fitting_side(TABLE, asked_fps=2) == 1024  # 3.4 a second, 3 are needed
    assert fitting_side(TABLE, asked_fps=4) == 768  # 6.2 a second, 6 are needed


def test_a_machine_that_is_too_slow_uses_the_smallest() -> None:
    assert fitting_side(TABLE, asked_fps=1000) == 384


def test_a_fixed_size_stays() -> None:
    capacity = Capacity(TABLE, 100.0, fixed_side=1024)
    assert not capacity.refit(1, now_s=1000.0)
    assert capacity.max_side == 1024


def test_when_a_worker_dies_the_other_takes_smaller_pictures() -> None:
    capacity = Capacity(TABLE, 6.0)
    capacity.refit(workers=2, now_s=0.0)
    capacity.refit(workers=2, now_s=CHANGE_EVERY_S + 1)
    shared = capacity.max_side
    assert capacity.refit(workers=1, now_s=10 * CHANGE_EVERY_S)
    assert capacity.max_side < shared
    assert capacity.capacity_fps >= 1.5 * 6.0


def test_a_busy_machine_leads_to_smaller_pictures() -> None:
    capacity = Capacity(TABLE, 4.0)
    for _ in range(60):
        capacity.add_frames(ms=320.0, frames=1)  # twice the table's
    assert capacity.capacity_fps == pytest.approx(1000 / 320, rel=0.1)
    assert capacity.refit(1, now_s=0.0)
    assert capacity.max_side <= 512


def test_a_little_noise_changes_nothing() -> None:
    capacity = Capacity(TABLE, 4.0)
    before = capacity.max_side
    for index in range(200):
        capacity.add_frames(ms=160.0 * (0.9 + 0.2 * (index % 2)), frames=1)
        capacity.refit(1, now_s=index * CHANGE_EVERY_S)
    assert capacity.max_side == before


@given(st.floats(0.1, 1e5), st.floats(0.5, 60))
def test_a_batch_is_done_within_the_age_limit(frame_ms: float, age_limit_s: float) -> None:
    size = batch_limit(frame_ms, age_limit_s, "cuda")
    assert size == 1 or size * frame_ms <= age_limit_s * 1000
    assert batch_limit(frame_ms, age_limit_s, "cpu") == 1


def test_measuring_fits_the_site() -> None:
    capacity = fitted_capacity(SpotCounter(), ModelSettings(), site_fps=1.0)
    assert capacity.max_side == 1024
    assert capacity.capacity_fps > 1.5
    fixed = fitted_capacity(SpotCounter(), ModelSettings(max_side=500), site_fps=1.0)
    assert fixed.max_side == 500


def test_a_disturbed_measurement_is_put_right() -> None:
    disturbed = {**TABLE, 384: 2400.0, 768: 2700.0}
    clean = without_disturbance(disturbed)
    assert clean[384] <= TABLE[512]
    assert clean[768] <= TABLE[896]
    assert {side: clean[side] for side in (512, 640, 896, 1024)} == {
        side: TABLE[side] for side in (512, 640, 896, 1024)
    }


@given(st.lists(st.floats(1, 5000), min_size=6, max_size=6))
def test_a_larger_picture_never_counts_as_faster(times: list[float]) -> None:
    clean = without_disturbance(dict(zip(TABLE, times, strict=True)))
    ordered = [clean[side] for side in sorted(clean)]
    assert ordered == sorted(ordered)
    assert all(clean[side] <= ms for side, ms in zip(TABLE, times, strict=True))


def test_the_synthetic_picture_is_wide() -> None:
    assert synthetic_picture(640).shape == (360, 640, 3)


def test_workers_share_the_cores() -> None:
    assert [threads_for(8, workers) for workers in (0, 1, 2, 3, 20)] == [8, 8, 4, 2, 1]
