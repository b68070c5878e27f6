"""Levels that hold at some hours, maintenance, and a probable breach."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from crowd.calendar import Calendar, Dates, Hours
from crowd.levels import Event, EventKind, LevelSettings, Thresholds, ZoneRules

SEOUL = ZoneInfo("Asia/Seoul")
RUSH = (Hours(frozenset({"mon"}), 7 * 60, 9 * 60), Thresholds({"warning": 60}, {"warning": 6}))
SEVEN = int(datetime(2025, 11, 24, 7, tzinfo=SEOUL).timestamp() * 1000)


def run(rules: ZoneRules, values: list[float], start: int, width: float = 0.0) -> list[Event]:
    events = []
    for index, value in enumerate(values):
        events += rules.step(start + index * 1000, value, value - width, value + width)
    return events


def levels(**changes: object) -> LevelSettings:
    values = {"warning": 40.0}, {"warning": 4.0}, 5, 30, 5
    return LevelSettings(*values, **changes)  # type: ignore[arg-type]


def test_at_the_hours_of_a_schedule_its_levels_hold() -> None:
    settings = levels(by_hours=(RUSH,), timezone=SEOUL)
    assert run(ZoneRules(settings), [50.0] * 600, SEVEN) == []
    (event,) = run(ZoneRules(settings), [50.0] * 60, SEVEN - 120_000)
    assert (event.kind, event.level) == (EventKind.RAISED, "warning")
    assert run(ZoneRules(settings), [50.0] * 60, SEVEN + 24 * 3_600_000)  # Tuesday


def test_an_incident_open_when_higher_levels_begin_is_cleared_after_its_time() -> None:
    events = run(ZoneRules(levels(by_hours=(RUSH,), timezone=SEOUL)), [50.0] * 300, SEVEN - 60_000)
    assert [(event.kind, event.at_ms - SEVEN) for event in events] == [
        (EventKind.RAISED, -55_000),
        (EventKind.CLEARED, 30_000),
    ]


def test_a_level_may_hold_only_at_some_hours() -> None:
    extra = (RUSH[0], Thresholds({"watch": 20, "warning": 40}, {"watch": 2, "warning": 4}))
    settings = levels(by_hours=(extra,), timezone=SEOUL)
    events = run(ZoneRules(settings), [25.0] * 60, SEVEN)
    assert [event.level for event in events] == ["watch"]
    assert run(ZoneRules(settings), [25.0] * 60, SEVEN - 600_000) == []


def test_in_maintenance_nothing_is_raised_and_what_is_open_clears() -> None:
    maintenance = Calendar(SEOUL, dates=(Dates(100_000, 200_000),))
    rules = ZoneRules(levels(maintenance=maintenance))
    assert run(rules, [50.0] * 100, 100_000) == []
    (event,) = run(rules, [50.0] * 20, 200_000)  # it takes its whole time afterwards
    assert (event.kind, event.at_ms) == (EventKind.RAISED, 205_000)
    rules = ZoneRules(levels(maintenance=maintenance))
    kinds = [event.kind for event in run(rules, [50.0] * 10 + [5.0] * 60, 85_000)]
    assert kinds == [EventKind.RAISED, EventKind.CLEARED]


def test_the_top_level_can_be_reached_by_the_upper_end_of_the_interval() -> None:
    values = {"watch": 20.0, "critical": 60.0}, {"watch": 2.0, "critical": 6.0}, 5, 30, 5
    by_value = ZoneRules(LevelSettings(*values))
    by_upper = ZoneRules(LevelSettings(*values, top_by_upper_bound=True))
    (watch,) = run(by_value, [50.0] * 60, 0, width=15)
    assert (watch.level, watch.probable) == ("watch", False)
    (critical,) = run(by_upper, [50.0] * 60, 0, width=15)
    assert (critical.level, critical.probable) == ("critical", True)
    assert [event.kind for event in run(by_upper, [50.0] * 60, 60_000, width=2)] == ["eased"]


@given(
    limit=st.floats(5, 200),
    period=st.integers(1, 20),
    offset=st.floats(-0.99, 0),
)
def test_a_count_oscillating_by_one_at_the_limit_for_ten_minutes_is_at_most_one_incident(
    limit: float, period: int, offset: float
) -> None:
    margin = max(1.0, 0.1 * limit)
    settings = LevelSettings({"warning": limit}, {"warning": margin}, 5, 30, 5)
    values = [limit + offset + (second // period) % 2 for second in range(600)]
    kinds = [event.kind for event in run(ZoneRules(settings), values, 0)]
    assert kinds in ([], [EventKind.RAISED])
