"""What a replay of a zone needs: the state before it and every value since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from core.history_blocks import RawValue
from core.history_raw import HOUR_MS, MINUTE_MS, raw_values
from core.history_rows import put_row
from core.history_schema import hours, minutes, zone_snapshots


class ValuesGoneError(ValueError):
    """A stretch of time cannot be replayed.

    Attributes:
        earliest_ms: the first instant of the zone from which one can; None where there is none.
    """

    def __init__(self, camera: str, zone: str, earliest_ms: int | None) -> None:
        super().__init__(f"the values of {camera}/{zone} are gone")
        self.camera, self.zone, self.earliest_ms = camera, zone, earliest_ms


@dataclass(frozen=True)
class StoredRun:
    """A zone's past.

    Attributes:
        state: of the zone's tracker, as it was before the first of the values.
        values: later than the state, oldest first; can be read once, in the same transaction.
        scenes: instants of the values that began another scene.
    """

    state: Mapping[str, Any]
    values: Iterator[RawValue]
    scenes: frozenset[int]


def write_snapshot(
    connection: Connection, camera: str, zone: str, at: int, state: Mapping[str, Any], scene: bool
) -> None:
    """Keep a zone's state as it is after the reading captured ``at``."""
    put_row(
        connection,
        zone_snapshots,
        {
            "camera": camera,
            "zone": zone,
            "at": at,
            "new_scene": scene,
            "state_json": json.dumps(state, separators=(",", ":")),
        },
    )


def newest_snapshots(connection: Connection) -> dict[tuple[str, str], int]:
    """(camera, zone) to the instant of its last snapshot, ms UTC."""
    table = zone_snapshots
    rows = connection.execute(
        select(table.c.camera, table.c.zone, func.max(table.c.at)).group_by(
            table.c.camera, table.c.zone
        )
    )
    return {(camera, zone): at for camera, zone, at in rows}


def stored_run(
    connection: Connection, camera: str, zone: str, from_ms: int, to_ms: int
) -> StoredRun | None:
    """The past of a zone from ``from_ms`` to ``to_ms``; None where it had no values then.

    Raises:
        ValuesGoneError: there were values in that time that are not kept any more.
    """
    table = zone_snapshots
    mine = (table.c.camera == camera, table.c.zone == zone)
    at = connection.execute(
        select(func.max(table.c.at)).where(*mine, table.c.at <= from_ms)
    ).scalar()
    if at is None:
        at = connection.execute(select(func.min(table.c.at)).where(*mine)).scalar()
        if _had_values(connection, camera, zone, from_ms, to_ms if at is None else min(at, to_ms)):
            raise ValuesGoneError(camera, zone, at)
        if at is None or at >= to_ms:
            return None
    state = connection.execute(select(table.c.state_json).where(*mine, table.c.at == at)).scalar()
    scenes = connection.execute(
        select(table.c.at).where(*mine, table.c.at > at, table.c.at < to_ms, table.c.new_scene)
    ).scalars()
    return StoredRun(
        json.loads(state or "{}"),
        raw_values(connection, camera, zone, at + 1, to_ms),
        frozenset(scenes),
    )


def _had_values(connection: Connection, camera: str, zone: str, from_ms: int, to_ms: int) -> bool:
    """Whether anything was counted between two instants, as far as sums or values tell."""
    for table, length in ((minutes, MINUTE_MS), (hours, HOUR_MS)):
        found = connection.execute(
            select(table.c.at)
            .where(
                table.c.camera == camera,
                table.c.zone == zone,
                table.c.at > from_ms - length,
                table.c.at <= to_ms - length,
                table.c.readings > 0,
            )
            .limit(1)
        ).first()
        if found is not None:
            return True
    return next(raw_values(connection, camera, zone, from_ms, to_ms), None) is not None
