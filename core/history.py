"""The history database: SQLite or PostgreSQL, opened, migrated and asked through here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from core.history_incidents import acknowledge, incidents
from core.history_raw import raw_values
from core.history_rows import prune, roll_up, write_raw
from core.history_series import history
from core.redaction import redact

__all__ = [
    "History",
    "HistoryError",
    "acknowledge",
    "history",
    "incidents",
    "prune",
    "raw_values",
    "roll_up",
    "write_raw",
]

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_WAIT_S = 30.0
_BUSY_TIMEOUT_MS = 10_000
_MIGRATION_LOCK = 0x48454144  # any numbers that are ours, for pg_advisory_xact_lock
_WRITE_LOCK = 0x48454145
_READ_ONLY = "headcount_read_only"


class HistoryError(RuntimeError):
    """The history database cannot be used; the text is one sentence without credentials."""


class History:
    """An open history database; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Connects, and brings the schema up to date under a lock.

        Args:
            url: ``sqlite:///path`` or ``postgresql://...``.

        Raises:
            HistoryError: it cannot be reached, is no database, or is of a newer Headcount.
        """
        shown = redact(url)
        try:
            engine = _engine(url)
        except (ArgumentError, ValueError):
            raise HistoryError(f"{shown} is not the address of a database") from None
        except ModuleNotFoundError as error:
            raise HistoryError(
                f"for {shown} the Python package {error.name} is needed: "
                "install it with pip install 'psycopg[binary]'"
            ) from None
        try:
            _migrate_when_free(engine)
        except (SQLAlchemyError, CommandError, ResolutionError) as error:
            engine.dispose()
            raise HistoryError(f"the history database {shown} {_why(error)}") from None
        return cls(engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block, rolled back by an exception.

        It holds the lock for writing from its beginning, so that what was read is still true when
        it writes. Those who only read do not wait for it.
        """
        with self.engine.begin() as connection:
            _lock_postgresql(connection, _WRITE_LOCK)
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One consistent state to read from; waits for no writer and makes none wait."""
        options: dict[str, Any] = {_READ_ONLY: True}
        if self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if parsed.get_backend_name() != "sqlite":
        raise ValueError(url)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, not the driver's
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    if connection.execute("PRAGMA page_count").fetchone() == (0,):
        # Only takes effect before the first table, and later would wait for writers.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    is_read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")


def _lock_postgresql(connection: Connection, key: int) -> None:
    """On PostgreSQL, wait for a lock that ends with the transaction; SQLite has its own."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _migrate_when_free(engine: Engine) -> None:
    """Migrates in one transaction; services that start together do it one after the other."""
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            with engine.begin() as connection:
                _lock_postgresql(connection, _MIGRATION_LOCK)
                _migrate(connection)
            return
        except OperationalError as error:
            # SQLite switches to WAL without heeding its busy timeout.
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _why(error: Exception) -> str:
    if isinstance(error, CommandError | ResolutionError):
        return "was written by a newer version of Headcount"
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    said = redact(said).strip().splitlines()[0] if said.strip() else type(error).__name__
    if "unable to open" in said:
        return "cannot be opened: its folder does not exist or may not be written to"
    return f"cannot be used: {said}"
