"""What a chaos run keeps of what it sees, from a real history."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, update

from core.history import History
from core.history_rows import put_row
from core.history_schema import incidents, zone_states
from headcount.chaos import watch
from headcount.chaos.record import Record, Rules
from headcount.chaos.watch import Watch
from tests.waiting import wait_until

AT = 1_795_519_431_000


def put_value(connection: Connection, at: int) -> None:
    """A value that was stored, by which looks at the history are told apart."""
    row = {"camera": "gate", "zone": "all", "at": at, "seq": 1, "count": 3.0, "low": 2.0}
    more = {"high": 4.0, "smoothed": 3.0, "level": "normal", "state_json": "{}"}
    put_row(connection, zone_states, row | more)


def test_an_incident_is_kept_once_for_each_change_however_long_it_is_watched(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.02)
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    record = Record(Rules(3.0, 5.0, 30.0, 2.0, 4.0))
    nowhere = "http://127.0.0.1:9"

    def looked_at(at: int) -> bool:
        with history.transaction() as connection:
            put_value(connection, at)
        return wait_until(lambda: [seen.captured_at for seen in record.stored[-3:]] == 3 * [at])

    with Watch(record, redis_url, nowhere, f"sqlite:///{tmp_path}/history.db", threading.Event()):
        with history.transaction() as connection:
            row = {"kind": "crowd", "camera": "gate", "zone": "all", "level": "warning"}
            more = {"peak_level": "warning", "unit": "persons", "peak": 50.0, "change": 1}
            connection.execute(insert(incidents).values(row | more | {"raised_at": AT}))
        assert looked_at(AT + 1)
        with history.transaction() as connection:
            connection.execute(update(incidents).values(cleared_at=AT + 2))
        assert looked_at(AT + 2)
        with history.transaction() as connection:
            connection.execute(delete(incidents))
        assert looked_at(AT + 3)
    history.close()
    assert [seen.cleared_at for seen in record.incidents] == [None, AT + 2]
    assert [gone.id for gone in record.gone] == [record.incidents[0].id]
