"""Every single value of a zone, wherever it is kept: in blocks of a minute, or not yet packed."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain

from sqlalchemy import Connection, select

from core.history_blocks import RawValue, unpack
from core.history_schema import raw, raw_blocks

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
_READ_AT_ONCE = 1_000  # blocks or rows


def raw_values(
    connection: Connection, camera: str, zone: str, from_ms: int, to_ms: int
) -> Iterator[RawValue]:
    """A zone's values with ``from_ms <= at < to_ms``, oldest first, each instant once.

    They are exactly those that were written, whether they are packed or not. They are read as
    they are asked for, so that a month of them needs no memory.
    """
    last = None
    # Of two values of one instant the packed one comes first, since it was written first.
    for value in merge(
        _packed(connection, camera, zone, from_ms, to_ms),
        _not_packed(connection, camera, zone, from_ms, to_ms),
        key=lambda value: value.at,
    ):
        if value.at != last:
            yield value
        last = value.at


def _packed(
    connection: Connection, camera: str, zone: str, from_ms: int, to_ms: int
) -> Iterator[RawValue]:
    query = (
        select(raw_blocks.c.data)
        .where(
            raw_blocks.c.camera == camera,
            raw_blocks.c.zone == zone,
            raw_blocks.c.at > from_ms - MINUTE_MS,
            raw_blocks.c.at < to_ms,
        )
        .order_by(raw_blocks.c.at)
    )
    blocks = connection.execute(query.execution_options(yield_per=_READ_AT_ONCE)).scalars()
    values = chain.from_iterable(unpack(block) for block in blocks)
    return (value for value in values if from_ms <= value.at < to_ms)


def _not_packed(
    connection: Connection, camera: str, zone: str, from_ms: int, to_ms: int
) -> Iterator[RawValue]:
    query = (
        select(*(raw.c[name] for name in RawValue._fields))
        .where(raw.c.camera == camera, raw.c.zone == zone, raw.c.at >= from_ms, raw.c.at < to_ms)
        .order_by(raw.c.at)
    )
    rows = connection.execute(query.execution_options(yield_per=_READ_AT_ONCE))
    return (RawValue(*row) for row in rows)
