"""Writing values to the history, summing them up, and forgetting them."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from core.accounts_schema import audit
from core.history_blocks import RawValue, pack
from core.history_raw import HOUR_MS, MINUTE_MS, raw_values
from core.history_schema import hours, minutes, outbox, raw, raw_blocks, zone_snapshots
from core.settings import KeepSettings

PRUNED_AT_ONCE = 20_000  # rows per table and call
_PAGES_FREED_AT_ONCE = 2_000
_PAGES_KEPT_FREE = 256  # for the rows that come and go each minute


def write_raw(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Adds values of zones; one that is there already (same camera, zone, instant) stays.

    Args:
        rows: dicts with the columns of `core.history_schema.raw`.
    """
    if rows:
        statement = _insert(connection, raw).on_conflict_do_nothing(
            index_elements=list(raw.primary_key)
        )
        connection.execute(statement, list(rows))


def put_row(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Inserts a row, or replaces the one with its key."""
    keys = [column.name for column in table.primary_key]
    changes = {name: value for name, value in row.items() if name not in keys}
    statement = _insert(connection, table).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes))


def roll_up(
    connection: Connection,
    camera: str,
    zone: str,
    minute: int,
    unknown_s: float | None = None,
) -> None:
    """Sums up one minute of a zone, and the hour around it, and packs its values.

    Doing it again changes nothing; values that came late are taken in.

    Args:
        minute: any instant of the minute, ms UTC.
        unknown_s: for how long of it the camera's status was not ok, seconds, as only the caller
            can know; None keeps what was said before. A minute in which nothing was read and
            nothing is said is left out.
    """
    start = minute // MINUTE_MS * MINUTE_MS
    place = and_(minutes.c.camera == camera, minutes.c.zone == zone)
    if unknown_s is None:
        kept = select(minutes.c.unknown_share).where(place, minutes.c.at == start)
        unknown_share = connection.execute(kept).scalar()
    else:
        unknown_share = min(1.0, max(0.0, unknown_s * 1000 / MINUTE_MS))
    values = _pack_minute(connection, camera, zone, start)
    if not values and unknown_share is None:
        return
    row = {"camera": camera, "zone": zone, "at": start, "unknown_share": unknown_share or 0.0}
    put_row(connection, minutes, row | summed_up(values))
    _roll_up_hour(connection, camera, zone, start // HOUR_MS * HOUR_MS)


def summed_up(values: Sequence[RawValue]) -> dict[str, Any]:
    """Mean, highest and interval of values as a rollup's columns; all None without any."""
    number = len(values)
    densities = [value.density for value in values if value.density is not None]
    return {
        "count_mean": fsum(value.count for value in values) / number if values else None,
        "count_max": max((value.count for value in values), default=None),
        "low": fsum(value.low for value in values) / number if values else None,
        "high": fsum(value.high for value in values) / number if values else None,
        "density_max": max(densities, default=None),
        "readings": number,
    }


def _pack_minute(connection: Connection, camera: str, zone: str, start: int) -> list[RawValue]:
    """Moves a minute's rows into its block, and returns all its values, oldest first."""
    values = list(raw_values(connection, camera, zone, start, start + MINUTE_MS))
    moved = connection.execute(
        delete(raw).where(
            raw.c.camera == camera,
            raw.c.zone == zone,
            raw.c.at >= start,
            raw.c.at < start + MINUTE_MS,
        )
    ).rowcount
    if moved:
        row = {"camera": camera, "zone": zone, "at": start}
        put_row(connection, raw_blocks, row | {"readings": len(values), "data": pack(values)})
    return values


def _roll_up_hour(connection: Connection, camera: str, zone: str, start: int) -> None:
    weight = minutes.c.readings
    read = func.nullif(func.sum(weight), 0)
    values = connection.execute(
        select(
            (func.sum(minutes.c.count_mean * weight) / read).label("count_mean"),
            func.max(minutes.c.count_max).label("count_max"),
            (func.sum(minutes.c.low * weight) / read).label("low"),
            (func.sum(minutes.c.high * weight) / read).label("high"),
            func.max(minutes.c.density_max).label("density_max"),
            func.sum(weight).label("readings"),
            func.sum(minutes.c.unknown_share).label("unknown"),
            func.count().label("known_minutes"),
            func.max(minutes.c.at).label("last"),
        ).where(
            minutes.c.camera == camera,
            minutes.c.zone == zone,
            minutes.c.at >= start,
            minutes.c.at < start + HOUR_MS,
        )
    ).one()
    fields = dict(values._mapping)
    # Minutes of which there is no row, before the last that there is, were not watched at all.
    passed = (fields.pop("last") - start) // MINUTE_MS + 1
    unknown = fields.pop("unknown") + passed - fields.pop("known_minutes")
    share = min(1.0, max(0.0, unknown / passed))
    row = {"camera": camera, "zone": zone, "at": start, "unknown_share": share}
    put_row(connection, hours, row | fields)


def prune(connection: Connection, keep: KeepSettings, now_ms: int) -> int:
    """Deletes what is older than it is to be kept, some at a time; call it each minute.

    Returns:
        How many rows are gone.
    """
    deleted = 0
    kept = (
        (raw, keep.raw),
        (raw_blocks, keep.raw),
        (minutes, keep.minute),
        (hours, keep.hour),
        (audit, keep.audit),
    )
    for table, seconds in kept:
        deleted += _delete_oldest(connection, table, now_ms - int(seconds * 1000))
    # A replay needs every value after its state, and a block goes as soon as its minute begins.
    whole = now_ms - int(keep.raw * 1000) + MINUTE_MS
    deleted += _delete_oldest(connection, zone_snapshots, whole)
    long_ago = now_ms - int(keep.minute * 1000)
    done = func.coalesce(outbox.c.sent_at, outbox.c.dropped_at)
    deleted += connection.execute(delete(outbox).where(done < long_ago)).rowcount
    if connection.dialect.name == "sqlite":
        _free_pages(connection)
    return deleted


def _free_pages(connection: Connection) -> None:
    """Gives pages of an SQLite file back to the disk."""
    free = connection.execute(text("PRAGMA freelist_count")).scalar() or 0
    # However many pages it is asked for, Python's driver steps this statement once: one page.
    for _ in range(min(free - _PAGES_KEPT_FREE, _PAGES_FREED_AT_ONCE)):
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)").close()


def _delete_oldest(connection: Connection, table: Table, before: int) -> int:
    # A long deletion would keep everybody else from writing.
    beyond = (
        select(table.c.at).where(table.c.at < before).order_by(table.c.at).offset(PRUNED_AT_ONCE)
    )
    stop = connection.execute(beyond.limit(1)).scalar()
    last = before - 1 if stop is None else stop
    return connection.execute(delete(table).where(table.c.at <= last)).rowcount


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    is_sqlite = connection.dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)
