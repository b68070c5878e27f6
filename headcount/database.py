"""``headcount db``: look after the history database."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from core.clock import local_ms
from core.history import History, HistoryError
from core.history_copy import copy_rows, holds_rows
from core.history_schema import owners
from core.redaction import redact
from headcount.failures import InputError
from headcount.site_loading import load

PREFIX = "sqlite:///"
OWN_TABLES = {"alembic_version", "minutes", "incidents"}  # in every release's history


def upgrade(site_path: Path) -> None:
    """Bring the history to this version's schema.

    Raises:
        core.history.HistoryError: it cannot be opened.
    """
    History.open(load(site_path).site.history.url).close()
    print("The history database is up to date.")


def backup(site_path: Path, out: Path) -> None:
    """Copy the history as it is at one moment into a new SQLite file, while the services run.

    The copy of a PostgreSQL history is such a file too, so that it can be restored into either.

    Raises:
        InputError: there is no history, or ``out`` exists or cannot be written.
        core.history.HistoryError: it cannot be opened.
    """
    url = load(site_path).site.history.url
    if out.exists():
        raise InputError(f"{out} exists already; name a new file")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out.absolute().parent} is no folder; the copy cannot be written there")
    # Nobody takes the beginning of a copy for a whole one.
    part = out.with_name(f"{out.name}.part")
    part.unlink(missing_ok=True)
    try:
        if url.startswith(PREFIX):
            _copy_file(Path(url.removeprefix(PREFIX)), part)
        else:
            _copy_to_file(url, part)
        with closing(sqlite3.connect(part)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        part.rename(out)
    except (sqlite3.Error, SQLAlchemyError) as error:
        raise InputError(f"the history cannot be copied to {out}: {_why(error)}") from None
    finally:
        part.unlink(missing_ok=True)
    print(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB).")


def _copy_file(source: Path, out: Path) -> None:
    if not source.is_file():
        raise InputError(f"there is no history at {source} yet")
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as history,
        closing(sqlite3.connect(out)) as copy,
    ):
        history.backup(copy)


def _copy_to_file(url: str, out: Path) -> None:
    source, target = History.open(url), History.open(f"{PREFIX}{out.absolute()}")
    try:
        with source.snapshot() as rows, target.transaction() as copy:
            copy_rows(rows, copy)
    finally:
        source.close()
        target.close()


def restore(site_path: Path, file: Path, *, replace: bool) -> None:
    """Put a backup in the place of the history; either all of it is there afterwards or nothing.

    Args:
        replace: also where the history holds data, which are lost.

    Raises:
        InputError: ``file`` is no backup, the history holds data, or the alerts service runs.
        core.history.HistoryError: the history cannot be opened.
    """
    url = load(site_path).site.history.url
    _require_backup(file)
    with tempfile.TemporaryDirectory(prefix="headcount-restore-") as folder:
        copy = Path(folder) / "backup.db"  # which is upgraded; the backup stays as it is
        shutil.copyfile(file, copy)
        try:
            source = History.open(f"{PREFIX}{copy}")
        except HistoryError as error:
            raise InputError(str(error).replace(str(copy), str(file))) from None
        try:
            target = History.open(url)
            try:
                _replace_rows(source, target, replace=replace)
            finally:
                target.close()
        finally:
            source.close()
    print(f"Restored {file} into {redact(make_url(url).render_as_string())}.")


def _replace_rows(source: History, target: History, *, replace: bool) -> None:
    try:
        with source.snapshot() as rows, target.transaction() as history:
            now = local_ms()
            lease_ends = history.execute(select(func.max(owners.c.expires))).scalar()
            if lease_ends is not None and lease_ends > now:
                raise InputError("an alerts service writes to this history: stop it first")
            if holds_rows(history) and not replace:
                raise InputError(
                    "the history holds data already; make a backup of it, then add --replace"
                )
            copy_rows(rows, history)
            history.execute(owners.delete())  # whoever wrote when the backup was made
    except SQLAlchemyError as error:
        raise InputError(f"nothing was restored: {_why(error)}") from None


def _why(error: Exception) -> str:
    """The first line of what a database says, without its address's password."""
    return redact(str(getattr(error, "orig", error))).strip().splitlines()[0]


def _require_backup(file: Path) -> None:
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as backup:
            tables = {name for (name,) in backup.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error:
        tables = set()
    if not tables >= OWN_TABLES:
        raise InputError(f"{file} is no backup of a history")
