"""Settings of times: hours of the week, and maintenance."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from core.sections import Identifier, Section

_CLOCK = r"(([01]?\d|2[0-3]):[0-5]\d|24:00)"
ClockTime = Annotated[str, Field(pattern=f"^{_CLOCK}$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALL_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class LevelHours(Section):
    """Other levels at some hours of the week, by the clock of the site's time zone."""

    days: list[Day] = Field(
        list(ALL_DAYS), min_length=1, description="mon to sun: the days on which it begins."
    )
    start: ClockTime = Field("00:00", description="Such as 07:00.")
    end: ClockTime = Field(
        "24:00", description="An end before or at the start is on the following day."
    )
    watch: float | None = Field(None, gt=0, description="Level 1 then; else as always.")
    warning: float | None = Field(None, gt=0, description="Level 2 then; else as always.")
    critical: float | None = Field(None, gt=0, description="Level 3 then; else as always.")


class Maintenance(Section):
    """A time in which cameras are worked on: nothing is raised and nobody is told."""

    cameras: list[Identifier] = Field([], description="Ids; by default all cameras.")
    days: list[Day] = Field(
        list(ALL_DAYS), min_length=1, description="For hours of the week: when they begin."
    )
    start: str = Field(
        description="An hour of the week such as 02:00, or a date such as 2026-11-24 22:00, in the "
        "site's time zone."
    )
    end: str = Field(
        description="Likewise. An hour before or at the start is on the following day."
    )
    note: str = Field("", max_length=200, description="Shown to people: who does what.")

    @model_validator(mode="after")
    def _two_of_a_kind(self) -> Self:
        if _is_clock(self.start) != _is_clock(self.end):
            raise ValueError("start and end must both be hours, or both be dates")
        if not self.weekly:
            start, end = self.dates_ms(ZoneInfo("UTC"))
            if start >= end:
                raise ValueError(f"the end ({self.end}) must be after the start ({self.start})")
        return self

    @property
    def weekly(self) -> bool:
        """Whether it is at hours of each week; else at one date."""
        return _is_clock(self.start)

    def dates_ms(self, zone: ZoneInfo) -> tuple[int, int]:
        """Start and end of one that has dates, ms UTC."""
        return instant_ms(self.start, zone), instant_ms(self.end, zone)


def _is_clock(value: str) -> bool:
    return re.fullmatch(_CLOCK, value) is not None


def instant_ms(value: str, zone: ZoneInfo) -> int:
    """The ms UTC of an ISO 8601 date or time; one without an offset is in ``zone``.

    Raises:
        ValueError: it is none.
    """
    try:
        given = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no date such as 2026-11-24 22:00") from None
    return round((given if given.tzinfo else given.replace(tzinfo=zone)).timestamp() * 1000)
