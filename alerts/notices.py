"""The text of notifications: what a guard understands in two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from alerts.words import Language, say
from core.settings import Site


@dataclass(frozen=True)
class Notice:
    """A notification ready to be sent."""

    title: str
    body: str
    key: str  # the same for every attempt, so that a receiver can drop a repetition
    event: str = "test"
    level: str = "normal"  # from now on
    camera: str = ""  # id; empty for the site's own
    zone: str | None = None  # id


@dataclass(frozen=True)
class Measured:
    """A value with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Happening:
    """What a notice tells: one change of one incident."""

    incident: int | None  # None for the trend of a zone without one
    change: int
    event: str  # raised, escalated, eased, approaching, reminder, unseen, cleared, test
    level: str  # from now on
    place: str  # "camera name / zone", or a camera's name, or the site's
    at_ms: int
    unit: str = ""  # persons | persons/m2, of a crowd incident
    measured: Measured | None = None  # in that unit
    peak: float | None = None
    peak_level: str = ""
    people: float | None = None  # where the unit is persons/m2
    remark: str = ""  # what there is to say without a value, such as "unknown"
    reason: str = ""  # of the remark, such as "stalled"
    detail: str = ""  # one more sentence for the body
    key: str = ""  # where there is no incident


def notice(happening: Happening, timezone: ZoneInfo, language: Language = "en") -> Notice:
    """The notice of a change, with times in the site's zone."""
    what = say(happening.remark, language)
    if happening.reason:
        what += f" ({say(happening.reason, language)})"
    if happening.measured is not None:
        value = number(happening.measured.value, happening.unit)
        what = f"{value}{say(f' {happening.unit}', language)}"
    key = happening.key or f"incident {happening.incident} change {happening.change}"
    level, event = say(happening.level, language).upper(), say(happening.event, language)
    title = f"[{level}] {happening.place}: {what}, {event}"
    lines = [
        local_time(happening.at_ms, timezone),
        *_values(happening, language),
        say(happening.detail, language),
        key,
    ]
    return Notice(title, "\n".join(line for line in lines if line), key)


def place(site: Site, kind: str, camera_id: str, zone_id: str) -> str:
    """``camera name / zone`` of an incident, the camera's name alone, or the site's (workers)."""
    if kind == "worker":
        return site.site.name
    camera = next((each for each in site.cameras if each.id == camera_id), None)
    shown = camera_id if camera is None else camera.title
    if not zone_id:
        return shown
    zones = {} if camera is None else {zone.id: zone.title for zone in camera.zones}
    return f"{shown} / {zones.get(zone_id, zone_id)}"


def number(value: float, unit: str) -> str:
    """People as a whole number, a density with one decimal."""
    return f"{value:.1f}" if unit == "persons/m2" else f"{value:.0f}"


def local_time(at_ms: int, timezone: ZoneInfo) -> str:
    """Such as ``2026-11-24 20:15:03 KST``."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(timezone).strftime("%F %T %Z")


def _values(happening: Happening, language: Language) -> list[str]:
    lines = []
    unit, shown = happening.unit, say(f" {happening.unit}", language)
    if happening.measured is not None:
        value = happening.measured
        # The value is smoothed and the interval is the reading's, so one may lie outside the other.
        low = number(min(value.low, value.value), unit)
        high = number(max(value.high, value.value), unit)
        text = "90 % interval {low} to {high}{unit}"
        line = say(text, language, low=low, high=high, unit=shown)
        if happening.people is not None:
            people = f"{happening.people:.0f}"
            line += say(", {people} people in the zone", language, people=people)
        lines.append(line)
    if happening.peak is not None:
        peak, level = number(happening.peak, unit), say(happening.peak_level, language)
        text = "peak {peak}{unit} ({level})"
        lines.append(say(text, language, peak=peak, unit=shown, level=level))
    return lines
