"""How people come, stand and go."""

from __future__ import annotations

import numpy as np
import pytest

from scenes.plaza import plaza
from scenes.walkers import LEAST_GAP, Walks, simulate

PLAN = plaza(320, 180).plan


@pytest.fixture(scope="module")
def walks() -> Walks:
    return simulate(PLAN, seed=1, seconds=60.0, fps=8)


def test_the_same_seed_gives_the_same_walks() -> None:
    first, again = (simulate(PLAN, 2, 60.0, 4) for _ in range(2))
    assert np.array_equal(first.place, again.place, equal_nan=True)


def test_another_seed_gives_other_walks(walks: Walks) -> None:
    other = simulate(PLAN, 3, 60.0, 8)
    assert other.place.shape != walks.place.shape or not np.array_equal(
        other.place, walks.place, equal_nan=True
    )


def test_nobody_walks_through_anybody(walks: Walks) -> None:
    for frame in walks.place[::8]:
        places = frame[~np.isnan(frame[:, 0])].astype(np.float64)
        gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(gaps, 9.0)
        assert gaps.min() >= LEAST_GAP - 1e-3


def test_nobody_runs(walks: Walks) -> None:
    steps = np.linalg.norm(np.diff(walks.place, axis=0), axis=2) * 8
    assert np.nanpercentile(steps, 99.5) < 2.0
    walking = steps[steps > 0.3]
    assert 0.6 < np.median(walking) < 1.6


def test_people_come_and_go_at_the_entrances(walks: Walks) -> None:
    here = ~np.isnan(walks.place[..., 0])
    entrances = np.array(PLAN.entrances)
    for person in range(here.shape[1]):
        frames = np.flatnonzero(here[:, person])
        if frames.size and frames[0] > 0:
            first = walks.place[frames[0], person]
            assert np.linalg.norm(entrances - first, axis=1).min() < 1.0
        if frames.size and frames[-1] < len(here) - 1:
            last = walks.place[frames[-1], person]
            assert np.linalg.norm(entrances - last, axis=1).min() < 1.5
