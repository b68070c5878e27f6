"""A site's past through its rules again, perhaps with other levels: what would have been raised.

One function for the pages and for ``headcount backtest``. It covers incidents of crowds; those of
cameras and workers come from absence, which is not among the values that are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from core.history import incidents
from core.history_replay import ValuesGoneError, stored_run
from core.settings import CameraSettings, Site, Zone
from core.status import freshness_limit_s
from crowd.configured import maintenance_of, zone_tracker
from crowd.replay import CrowdIncident, compare, replay_zone

MOST_INCIDENTS = 100_000


class BacktestRefusedError(ValueError):
    """A time cannot be replayed; the text is one sentence with the dates that can."""


@dataclass(frozen=True)
class Backtest:
    """What was raised and what would have been; instants in ms UTC, incidents oldest first.

    Attributes:
        added: replayed without a recorded one; ``missing``: recorded without a replayed one.
        curves: (camera, zone) to the instants and values that the levels compared.
    """

    from_ms: int
    to_ms: int
    recorded: list[CrowdIncident]
    replayed: list[CrowdIncident]
    added: list[CrowdIncident]
    missing: list[CrowdIncident]
    curves: Mapping[tuple[str, str], list[tuple[int, float]]] = field(default_factory=dict)


def backtest(connection: Connection, site: Site, from_ms: int, to_ms: int) -> Backtest:
    """Replay every zone of a site that has levels.

    Args:
        connection: of one transaction (`core.history.History.snapshot`).
        site: with the levels to try, which need not be those that are applied.
        from_ms, to_ms: ms UTC.

    Raises:
        BacktestRefusedError: values of that time are gone, or the time is none.
    """
    if to_ms <= from_ms:
        raise BacktestRefusedError(
            f"the end ({shown(to_ms, site.site.zone)}) must be after the beginning "
            f"({shown(from_ms, site.site.zone)})"
        )
    replayed: list[CrowdIncident] = []
    curves: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for camera in site.cameras:
        for zone in camera.zones:
            if zone.levels is None:
                continue
            curve: list[tuple[int, float]] = []
            found = _replay(connection, site, camera, zone, (from_ms, to_ms), curve)
            replayed += [
                each for each in found if each.cleared_at is None or each.cleared_at >= from_ms
            ]
            curves[camera.id, zone.id] = [point for point in curve if point[0] >= from_ms]
    recorded = [
        CrowdIncident(
            row["camera"], row["zone"], row["level"], row["peak_level"], row["unit"], row["peak"],
            row["raised_at"], row["cleared_at"], row["id"],
        )
        for row in incidents(connection, from_ms=from_ms, to_ms=to_ms, limit=MOST_INCIDENTS)
        if row["kind"] == "crowd" and row["zone"] is not None
    ]  # fmt: skip
    recorded.sort(key=lambda each: (each.raised_at, each.id or 0))
    replayed.sort(key=lambda each: each.raised_at)
    between = {camera.id: round(1000 / camera.fps) for camera in site.cameras}
    added, missing = compare(recorded, replayed, to_ms, between)
    return Backtest(from_ms, to_ms, recorded, replayed, added, missing, curves)


def _replay(
    connection: Connection,
    site: Site,
    camera: CameraSettings,
    zone: Zone,
    time: tuple[int, int],
    curve: list[tuple[int, float]],
) -> list[CrowdIncident]:
    assert zone.levels is not None
    try:
        run = stored_run(connection, camera.id, zone.id, *time)
    except ValuesGoneError as gone:
        raise BacktestRefusedError(_why(gone, time[0], site.site.zone)) from None
    if run is None:
        return []
    maintenance = maintenance_of(site.alerts.maintenance, camera.id, site.site.zone)
    gap_s, area_m2 = freshness_limit_s(camera), run.state.get("area")
    try:
        tracker = zone_tracker(zone, area_m2, gap_s, site.site.zone, maintenance)
        return replay_zone(
            tracker,
            run.values,
            camera=camera.id,
            zone=zone.id,
            unit=zone.levels.unit,
            state=run.state,
            scenes=run.scenes,
            curve=curve,
        )
    except ValueError:
        raise BacktestRefusedError(
            f"{camera.id}/{zone.id}: it was not calibrated in all of that time, so levels in "
            "persons/m2 cannot be tried on it"
        ) from None


def _why(gone: ValuesGoneError, from_ms: int, zone: ZoneInfo) -> str:
    place = f"{gone.camera}/{gone.zone}"
    if gone.earliest_ms is None:
        return f"{place}: no values of {shown(from_ms, zone)} are kept, nor any later ones"
    return (
        f"{place}: the values of {shown(from_ms, zone)} are gone; the earliest beginning that can "
        f"be replayed is {shown(gone.earliest_ms, zone)} (see history.keep.raw)"
    )


def shown(at_ms: int, zone: ZoneInfo) -> str:
    """An instant in ISO 8601 with the offset of a time zone, rounded up to a whole second."""
    moment = datetime.fromtimestamp(-(-at_ms // 1000), UTC).astimezone(zone)
    return moment.isoformat()
