"""Raise, escalate, ease, clear: dwell, hysteresis, unknown stretches, restart."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowd.levels import LEVELS, Event, EventKind, LevelSettings, ZoneRules, rank

THREE = LevelSettings(
    {"watch": 30, "warning": 40, "critical": 50},
    {"watch": 3, "warning": 4, "critical": 5},
    raise_after_s=5,
    clear_after_s=30,
    gap_s=5,
)
ONE = LevelSettings({"warning": 40}, {"warning": 4}, raise_after_s=5, clear_after_s=30, gap_s=5)

changes = st.lists(
    st.tuples(st.sampled_from([200, 1000, 1000, 1000, 4000, 40_000]), st.floats(0, 70)),
    max_size=150,
)


def run(
    rules: ZoneRules, values: Iterable[float], start: int = 0, every_ms: int = 1000
) -> list[Event]:
    events = []
    for index, value in enumerate(values):
        events += rules.step(start + index * every_ms, value, value * 0.9, value * 1.1)
    return events


def test_above_the_level_for_raise_after_is_raised_once() -> None:
    events = run(ZoneRules(ONE), [10] * 3 + [45] * 60)
    assert [(event.kind, event.level, event.at_ms) for event in events] == [
        (EventKind.RAISED, "warning", 8000)
    ]


def test_a_short_crowd_is_not_raised() -> None:
    assert run(ZoneRules(ONE), [10, 45, 45, 45, 45, 45, 10] * 20) == []


def test_cleared_only_after_clear_after_below_the_margin() -> None:
    rules = ZoneRules(ONE)
    run(rules, [45] * 10)
    assert run(rules, [37] * 100, start=10_000) == []  # below the level, but within its margin
    events = run(rules, [35] * 40, start=110_000)
    assert [(event.kind, event.at_ms) for event in events] == [(EventKind.CLEARED, 140_000)]


def test_oscillating_by_one_at_the_limit_for_ten_minutes_is_one_incident() -> None:
    rules = ZoneRules(ONE)
    events = run(rules, [39 + index % 2 for index in range(600)])
    assert [event.kind for event in events] == [EventKind.RAISED]
    assert [event.kind for event in run(rules, [5] * 60, start=600_000)] == [EventKind.CLEARED]


def test_one_touch_of_the_level_is_not_raised_by_staying_just_below_it() -> None:
    assert run(ZoneRules(ONE), [45, 45, 45] + [38] * 60 + [45, 45, 45] + [38] * 60) == []


def test_straight_to_critical_is_one_event() -> None:
    events = run(ZoneRules(THREE), [60] * 20)
    assert [(event.kind, event.level) for event in events] == [(EventKind.RAISED, "critical")]


def test_an_incident_escalates_eases_and_is_cleared_with_its_peak() -> None:
    values = [35] * 10 + [55] * 10 + [42] * 40 + [10] * 40
    events = run(ZoneRules(THREE), values)
    assert [(event.kind, event.previous, event.level) for event in events] == [
        (EventKind.RAISED, "normal", "watch"),
        (EventKind.ESCALATED, "watch", "critical"),
        (EventKind.EASED, "critical", "warning"),
        (EventKind.CLEARED, "warning", "normal"),
    ]
    assert events[-1].peak == 55
    assert events[-1].peak_level == "critical"


def test_an_unknown_stretch_neither_raises_nor_clears() -> None:
    rules = ZoneRules(ONE)
    assert run(rules, [45] * 3) == []
    assert run(rules, [45], start=600_000) == []  # ten blind minutes later
    assert [event.kind for event in run(rules, [45] * 4, start=601_000)] == [EventKind.RAISED]
    run(rules, [10] * 20, start=610_000)
    assert run(rules, [10] * 5, start=1_200_000) == []
    assert [event.kind for event in run(rules, [10] * 20, start=1_205_000)] == [EventKind.CLEARED]


def test_fewer_than_three_readings_never_raise() -> None:
    at_once = LevelSettings({"warning": 40}, {"warning": 4}, 0, 0, gap_s=60)
    events = run(ZoneRules(at_once), [90] * 3, every_ms=20_000)
    assert [(event.kind, event.at_ms) for event in events] == [(EventKind.RAISED, 40_000)]


def test_a_reading_that_is_not_newer_is_ignored() -> None:
    rules = ZoneRules(ONE)
    run(rules, [45] * 4)
    for _ in range(10):
        assert rules.step(3000, 45, 40, 50) == []


@given(changes)
def test_events_come_in_order_and_only_after_their_time(readings: list[tuple[int, float]]) -> None:
    rules, at, level, since_raise = ZoneRules(THREE), 0, "normal", 0.0
    history: list[tuple[int, float]] = []
    for passed, value in readings:
        at += passed
        history.append((at, value))
        for event in rules.step(at, value, value, value):
            assert event.previous == level
            assert event.kind is kind_of(level, event.level)
            if rank(event.level) > rank(level):
                assert value >= THREE.thresholds[event.level]
                assert sum(v >= THREE.thresholds[event.level] for _, v in history) >= 3
                since_raise = at
            else:
                line = THREE.thresholds[level] - THREE.margins[level]
                assert at - since_raise >= 30_000
                assert all(v < line for t, v in history if t >= at - 30_000)
            assert event.peak >= event.value or event.kind is EventKind.CLEARED
            level = event.level
    assert rules.level == level


def kind_of(previous: str, level: str) -> EventKind:
    if rank(level) > rank(previous):
        return EventKind.RAISED if previous == LEVELS[0] else EventKind.ESCALATED
    return EventKind.CLEARED if level == LEVELS[0] else EventKind.EASED


@given(changes, st.integers(0, 150))
def test_rules_restored_at_any_point_go_on_as_if_nothing_happened(
    readings: list[tuple[int, float]], stop: int
) -> None:
    live, restarted, at = ZoneRules(THREE), ZoneRules(THREE), 0
    for index, (passed, value) in enumerate(readings):
        if index == stop:
            stored = json.loads(json.dumps(live.to_state()))
            restarted = ZoneRules.from_state(THREE, stored)
        at += passed
        events = live.step(at, value, value, value)
        if index >= stop:
            assert restarted.step(at, value, value, value) == events
    assert stop >= len(readings) or restarted.to_state() == live.to_state()


def test_an_incident_survives_the_removal_of_its_level() -> None:
    rules = ZoneRules(THREE)
    run(rules, [60] * 10)
    fewer = LevelSettings({"watch": 30, "warning": 40}, {"watch": 3, "warning": 4}, 5, 30, 5)
    restored = ZoneRules.from_state(fewer, rules.to_state())
    assert restored.level == "warning"
    assert [event.kind for event in run(restored, [5] * 40, start=10_000)] == [EventKind.CLEARED]


@pytest.mark.parametrize("thresholds", [{}, {"huge": 3.0}, {"watch": 4.0, "warning": 3.0}])
def test_levels_must_be_known_and_rising(thresholds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="level"):
        LevelSettings(thresholds, dict.fromkeys(thresholds, 0.5), 5, 30, 5)
