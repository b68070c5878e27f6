"""A warning where the trend leads to a level, and silence where it does not."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from crowd.levels import EventKind, LevelSettings
from crowd.tracker import ZoneTracker
from crowd.zones import ZoneCount

LEVELS = LevelSettings({"warning": 80}, {"warning": 8}, 5, 30, 5, approaching_s=180)


def told(counts: list[float], tracker: ZoneTracker | None = None) -> list[tuple[str, int]]:
    tracker = tracker or ZoneTracker(LEVELS)
    events = []
    for second, count in enumerate(counts):
        people = ZoneCount(count, count * 0.8, count * 1.2)
        events += tracker.step(second * 1000, people)[1]
    return [(event.kind.value, event.at_ms // 1000) for event in events]


def noisy(counts: list[float], share: float, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [max(0.0, count * (1 + rng.gauss(0, share))) for count in counts]


def test_a_growing_crowd_is_told_before_the_level_is_raised() -> None:
    growing = [40.0] * 300 + [40 + 0.1 * second for second in range(500)]
    (first, at), (second, raised) = told(noisy(growing, 0.05))
    assert (first, second) == ("approaching", "raised")
    assert 20 < raised - at <= 240


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(5, 70))
def test_a_steady_crowd_with_noise_approaches_nothing(seed: int, people: float) -> None:
    assert told(noisy([people] * 600, 0.05, seed)) == []


def test_a_step_is_no_trend() -> None:
    assert told([10.0] * 60 + [60.0] * 300) == []
    assert [kind for kind, _ in told([10.0] * 60 + [90.0] * 120)] == ["raised"]


def test_one_approach_is_told_once() -> None:
    kinds = told(noisy([40.0] * 100 + [40 + 0.1 * second for second in range(340)], 0.03))
    assert [kind for kind, _ in kinds] == ["approaching"]


def test_another_scene_forgets_the_trend() -> None:
    tracker = ZoneTracker(LEVELS)
    growing = [50 + 0.12 * second for second in range(100)]
    for second, count in enumerate(growing[:-1]):
        tracker.step(second * 1000, ZoneCount(count, count * 0.8, count * 1.2))
    tracker.begin_scene()
    value, _ = tracker.step(99_000, ZoneCount(20, 15, 25))
    assert value.smoothed == 20  # not pulled towards what was there before


def test_a_stored_trend_goes_on_as_it_was() -> None:
    growing = noisy([40 + 0.1 * second for second in range(500)], 0.05)
    whole, first = ZoneTracker(LEVELS), ZoneTracker(LEVELS)
    events = {}
    for name in ("whole", "stored"):
        tracker = whole if name == "whole" else first
        events[name] = []
        for second, count in enumerate(growing):
            if second % 100 == 99 and name == "stored":
                stored = json.loads(json.dumps(tracker.to_state()))
                tracker = ZoneTracker(LEVELS)
                tracker.restore(stored)
            people = ZoneCount(count, count * 0.8, count * 1.2)
            events[name] += tracker.step(second * 1000, people)[1]
    assert events["whole"] == events["stored"]
    assert EventKind.APPROACHING in [event.kind for event in events["whole"]]
