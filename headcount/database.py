"""``headcount db``: look after the history database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from core.history import History
from headcount.failures import InputError
from headcount.site_loading import load

PREFIX = "sqlite:///"


def upgrade(site_path: Path) -> None:
    """Bring the history to this version's schema.

    Raises:
        core.history.HistoryError: it cannot be opened.
    """
    History.open(load(site_path).site.history.url).close()
    print("The history database is up to date.")


def backup(site_path: Path, out: Path) -> None:
    """Copy a SQLite history as one consistent file.

    Raises:
        InputError: the history is no SQLite file, or ``out`` exists.
    """
    url = load(site_path).site.history.url
    if not url.startswith(PREFIX):
        raise InputError("the history is not SQLite: use pg_dump for PostgreSQL")
    source = Path(url.removeprefix(PREFIX))
    if not source.is_file():
        raise InputError(f"there is no history at {source} yet")
    if out.exists():
        raise InputError(f"{out} exists already; name a new file")
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as history,
        closing(sqlite3.connect(out)) as copy,
    ):
        history.backup(copy)
    print(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB).")
