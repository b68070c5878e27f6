"""The text of notifications: what a guard understands in two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Notice:
    """A notification ready to be sent."""

    title: str
    body: str
    key: str  # the same for every attempt, so that a receiver can drop a repetition


@dataclass(frozen=True)
class Measured:
    """A value with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Happening:
    """What a notice tells: one change of one incident."""

    incident: int
    change: int
    event: str  # raised | escalated | eased | unseen | cleared | test
    level: str  # from now on
    place: str  # "camera name / zone", or a camera's name, or the site's
    at_ms: int
    unit: str = ""  # persons | persons/m2, of a crowd incident
    measured: Measured | None = None  # in that unit
    peak: float | None = None
    peak_level: str = ""
    people: float | None = None  # where the unit is persons/m2
    remark: str = ""  # what there is to say without a value, such as "unknown (stalled)"
    detail: str = ""  # one more sentence for the body


def notice(happening: Happening, timezone: ZoneInfo) -> Notice:
    """The notice of a change, with times in the site's zone."""
    what = happening.remark
    if happening.measured is not None:
        what = f"{number(happening.measured.value, happening.unit)} {happening.unit}"
    key = f"incident {happening.incident} change {happening.change}"
    title = f"[{happening.level.upper()}] {happening.place}: {what}, {happening.event}"
    lines = [local_time(happening.at_ms, timezone), *_values(happening), happening.detail, key]
    return Notice(title, "\n".join(line for line in lines if line), key)


def number(value: float, unit: str) -> str:
    """People as a whole number, a density with one decimal."""
    return f"{value:.1f}" if unit == "persons/m2" else f"{value:.0f}"


def local_time(at_ms: int, timezone: ZoneInfo) -> str:
    """Such as ``2026-11-24 20:15:03 KST``."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(timezone).strftime("%F %T %Z")


def _values(happening: Happening) -> list[str]:
    lines = []
    unit = happening.unit
    if happening.measured is not None:
        value = happening.measured
        # The value is smoothed and the interval is the reading's, so one may lie outside the other.
        low, high = min(value.low, value.value), max(value.high, value.value)
        line = f"90 % interval {number(low, unit)} to {number(high, unit)} {unit}"
        if happening.people is not None:
            line += f", {happening.people:.0f} people in the zone"
        lines.append(line)
    if happening.peak is not None:
        lines.append(f"peak {number(happening.peak, unit)} {unit} ({happening.peak_level})")
    return lines
