"""All rows of one history database into another, of whichever kinds the two are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Integer, func, insert, select, text

from core.accounts_schema import metadata  # with this, of all tables

_COPIED_AT_ONCE = 1_000  # rows


def copy_rows(source: Connection, target: Connection) -> int:
    """Puts the rows of ``source`` in the place of those of ``target``; both have this schema.

    Returns:
        How many rows were copied.
    """
    for table in reversed(metadata.sorted_tables):
        target.execute(table.delete())
    copied = 0
    for table in metadata.sorted_tables:
        rows = source.execute(select(table).execution_options(yield_per=_COPIED_AT_ONCE))
        for batch in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in batch])
            copied += len(batch)
    if target.dialect.name == "postgresql":
        _continue_numbers(target)
    return copied


def holds_rows(connection: Connection) -> bool:
    """Whether there is anything that a restore would take away."""
    return any(
        connection.execute(select(text("1")).select_from(table).limit(1)).first()
        for table in metadata.sorted_tables
        if table.name != "owners"  # says who writes now, nothing of the past
    )


def _continue_numbers(connection: Connection) -> None:
    """PostgreSQL's own numbering does not see numbers that were given."""
    for table in metadata.sorted_tables:
        key: Any = table.autoincrement_column
        if key is not None and isinstance(key.type, Integer):
            last = connection.execute(select(func.max(key))).scalar()
            sequence = func.pg_get_serial_sequence(table.name, key.name)
            connection.execute(select(func.setval(sequence, last or 1, last is not None)))
