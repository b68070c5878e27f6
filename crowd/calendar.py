"""Stretches of time that people write down: hours of the week, and days with a date.

Hours of the week are compared with the clock on the wall of the place, so they follow a change to
or from summer time: a stretch from 02:30 begins with the first minute that the clock shows at or
after it, and an hour that is shown twice lies within it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Hours:
    """The same hours on some days of each week.

    Args:
        days: names from `DAYS`, of the days on which it begins.
        start, end: minutes after midnight, 0 to 1440; an end before or at the start is on the
            following day.
    """

    days: frozenset[str]
    start: int
    end: int

    def hold(self, weekday: int, minute: int) -> bool:
        """Whether they hold a minute of a day (0 is Monday)."""
        today, yesterday = DAYS[weekday], DAYS[weekday - 1]
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        begun = today in self.days and minute >= self.start
        return begun or (yesterday in self.days and minute < self.end)


@dataclass(frozen=True)
class Dates:
    """One stretch of time; ``start`` and ``end`` in ms UTC."""

    start: int
    end: int


@dataclass(frozen=True)
class Calendar:
    """Hours and dates in a place's time zone.

    Example:
        >>> nights = Calendar(ZoneInfo("Europe/Berlin"), (Hours(frozenset(DAYS), 22 * 60, 6 * 60),))
        >>> nights.holds(1_764_021_600_000)  # 2025-11-24 23:00 in Berlin
        True
    """

    timezone: ZoneInfo
    hours: tuple[Hours, ...] = ()
    dates: tuple[Dates, ...] = ()

    def holds(self, at_ms: int) -> bool:
        """Whether any of its stretches holds an instant, ms UTC."""
        if any(each.start <= at_ms < each.end for each in self.dates):
            return True
        if not self.hours:
            return False
        weekday, minute = wall_clock(at_ms, self.timezone)
        return any(each.hold(weekday, minute) for each in self.hours)


def wall_clock(at_ms: int, timezone: ZoneInfo) -> tuple[int, int]:
    """What clocks at a place show: the day of the week (0 is Monday) and the minute of the day."""
    return _wall_clock(at_ms // MINUTE_MS, timezone)


@lru_cache(maxsize=4096)
def _wall_clock(minute: int, timezone: ZoneInfo) -> tuple[int, int]:
    local = datetime.fromtimestamp(minute * 60, UTC).astimezone(timezone)
    return local.weekday(), local.hour * 60 + local.minute
