"""Counts over time, as ``GET /api/v1/history`` gives them: one row per step, gaps as nulls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, Table, func, select

from core.history_raw import HOUR_MS, MINUTE_MS, raw_values
from core.history_rows import summed_up
from core.history_schema import hours, minutes, raw, raw_blocks

STEPS = {"1s": 1000, "1m": MINUTE_MS, "1h": HOUR_MS, "1d": 24 * HOUR_MS}
AUTO_POINTS = 2_000
MOST_POINTS = 100_000
HOLD_MS = 5_000  # a second without a reading shows the last one while it is this young

VALUES = ("count_mean", "count_max", "low", "high", "density_max", "unknown_share")
Row = dict[str, Any]


def history(
    connection: Connection,
    camera: str,
    zone: str,
    from_ms: int,
    to_ms: int,
    step: str = "auto",
    tz: str = "UTC",
) -> list[Row]:
    """A zone's values, oldest first: dicts of ``at`` (ms UTC) and `VALUES`.

    Every step between the two instants has a row; where nothing is known all its values are None.
    ``unknown_share`` is the part of the step in which the camera's status was not ok.

    Args:
        from_ms, to_ms: ms UTC; the step that holds ``from_ms`` is the first.
        step: ``1s``, ``1m``, ``1h``, ``1d``, or ``auto``: the finest for which there are values and
            that gives at most 2,000 rows.
        tz: IANA zone in which days begin. An hour belongs to the day in which it begins.

    Raises:
        ValueError: an unknown step, or one that gives more than 100,000 rows.
    """
    if step != "auto" and step not in STEPS:
        raise ValueError(f"step {step!r} is not known; allowed are {', '.join(STEPS)} and auto")
    if to_ms <= from_ms:
        return []
    place = (camera, zone)
    chosen = _finest(connection, place, from_ms, to_ms) if step == "auto" else step
    if (to_ms - from_ms) / STEPS[chosen] > MOST_POINTS:
        raise ValueError(f"step {chosen} gives more than {MOST_POINTS:,} rows; choose a longer one")
    if chosen == "1d":
        return _days(connection, place, from_ms, to_ms, ZoneInfo(tz))
    size = STEPS[chosen]
    start = from_ms // size * size
    if chosen == "1s":
        known = _held(_from_raw(connection, place, start - HOLD_MS, to_ms, size))
    elif chosen == "1m":
        known = _with_open_minutes(connection, place, start, to_ms)
    else:
        known = _from_rollup(connection, hours, place, start, to_ms)
    return [known.get(at, _gap(at)) for at in range(start, to_ms, size)]


def _finest(connection: Connection, place: tuple[str, str], from_ms: int, to_ms: int) -> str:
    """The finest step with few enough rows whose values have not been forgotten."""
    steps = [name for name, size in STEPS.items() if (to_ms - from_ms) / size <= AUTO_POINTS]
    for name in steps:
        sources = {"1s": (raw_blocks, raw), "1m": (minutes, raw)}.get(name, (hours,))
        if any(_has_rows(connection, table, place, from_ms, to_ms) for table in sources):
            return name
    return steps[0] if steps else "1d"


def _has_rows(
    connection: Connection, table: Table, place: tuple[str, str], from_ms: int, to_ms: int
) -> bool:
    query = select(table.c.at).where(*_within(table, place, from_ms, to_ms)).limit(1)
    return connection.execute(query).first() is not None


def _within(table: Table, place: tuple[str, str], from_ms: int, to_ms: int) -> list[Any]:
    camera, zone = place
    return [
        table.c.camera == camera,
        table.c.zone == zone,
        table.c.at >= from_ms,
        table.c.at < to_ms,
    ]


def _gap(at: int) -> Row:
    return {"at": at, **dict.fromkeys(VALUES)}


def _from_raw(
    connection: Connection, place: tuple[str, str], from_ms: int, to_ms: int, size: int
) -> dict[int, Row]:
    values = raw_values(connection, *place, from_ms, to_ms)
    return {
        start: _row(start, summed_up(list(inside)), unknown_share=0.0)
        for start, inside in groupby(values, lambda value: value.at // size * size)
    }


def _from_rollup(
    connection: Connection, table: Table, place: tuple[str, str], from_ms: int, to_ms: int
) -> dict[int, Row]:
    query = select(table).where(*_within(table, place, from_ms, to_ms)).order_by(table.c.at)
    rows = connection.execute(query).mappings()
    return {row["at"]: _row(row["at"], row, row["unknown_share"]) for row in rows}


def _row(at: int, values: Any, unknown_share: float) -> Row:
    row = {"at": at, **{name: values[name] for name in VALUES[:-1]}}
    return {**row, "unknown_share": unknown_share}


def _held(known: dict[int, Row]) -> dict[int, Row]:
    """Seconds between two readings show the earlier, as the status is ok meanwhile."""
    filled = dict(known)
    for at, row in known.items():
        for later in range(at + 1000, at + HOLD_MS + 1, 1000):
            if later in known:
                break
            filled[later] = {**row, "at": later}
    return filled


def _with_open_minutes(
    connection: Connection, place: tuple[str, str], from_ms: int, to_ms: int
) -> dict[int, Row]:
    """Minutes that are summed up, and those after the last of them from the single readings."""
    camera, zone = place
    newest = select(func.max(minutes.c.at)).where(
        minutes.c.camera == camera, minutes.c.zone == zone
    )
    last = connection.execute(newest).scalar()
    open_from = from_ms if last is None else max(from_ms, last + MINUTE_MS)
    summed_up = _from_rollup(connection, minutes, place, from_ms, to_ms)
    return _from_raw(connection, place, open_from, to_ms, MINUTE_MS) | summed_up


def _days(
    connection: Connection, place: tuple[str, str], from_ms: int, to_ms: int, zone: ZoneInfo
) -> list[Row]:
    starts = list(_midnights(from_ms, to_ms, zone))
    query = select(hours).where(*_within(hours, place, starts[0], starts[-1])).order_by(hours.c.at)
    rows = list(connection.execute(query).mappings())
    days = []
    for start, end in pairwise(starts):
        inside = [row for row in rows if start <= row["at"] < end]
        days.append(_day(start, inside) if inside else _gap(start))
    return days


def _midnights(from_ms: int, to_ms: int, zone: ZoneInfo) -> Iterator[int]:
    """Beginnings of the local days that hold any of the time, and the end of the last."""
    day = datetime.fromtimestamp(from_ms / 1000, UTC).astimezone(zone).date()
    while True:
        # Made anew from the date, since a day with a change of the clock has 23 or 25 hours.
        start = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
        yield start
        if start >= to_ms:
            return
        day += timedelta(days=1)


def _day(start: int, inside: Sequence[RowMapping]) -> Row:
    """One day from the hours of it that there are."""
    readings = sum(row["readings"] for row in inside)

    def mean(name: str) -> float | None:
        total = sum(row[name] * row["readings"] for row in inside if row[name] is not None)
        return total / readings if readings else None

    def highest(name: str) -> float | None:
        return max((row[name] for row in inside if row[name] is not None), default=None)

    # As in an hour: what there is no row of, before the last that there is, was not watched.
    passed = max(len(inside), -(-(inside[-1]["at"] + HOUR_MS - start) // HOUR_MS))
    unknown = sum(row["unknown_share"] for row in inside) + passed - len(inside)
    return {
        "at": start,
        "count_mean": mean("count_mean"),
        "count_max": highest("count_max"),
        "low": mean("low"),
        "high": mean("high"),
        "density_max": highest("density_max"),
        "unknown_share": unknown / passed,
    }
