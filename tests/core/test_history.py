import multiprocessing
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from core.history import History, HistoryError
from core.history_schema import incidents, metadata, outbox, owners


@pytest.fixture
def url(history_url: str) -> str:
    return history_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/history.db"


def pragma(history: History, name: str) -> Any:
    with history.snapshot() as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar()


def test_a_new_database_is_set_up_for_many_processes(sqlite_url: str) -> None:
    history = History.open(sqlite_url)
    assert pragma(history, "journal_mode") == "wal"
    assert pragma(history, "auto_vacuum") == 2  # incremental
    assert pragma(history, "foreign_keys") == 1
    assert pragma(history, "busy_timeout") >= 5000
    history.close()


def test_migrations_give_exactly_the_tables_of_the_schema(url: str) -> None:
    history = History.open(url)
    with history.snapshot() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    history.close()


def test_opening_again_keeps_everything(url: str) -> None:
    history = History.open(url)
    with history.transaction() as connection:
        connection.execute(insert(owners).values(shard=0, owner="a", epoch=1, expires=5))
    history.close()
    again = History.open(url)
    with again.snapshot() as connection:
        assert connection.execute(select(owners.c.owner)).scalar_one() == "a"
    again.close()


def open_and_report(url: str, gate: Any, results: Any) -> None:
    gate.wait()
    try:
        History.open(url).close()
        results.put("ok")
    except HistoryError as error:
        results.put(str(error))


def test_services_that_start_together_migrate_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=open_and_report, args=(url, gate, results)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    assert [results.get(timeout=30) for _ in processes] == ["ok"] * 4
    for process in processes:
        process.join()


def test_a_transaction_is_all_or_nothing(url: str) -> None:
    history = History.open(url)
    row = {"shard": 0, "owner": "a", "epoch": 1, "expires": 5}
    with pytest.raises(IntegrityError), history.transaction() as connection:
        connection.execute(insert(owners), [row, row])
    with history.snapshot() as connection:
        assert connection.execute(select(owners)).all() == []
    history.close()


def test_what_was_read_is_still_true_when_it_is_written(url: str) -> None:
    """Two threads that each read a number and write it back plus one lose no step."""
    history = History.open(url)
    with history.transaction() as connection:
        connection.execute(insert(owners).values(shard=0, owner="a", epoch=0, expires=0))

    def step() -> None:
        for _ in range(20):
            with history.transaction() as connection:
                epoch = connection.execute(select(owners.c.epoch)).scalar_one()
                connection.execute(owners.update().values(epoch=epoch + 1))

    threads = [threading.Thread(target=step) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with history.snapshot() as connection:
        assert connection.execute(select(owners.c.epoch)).scalar_one() == 60
    history.close()


def test_reading_goes_on_beside_an_open_write(url: str) -> None:
    history = History.open(url)
    with history.transaction() as writer:
        writer.execute(insert(owners).values(shard=0, owner="a", epoch=1, expires=5))
        with history.snapshot() as reader:
            assert reader.execute(select(owners)).all() == []
    history.close()


def test_an_outbox_row_needs_its_incident(url: str) -> None:
    history = History.open(url)
    row = {
        "incident": 7, "change": 1, "event": "raised", "channel": "c", "level": "warning",
        "camera": "a", "title": "", "body": "", "key": "", "created_at": 0, "attempts": 0,
        "next_at": 0,
    }  # fmt: skip
    with pytest.raises(IntegrityError), history.transaction() as connection:
        connection.execute(insert(outbox).values(row))
    history.close()


def test_numbers_of_incidents_are_never_used_again(url: str) -> None:
    history = History.open(url)
    row = {
        "kind": "crowd", "camera": "a", "level": "watch", "peak_level": "watch", "unit": "persons",
        "peak": 1.0, "raised_at": 0, "change": 1,
    }  # fmt: skip
    with history.transaction() as connection:
        first = connection.execute(insert(incidents).values(row)).inserted_primary_key
        connection.execute(incidents.delete())
        second = connection.execute(insert(incidents).values(row)).inserted_primary_key
    assert first is not None
    assert second is not None
    assert second[0] > first[0]
    history.close()


def test_a_database_of_a_newer_headcount_is_left_alone(url: str) -> None:
    history = History.open(url)
    with history.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    history.close()
    with pytest.raises(HistoryError, match="was written by a newer version of Headcount"):
        History.open(url)


def test_without_its_driver_postgresql_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(HistoryError, match=r"pip install 'psycopg\[binary\]'") as caught:
        History.open("postgresql://kim:hunter2@db.example/headcount")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_postgresql_that_does_not_answer_is_said_in_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(HistoryError, match="cannot be used") as caught:
        History.open(f"postgresql://kim:hunter2@/headcount?host={tmp_path}")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing/history.db", None, "its folder does not exist or may not be written to"),
        ("history.db", b"this is a text file, no database" * 100, "file is not a database"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_in_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(HistoryError, match=message) as caught:
        History.open(f"sqlite:///{tmp_path}/{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://u:hunter2@host/db", "nonsense", ""])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(HistoryError, match="is not the address of a database") as caught:
        History.open(url)
    assert "hunter2" not in str(caught.value)


def test_a_database_that_stays_locked_is_given_up(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import history as module

    History.open(sqlite_url).close()
    monkeypatch.setattr(module, "_LOCK_WAIT_S", 0.2)
    monkeypatch.setattr(module, "_BUSY_TIMEOUT_MS", 50)
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(HistoryError, match="locked"):
            History.open(sqlite_url)
    finally:
        other.close()
