"""``headcount backtest``: a site's history through its levels again, or through others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from core.clock import iso
from core.history import History
from core.settings import Levels, Site, Zone
from core.week_settings import instant_ms
from crowd.replay import CrowdIncident
from dashboard.backtest import Backtest, BacktestRefusedError, backtest
from headcount.backtest_plot import plot
from headcount.failures import InputError
from headcount.site_loading import load

SETTABLE = ("watch", "warning", "critical", "raise_after", "clear_after", "clear_margin", "top_by")


def run_backtest(
    site_path: Path, begin: str, end: str, *, changes: list[str], as_json: bool
) -> None:
    """Replay a time and print what was raised, what would have been, and the difference.

    Args:
        begin, end: ISO 8601; without an offset in the site's time zone.
        changes: each ``camera/zone.key=value``.

    Raises:
        InputError: the times or changes cannot be used, or values of that time are gone.
        SiteFileError, HistoryError: the site or its history cannot be used.
    """
    site = load(site_path).site
    from_ms = _instant(begin, "--from", site.site.zone)
    to_ms = _instant(end, "--to", site.site.zone)
    for change in changes:
        site = with_change(site, change)
    history = History.open(site.history.url)
    try:
        with history.snapshot() as connection:
            result = backtest(connection, site, from_ms, to_ms)
    except BacktestRefusedError as refused:
        raise InputError(str(refused)) from None
    finally:
        history.close()
    if as_json:
        print(json.dumps(as_document(result, site.site.zone), indent=2))
    else:
        _print(result, site, bool(changes))


def _instant(text: str, option: str, zone: ZoneInfo) -> int:
    try:
        return instant_ms(text, zone)
    except ValueError:
        raise InputError(
            f"{option} {text!r} is no time; write ISO 8601 such as 2026-11-24T07:00 (in the "
            f"site's zone, {zone.key}) or 2026-11-24T07:00:00+09:00"
        ) from None


def with_change(site: Site, change: str) -> Site:
    """The site with one ``camera/zone.key=value``.

    Raises:
        InputError: it cannot be read, there is no such zone, or the levels do not allow it.
    """
    target, equals, value = change.partition("=")
    place, dot, key = target.rpartition(".")
    camera_id, slash, zone_id = place.partition("/")
    if not (equals and dot and slash):
        raise InputError(f"--set {change!r}: write camera/zone.key=value: gate-1/all.warning=4.5")
    if key not in SETTABLE:
        raise InputError(f"--set {change!r}: {key!r} is none of {', '.join(SETTABLE)}")
    known = [f"{camera.id}/{zone.id}" for camera in site.cameras for zone in camera.zones]
    if place not in known:
        raise InputError(f"--set {change!r}: there is no {place!r}; there are {', '.join(known)}")
    cameras = []
    for camera in site.cameras:
        zones = [
            _changed(zone, key, value, change)
            if (camera.id, zone.id) == (camera_id, zone_id)
            else zone
            for zone in camera.zones
        ]
        cameras.append(camera.model_copy(update={"zones": zones}))
    return site.model_copy(update={"cameras": cameras})


def _changed(zone: Zone, key: str, value: str, change: str) -> Zone:
    known: dict[str, Any] = {"unit": "persons"} if zone.levels is None else zone.levels.model_dump()
    given = None if value in ("", "null", "off") else value
    try:
        levels = Levels.model_validate({**known, key: given})
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"--set {change!r}: {why}") from None
    return zone.model_copy(update={"levels": levels})


def as_document(result: Backtest, zone: ZoneInfo) -> dict[str, Any]:
    """What ``--json`` prints; instants in ISO 8601 with the site's offset."""
    document: dict[str, Any] = {
        "from": iso(result.from_ms, zone=zone),
        "to": iso(result.to_ms, zone=zone),
    }
    for name in ("recorded", "replayed", "added", "missing"):
        document[name] = [_incident(each, zone) for each in getattr(result, name)]
    return document


def _incident(incident: CrowdIncident, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": incident.id,
        "kind": "crowd",
        "camera": incident.camera,
        "zone": incident.zone,
        "level": incident.level,
        "peak_level": incident.peak_level,
        "unit": incident.unit,
        "peak": round(incident.peak, 4),
        "raised_at": iso(incident.raised_at, zone=zone),
        "cleared_at": iso(incident.cleared_at, zone=zone),
    }


def _print(result: Backtest, site: Site, changed: bool) -> None:
    console = Console(highlight=False)
    zone = site.site.zone
    table = Table(box=None, pad_edge=False)
    for heading in ("zone", "level", "peak", "raised", "cleared", "lasted", ""):
        table.add_column(heading, no_wrap=True)
    replayed_only = {id(each) for each in result.added}
    rows = [(each, "missing") for each in result.missing]
    rows += [(each, "added" if id(each) in replayed_only else "same") for each in result.replayed]
    for incident, what in sorted(rows, key=lambda row: row[0].raised_at):
        table.add_row(*_cells(incident, zone), what)
    title = f"{_local(result.from_ms, zone)} to {_local(result.to_ms, zone)} {zone.key}"
    console.print(title)
    if rows:
        console.print(table)
    for camera in site.cameras:
        for each in camera.zones:
            curve = result.curves.get((camera.id, each.id))
            if curve and each.levels is not None:
                name = f"{camera.id}/{each.id}"
                console.print(plot(name, curve, each.levels, zone, console.width))
    tried = "With these levels" if changed else "The replay"
    console.print(
        f"{len(result.recorded)} recorded, {len(result.replayed)} replayed. {tried}: "
        f"{len(result.added)} added, {len(result.missing)} missing."
    )


def _local(at_ms: int, zone: ZoneInfo) -> str:
    """Date and time on the clocks of a zone, to the second."""
    return iso(at_ms, "seconds", zone)[:19]


def _cells(incident: CrowdIncident, zone: ZoneInfo) -> list[str]:
    unit = "/m2" if incident.unit == "persons/m2" else ""
    peak = f"{incident.peak:.1f}{unit}" if unit else f"{incident.peak:.0f}"
    cleared = incident.cleared_at
    lasted = "" if cleared is None else f"{(cleared - incident.raised_at) / 1000:.0f} s"
    return [
        f"{incident.camera}/{incident.zone}",
        incident.peak_level,
        peak,
        _local(incident.raised_at, zone).replace("T", " "),
        "open" if cleared is None else _local(cleared, zone)[11:],
        lasted,
    ]
