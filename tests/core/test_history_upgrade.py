"""A database of the first release, with rows in it, brought to this version's schema."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, insert, select, text

from core import history as module
from core.history import History, history, incidents, raw_values
from core.history_raw import MINUTE_MS
from core.history_schema import hours, minutes, outbox, raw, raw_blocks, zone_states

START = 1_795_519_440_000 // 3_600_000 * 3_600_000
VALUE = {"seq": 1, "low": 1.0, "high": 9.0, "smoothed": 4.5, "density": None, "level": "watch"}
ROLLUP = {"low": 1.0, "high": 9.0, "density_max": None, "readings": 60, "unknown_share": 0.25}


def first_release(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three minutes of a zone, of which two are summed up, an open incident and its notice."""

    def to_first(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(module._MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    place = {"camera": "gate", "zone": "all"}
    with monkeypatch.context() as patch:
        patch.setattr(module, "_migrate", to_first)
        old = History.open(url)
    with old.transaction() as connection:

        def add(table: str, rows: list[dict[str, Any]]) -> None:
            names = ", ".join(f'"{name}"' for name in rows[0])
            places = ", ".join(f":{name}" for name in rows[0])
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), rows)

        seconds = [START + 1000 * second for second in range(180)]
        values = [{**place, **VALUE, "at": at, "count": at % 7 + 0.1} for at in seconds]
        add("raw", values)
        sums = {**place, **ROLLUP, "count_mean": 3.1, "count_max": 6.1}
        add("minutes", [{**sums, "at": START + index * MINUTE_MS} for index in range(2)])
        add("hours", [{**sums, "at": START}])
        add("zone_states", [{**values[-1], "state_json": "{}"}])
        incident = {
            "id": 7, "kind": "crowd", "camera": "gate", "zone": "all", "level": "watch",
            "peak_level": "watch", "unit": "persons", "peak": 6.1, "raised_at": START, "change": 1,
        }  # fmt: skip
        add("incidents", [incident])
        notice = {
            "incident": 7, "change": 1, "event": "raised", "channel": "c", "level": "watch",
            "camera": "gate", "title": "t", "body": "b", "key": "incident 7 change 1",
            "created_at": START, "attempts": 0, "next_at": 0,
        }  # fmt: skip
        add("outbox", [notice])
    old.close()


def test_the_first_releases_database_keeps_everything_through_the_upgrade(
    history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_release(history_url, monkeypatch)
    database = History.open(history_url)
    with database.transaction() as connection:
        found = list(raw_values(connection, "gate", "all", START, START + 3 * MINUTE_MS))
        assert [value.at for value in found] == [START + 1000 * second for second in range(180)]
        assert [value.count for value in found] == [value.at % 7 + 0.1 for value in found]
        assert {(value.low, value.smoothed, value.worst, value.level) for value in found} == {
            (1.0, 4.5, None, "watch")
        }
        # What was summed up is packed; the last minute is left to the alerts service.
        assert connection.execute(select(raw_blocks.c.readings)).scalars().all() == [60, 60]
        assert connection.execute(select(func.count()).select_from(raw)).scalar() == 60
        rows = history(connection, "gate", "all", START, START + 3 * MINUTE_MS, "1m")
        assert [row["unknown_share"] for row in rows] == [0.25, 0.25, 0.0]
        assert connection.execute(select(hours.c.readings)).scalars().all() == [60]
        assert len(connection.execute(select(minutes)).all()) == 2
        assert connection.execute(select(zone_states.c.level)).scalar_one() == "watch"
        (incident,) = incidents(connection, open_only=True)
        assert (incident["id"], incident["peak"]) == (7, 6.1)
        assert connection.execute(select(outbox.c.key)).scalar_one() == "incident 7 change 1"
        row = {"camera": "gate", "zone": "all", "at": START + 10**9, "count": 1.0, **VALUE}
        connection.execute(insert(raw), [{**row, "worst": 2.5}])
    database.close()
