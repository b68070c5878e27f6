"""Backups of the history, and their way back, on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from core.accounts_schema import metadata
from core.history import History, raw_values, roll_up, write_raw
from core.history_schema import incidents, owners
from headcount.database import backup, restore
from headcount.failures import InputError
from tests.conftest import MakeSite

MINUTE = 1_795_519_440_000 // 60_000 * 60_000
VALUES = {"camera": "gate", "zone": "all", "low": 1.0, "high": 9.0, "smoothed": 4.0}


@pytest.fixture
def site(make_site: MakeSite, tmp_path: Path, history_url: str) -> Path:
    return make_site(tmp_path, history={"url": history_url}).path


def fill(url: str) -> None:
    """Packed and single values, their sums, an incident."""
    history = History.open(url)
    with history.transaction() as connection:
        rows = [
            {**VALUES, "at": MINUTE + 500 * number, "seq": number, "count": number / 3,
             "density": None, "worst": None, "level": "normal"}
            for number in range(200)
        ]  # fmt: skip
        write_raw(connection, rows)
        roll_up(connection, "gate", "all", MINUTE, unknown_s=15)
        connection.execute(insert(owners).values(shard=0, owner="gone", epoch=3, expires=5))
    history.close()
    add_incident(url)


def add_incident(url: str) -> int:
    history = History.open(url)
    with history.transaction() as connection:
        row = {
            "kind": "crowd", "camera": "gate", "zone": "all", "level": "watch",
            "peak_level": "watch", "unit": "persons", "peak": 6.1, "raised_at": MINUTE, "change": 1,
        }  # fmt: skip
        number = connection.execute(insert(incidents).values(row)).inserted_primary_key
    history.close()
    assert number is not None
    return int(number[0])


def contents(url: str) -> dict[str, list[Any]]:
    """All rows of all tables but the owners, and all single values."""
    history = History.open(url)
    with history.snapshot() as connection:
        found: dict[str, list[Any]] = {
            table.name: sorted(map(str, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
            if table is not owners
        }
        found["values"] = list(raw_values(connection, "gate", "all", 0, 2**45))
    history.close()
    return found


def test_a_backup_brings_everything_back(
    site: Path, history_url: str, tmp_path: Path, make_site: MakeSite
) -> None:
    fill(history_url)
    before = contents(history_url)
    assert len(before["values"]) == 200
    assert len(before["raw_blocks"]) == 1
    copy = tmp_path / "copy.db"
    backup(site, copy)
    add_incident(history_url)
    with pytest.raises(InputError, match="add --replace"):
        restore(site, copy, replace=False)
    restore(site, copy, replace=True)
    assert contents(history_url) == before
    assert add_incident(history_url) > 1  # numbers go on
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = make_site(elsewhere, history={"url": "sqlite:///other.db"}).path
    restore(other, copy, replace=False)
    assert contents(f"sqlite:///{elsewhere}/other.db") == before


def test_nothing_is_restored_while_the_alerts_service_runs(
    site: Path, history_url: str, tmp_path: Path
) -> None:
    fill(history_url)
    copy = tmp_path / "copy.db"
    backup(site, copy)
    history = History.open(history_url)
    with history.transaction() as connection:
        soon = time.time_ns() // 1_000_000 + 60_000
        connection.execute(owners.update().values(expires=soon))
    history.close()
    with pytest.raises(InputError, match="stop it first"):
        restore(site, copy, replace=True)


def test_a_copy_that_cannot_be_restored_takes_nothing_away(
    site: Path, history_url: str, tmp_path: Path
) -> None:
    fill(history_url)
    before = contents(history_url)
    copy = tmp_path / "copy.db"
    backup(site, copy)
    with closing(sqlite3.connect(copy)) as file:
        file.executescript(
            "CREATE TABLE broken AS SELECT * FROM incidents; DROP TABLE outbox;"
            "DROP TABLE incidents; ALTER TABLE broken RENAME TO incidents;"
        )
    with pytest.raises(InputError, match="nothing was restored"):
        restore(site, copy, replace=True)
    assert contents(history_url) == before


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 500])
def test_what_is_no_backup_is_refused(
    make_site: MakeSite, tmp_path: Path, content: bytes | None
) -> None:
    site = make_site(tmp_path).path
    file = tmp_path / "copy.db"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"there is no such file|is no backup of a history"):
        restore(site, file, replace=True)


def test_a_backup_of_a_newer_headcount_is_refused(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(tmp_path).path
    fill(f"sqlite:///{tmp_path}/history.db")
    copy = tmp_path / "copy.db"
    backup(site, copy)
    with closing(sqlite3.connect(copy)) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match=r"copy.db was written by a newer version of Headcount"):
        restore(site, copy, replace=True)


def test_an_unwritable_place_leaves_no_half_copy(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(tmp_path).path
    with pytest.raises(InputError, match="there is no history"):
        backup(site, tmp_path / "copy.db")
    fill(f"sqlite:///{tmp_path}/history.db")
    with pytest.raises(InputError, match="is no folder"):
        backup(site, tmp_path / "missing" / "copy.db")
    assert sorted(path.name for path in tmp_path.glob("copy*")) == []
