"""Zone rules from a site's settings.

The settings are described by their shape only, so that this room imports nothing: they are the
pydantic models of `core.settings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from crowd.calendar import Calendar, Dates, Hours
from crowd.levels import LevelSettings, Thresholds
from crowd.tracker import Unit, ZoneTracker


class HoursOfWeek(Protocol):
    @property
    def days(self) -> Sequence[str]: ...
    @property
    def start(self) -> str: ...
    @property
    def end(self) -> str: ...


class MaintenanceTime(HoursOfWeek, Protocol):
    @property
    def cameras(self) -> Sequence[str]: ...
    @property
    def weekly(self) -> bool: ...
    def dates_ms(self, zone: ZoneInfo) -> tuple[int, int]: ...


class ZoneLevels(Protocol):
    @property
    def unit(self) -> Unit: ...
    @property
    def measure(self) -> str: ...
    @property
    def raise_after(self) -> float: ...
    @property
    def clear_after(self) -> float: ...
    @property
    def top_by(self) -> str: ...
    @property
    def approaching(self) -> float: ...
    @property
    def schedule(self) -> Sequence[HoursOfWeek]: ...
    def thresholds(self, hours: Any = None) -> Mapping[str, float]: ...
    def margin(self, threshold: float) -> float: ...


class ZoneGround(Protocol):
    @property
    def cell_m2(self) -> float: ...


class ZoneSettings(Protocol):
    @property
    def levels(self) -> ZoneLevels | None: ...
    @property
    def ground(self) -> ZoneGround | None: ...


def maintenance_of(
    windows: Iterable[MaintenanceTime], camera: str, timezone: ZoneInfo
) -> Calendar | None:
    """When a camera is worked on; None if never."""
    mine = [window for window in windows if not window.cameras or camera in window.cameras]
    if not mine:
        return None
    return Calendar(
        timezone,
        tuple(_hours(window) for window in mine if window.weekly),
        tuple(Dates(*window.dates_ms(timezone)) for window in mine if not window.weekly),
    )


def zone_tracker(
    zone: ZoneSettings,
    area_m2: float | None,
    gap_s: float,
    timezone: ZoneInfo,
    maintenance: Calendar | None,
) -> ZoneTracker:
    """What follows a zone.

    Args:
        area_m2: of the zone on the ground; None without a calibration.
        gap_s: longest time between readings that still counts as watching.
        timezone: of the site.
        maintenance: of the zone's camera, from `maintenance_of`.

    Raises:
        ValueError: the levels are in persons/m2 and there is no area.
    """
    levels = zone.levels
    if levels is None:
        return ZoneTracker(area_m2=area_m2)
    by_cell = zone.ground if levels.measure == "worst_cell" else None
    settings = level_settings(levels, gap_s, timezone, maintenance)
    cell_m2 = None if by_cell is None else by_cell.cell_m2
    return ZoneTracker(settings, levels.unit, area_m2, cell_m2)


def level_settings(
    levels: ZoneLevels, gap_s: float, timezone: ZoneInfo, maintenance: Calendar | None
) -> LevelSettings:
    """A zone's levels as `crowd.levels` takes them; the arguments are those of `zone_tracker`."""

    def with_margins(values: Mapping[str, float]) -> Thresholds:
        return Thresholds(values, {name: levels.margin(value) for name, value in values.items()})

    always = with_margins(levels.thresholds())
    return LevelSettings(
        always.values,
        always.margins,
        levels.raise_after,
        levels.clear_after,
        gap_s,
        tuple((_hours(each), with_margins(levels.thresholds(each))) for each in levels.schedule),
        timezone,
        maintenance,
        levels.top_by == "upper",
        levels.approaching,
    )


def _hours(given: HoursOfWeek) -> Hours:
    return Hours(frozenset(given.days), _minute(given.start), _minute(given.end))


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)
