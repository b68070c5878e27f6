"""Hours of the week and dates, across changes of the clock."""

import doctest
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

import crowd.calendar
from crowd.calendar import DAYS, Calendar, Dates, Hours

BERLIN = ZoneInfo("Europe/Berlin")


def ms(local: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> int:
    moment = datetime.fromisoformat(local).replace(tzinfo=zone, fold=fold)
    return int(moment.timestamp() * 1000)


def weekly(days: str, start: str, end: str, zone: ZoneInfo = BERLIN) -> Calendar:
    minutes = [int(each[:2]) * 60 + int(each[3:]) for each in (start, end)]
    return Calendar(zone, (Hours(frozenset(days.split()), *minutes),))


@pytest.mark.parametrize(
    ("local", "inside"),
    [
        ("2025-11-24T06:59", False),  # a Monday
        ("2025-11-24T07:00", True),
        ("2025-11-24T09:59", True),
        ("2025-11-24T10:00", False),
        ("2025-11-29T08:00", False),  # a Saturday
    ],
)
def test_hours_of_some_days(local: str, inside: bool) -> None:
    assert weekly("mon tue", "07:00", "10:00").holds(ms(local)) is inside


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    night = weekly("fri", "22:00", "04:00")
    inside = ["2025-11-28T22:00", "2025-11-29T03:59"]
    outside = ["2025-11-28T03:00", "2025-11-29T04:00", "2025-11-29T22:30"]
    assert [night.holds(ms(each)) for each in inside + outside] == [True] * 2 + [False] * 3
    assert weekly("sun", "22:00", "04:00").holds(ms("2025-11-24T01:00"))  # into the new week


def test_a_whole_day_is_00_00_to_24_00() -> None:
    day = weekly("sat", "00:00", "24:00")
    assert day.holds(ms("2025-11-29T00:00"))
    assert day.holds(ms("2025-11-29T23:59"))
    assert not day.holds(ms("2025-11-30T00:00"))


def test_hours_follow_the_clock_on_the_wall_in_spring_and_in_autumn() -> None:
    hours = weekly(" ".join(DAYS), "02:30", "03:30")
    # On 30 March 2025 the clock goes from 02:00 to 03:00: the stretch begins at 03:00.
    assert not hours.holds(ms("2025-03-30T01:59"))
    assert hours.holds(ms("2025-03-30T03:00"))
    assert not hours.holds(ms("2025-03-30T03:30"))
    # On 26 October the hour from 02:00 is shown twice, and lies within it twice.
    assert hours.holds(ms("2025-10-26T02:45"))
    assert hours.holds(ms("2025-10-26T02:45", fold=1))
    assert not hours.holds(ms("2025-10-26T02:15", fold=1))


def test_the_same_instant_is_another_hour_elsewhere() -> None:
    at = ms("2025-11-24T23:30")
    assert weekly("mon", "23:00", "24:00").holds(at)
    assert weekly("tue", "07:00", "08:00", ZoneInfo("Asia/Seoul")).holds(at)


def test_dates_hold_once() -> None:
    once = Calendar(BERLIN, dates=(Dates(1000, 2000),))
    assert [once.holds(at) for at in (999, 1000, 1999, 2000)] == [False, True, True, False]


def test_the_examples_are_true() -> None:
    assert doctest.testmod(crowd.calendar).failed == 0
