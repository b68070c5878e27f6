import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select

from core.accounts_schema import audit
from core.audit import record_audit
from core.history import (
    History,
    acknowledge,
    history,
    incidents,
    prune,
    roll_up,
    write_raw,
)
from core.history_raw import raw_values
from core.history_schema import hours, minutes, outbox, raw, raw_blocks
from core.history_schema import incidents as incidents_table
from core.settings import KeepSettings

DAY = 86_400_000
NOON = 1_750_000_000_000 // DAY * DAY + DAY // 2
MINUTE, HOUR = 60_000, 3_600_000


@pytest.fixture
def connection(history_url: str) -> Iterator[Connection]:
    database = History.open(history_url)
    with database.transaction() as connection:
        yield connection
    database.close()


def value(at: int, count: float, **fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "camera": "gate", "zone": "all", "at": at, "seq": at, "count": count, "low": count - 1,
        "high": count + 1, "smoothed": count, "density": count / 10, "level": "normal",
    }  # fmt: skip
    return given | fields


def series(connection: Connection, start: int, end: int, step: str, **more: Any) -> list[Any]:
    return history(connection, "gate", "all", start, end, step, **more)


def means(rows: list[Any]) -> list[float | None]:
    return [row["count_mean"] for row in rows]


def test_a_value_written_twice_is_there_once(connection: Connection) -> None:
    write_raw(connection, [value(NOON, 3), value(NOON, 3)])
    write_raw(connection, [value(NOON, 99)])
    write_raw(connection, [])
    assert connection.execute(select(raw.c.count)).scalars().all() == [3]


def test_a_minute_is_summed_up(connection: Connection) -> None:
    write_raw(connection, [value(NOON + 1000 * second, second) for second in range(60)])
    roll_up(connection, "gate", "all", NOON + 12_345, unknown_s=15)
    (row,) = series(connection, NOON, NOON + MINUTE, "1m")
    assert row == {
        "at": NOON, "count_mean": 29.5, "count_max": 59, "low": 28.5, "high": 30.5,
        "density_max": 5.9, "unknown_share": 0.25,
    }  # fmt: skip


def test_summing_up_again_changes_nothing_and_late_values_count(connection: Connection) -> None:
    write_raw(connection, [value(NOON, 2)])
    roll_up(connection, "gate", "all", NOON, unknown_s=30)
    before = connection.execute(select(minutes)).all(), connection.execute(select(hours)).all()
    roll_up(connection, "gate", "all", NOON, unknown_s=30)
    assert before == (
        connection.execute(select(minutes)).all(),
        connection.execute(select(hours)).all(),
    )
    write_raw(connection, [value(NOON + 1000, 4)])
    roll_up(connection, "gate", "all", NOON)
    (row,) = series(connection, NOON, NOON + MINUTE, "1m")
    assert (row["count_mean"], row["unknown_share"]) == (3, 0.5)


def test_a_blind_minute_has_no_count_but_is_wholly_unknown(connection: Connection) -> None:
    roll_up(connection, "gate", "all", NOON, unknown_s=60)
    (row,) = series(connection, NOON, NOON + MINUTE, "1m")
    assert (row["count_mean"], row["count_max"], row["unknown_share"]) == (None, None, 1.0)


def test_a_minute_of_which_nothing_is_said_is_a_gap(connection: Connection) -> None:
    roll_up(connection, "gate", "all", NOON)
    (row,) = series(connection, NOON, NOON + MINUTE, "1m")
    assert row == {"at": NOON, **dict.fromkeys(list(row)[1:])}


def test_an_hour_weighs_its_minutes_by_their_readings(connection: Connection) -> None:
    write_raw(connection, [value(NOON, 10), value(NOON + MINUTE, 1), value(NOON + MINUTE + 1, 1)])
    roll_up(connection, "gate", "all", NOON, unknown_s=0)
    roll_up(connection, "gate", "all", NOON + MINUTE, unknown_s=30)
    (row,) = series(connection, NOON, NOON + HOUR, "1h")
    assert row["count_mean"] == pytest.approx(4)
    assert row["count_max"] == 10
    assert row["unknown_share"] == pytest.approx(0.25)


def test_minutes_nobody_watched_make_the_hour_unknown(connection: Connection) -> None:
    write_raw(connection, [value(NOON + 3 * MINUTE, 5)])
    roll_up(connection, "gate", "all", NOON + 3 * MINUTE, unknown_s=0)
    (row,) = series(connection, NOON, NOON + HOUR, "1h")
    assert (row["count_mean"], row["unknown_share"]) == (5, 0.75)


def test_seconds_hold_the_last_value_for_five_seconds_then_show_a_gap(
    connection: Connection,
) -> None:
    write_raw(connection, [value(NOON + 300, 4), value(NOON + 400, 6), value(NOON + 2500, 8)])
    rows = series(connection, NOON, NOON + 10_000, "1s")
    assert [row["at"] for row in rows] == [NOON + 1000 * second for second in range(10)]
    assert means(rows) == [5, 5, 8, 8, 8, 8, 8, 8, None, None]
    assert rows[0]["count_max"] == 6


def test_a_value_before_the_first_second_still_holds(connection: Connection) -> None:
    write_raw(connection, [value(NOON - 2000, 4)])
    assert means(series(connection, NOON, NOON + 5000, "1s")) == [4, 4, 4, 4, None]


def test_minutes_not_yet_summed_up_show_too(connection: Connection) -> None:
    write_raw(connection, [value(NOON, 2), value(NOON + MINUTE, 4), value(NOON + 2 * MINUTE, 6)])
    assert means(series(connection, NOON, NOON + 3 * MINUTE, "1m")) == [2, 4, 6]
    roll_up(connection, "gate", "all", NOON)
    assert means(series(connection, NOON, NOON + 3 * MINUTE, "1m")) == [2, 4, 6]


def test_values_are_the_same_before_and_after_their_minute_is_packed(
    connection: Connection,
) -> None:
    write_raw(connection, [value(NOON + 700 * number, number / 7) for number in range(170)])

    def all_values() -> list[Any]:
        return list(raw_values(connection, "gate", "all", NOON + 700, NOON + 2 * MINUTE))

    before = all_values()
    assert [each.at for each in before] == [NOON + 700 * number for number in range(1, 170)]
    assert before[0].count == 1 / 7
    roll_up(connection, "gate", "all", NOON)
    assert all_values() == before
    assert connection.execute(select(func.count()).select_from(raw)).scalar() == 84
    assert connection.execute(select(raw_blocks.c.readings)).scalars().all() == [86]
    assert connection.execute(select(raw_blocks.c.at)).scalars().all() == [NOON]


def test_values_that_come_after_their_minute_was_packed_are_taken_in(
    connection: Connection,
) -> None:
    write_raw(connection, [value(NOON, 2), value(NOON + 2000, 6)])
    roll_up(connection, "gate", "all", NOON)
    write_raw(connection, [value(NOON + 1000, 10), value(NOON + 2000, 99)])

    def counts() -> list[float]:
        found = raw_values(connection, "gate", "all", NOON, NOON + MINUTE)
        return [each.count for each in found]

    assert counts() == [2, 10, 6]
    roll_up(connection, "gate", "all", NOON)
    assert counts() == [2, 10, 6]
    (row,) = series(connection, NOON, NOON + MINUTE, "1m")
    assert (row["count_mean"], row["count_max"]) == (6, 10)


def test_zones_and_cameras_do_not_mix(connection: Connection) -> None:
    write_raw(connection, [value(NOON, 1), value(NOON, 7, zone="b"), value(NOON, 9, camera="c")])
    assert means(series(connection, NOON, NOON + 1000, "1s")) == [1]


def hour_row(at: int, count: float, readings: int = 10, unknown: float = 0.0) -> dict[str, Any]:
    return {
        "camera": "gate", "zone": "all", "at": at, "count_mean": count, "count_max": count,
        "low": count, "high": count, "density_max": None, "readings": readings,
        "unknown_share": unknown,
    }  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York"])
def test_days_begin_at_midnight_of_the_sites_zone(connection: Connection, zone: str) -> None:
    # Berlin and New York change their clocks within these months.
    first = datetime(2026, 3, 1, tzinfo=ZoneInfo(zone))
    last = datetime(2026, 4, 10, tzinfo=ZoneInfo(zone))
    start, end = int(first.timestamp() * 1000), int(last.timestamp() * 1000)
    rows = [
        hour_row(at, datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).timetuple().tm_yday)
        for at in range(start, end, HOUR)
    ]
    connection.execute(insert(hours), rows)
    days = series(connection, start, end, "1d", tz=zone)
    local = [datetime.fromtimestamp(row["at"] / 1000, ZoneInfo(zone)) for row in days]
    assert len(days) == 40
    assert all((moment.hour, moment.minute) == (0, 0) for moment in local)
    assert means(days) == pytest.approx([moment.timetuple().tm_yday for moment in local])
    assert all(row["unknown_share"] == 0 for row in days)


def test_a_day_weighs_hours_and_counts_missing_ones_as_unknown(connection: Connection) -> None:
    start = NOON - DAY // 2
    connection.execute(
        insert(hours), [hour_row(start, 10, 30), hour_row(start + 3 * HOUR, 2, 10, unknown=1.0)]
    )
    day, gap = series(connection, start, start + 2 * DAY, "1d")
    assert day["count_mean"] == pytest.approx(8)
    assert day["unknown_share"] == pytest.approx(3 / 4)
    assert gap["count_mean"] is None


@pytest.mark.parametrize(
    ("length", "step"), [(30 * MINUTE, 1000), (24 * HOUR, MINUTE), (60 * DAY, HOUR)]
)
def test_auto_takes_the_finest_step_within_two_thousand_points(
    connection: Connection, length: int, step: int
) -> None:
    write_raw(connection, [value(NOON + 500, 1)])
    roll_up(connection, "gate", "all", NOON, unknown_s=0)
    rows = series(connection, NOON, NOON + length, "auto")
    assert rows[1]["at"] - rows[0]["at"] == step
    assert len(rows) <= 2000
    assert rows[0]["count_mean"] == 1


def test_auto_goes_coarser_where_the_fine_values_are_forgotten(connection: Connection) -> None:
    write_raw(connection, [value(NOON, 1)])
    roll_up(connection, "gate", "all", NOON, unknown_s=0)
    connection.execute(raw_blocks.delete())
    rows = series(connection, NOON, NOON + 10 * MINUTE, "auto")
    assert rows[1]["at"] - rows[0]["at"] == MINUTE


def test_impossible_questions_are_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match="allowed are 1s, 1m, 1h, 1d and auto"):
        series(connection, NOON, NOON + HOUR, "5m")
    with pytest.raises(ValueError, match="choose a longer one"):
        series(connection, NOON, NOON + 30 * DAY, "1s")
    assert series(connection, NOON, NOON, "1s") == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    offsets=st.sets(st.integers(0, 10 * MINUTE - 1), min_size=1, max_size=60),
    start=st.integers(0, 5 * MINUTE),
    length=st.integers(1, 5 * MINUTE),
    step=st.sampled_from(["1s", "1m"]),
)
def test_rows_are_evenly_spaced_and_stay_within_what_was_read(
    connection: Connection, offsets: set[int], start: int, length: int, step: str
) -> None:
    connection.execute(raw.delete())
    write_raw(connection, [value(NOON + offset, offset % 17) for offset in offsets])
    rows = series(connection, NOON + start, NOON + start + length, step)
    size = {"1s": 1000, "1m": MINUTE}[step]
    assert rows[0]["at"] <= NOON + start < rows[0]["at"] + size
    assert rows[-1]["at"] < NOON + start + length <= rows[-1]["at"] + size
    assert {b["at"] - a["at"] for a, b in pairwise(rows)} <= {size}
    counts = [offset % 17 for offset in offsets]
    for row in rows:
        if row["count_mean"] is not None:
            assert min(counts) <= row["low"] + 1 <= row["count_max"] <= max(counts)
            assert row["count_mean"] <= row["count_max"] + 1e-9


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.dictionaries(
            st.integers(0, 2 * HOUR - 1),
            st.floats(0, 5000).map(lambda count: round(count, 3)),
            max_size=12,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_rollups_equal_the_values_they_sum_up(
    connection: Connection, batches: list[dict[int, float]]
) -> None:
    """In whatever order values come, and however often their minutes are summed up meanwhile."""
    for table in (raw, raw_blocks, minutes, hours):
        connection.execute(table.delete())
    written: dict[int, float] = {}
    for batch in batches:
        write_raw(connection, [value(NOON + offset, count) for offset, count in batch.items()])
        for offset in batch:
            roll_up(connection, "gate", "all", NOON + offset, unknown_s=0)
        written = batch | written  # what was there first stays
    stored = list(raw_values(connection, "gate", "all", NOON, NOON + 2 * HOUR))
    assert {each.at - NOON: each.count for each in stored} == written
    assert connection.execute(select(raw)).all() == []
    for table, size in ((minutes, MINUTE), (hours, HOUR)):
        rows = connection.execute(select(table)).all()
        assert {row.at for row in rows} == {each.at // size * size for each in stored}
        for row in rows:
            inside = [each for each in stored if row.at <= each.at < row.at + size]
            counts = [each.count for each in inside]
            assert row.readings == len(inside)
            assert row.count_mean == pytest.approx(sum(counts) / len(counts))
            assert row.count_max == max(counts)
            assert row.low == pytest.approx(sum(each.low for each in inside) / len(inside))
            assert row.high == pytest.approx(sum(each.high for each in inside) / len(inside))
            assert row.density_max == max(each.density or 0 for each in inside)


def test_old_values_are_forgotten_each_at_its_time(connection: Connection) -> None:
    keep = KeepSettings(
        raw=HOUR / 1000, minute=2 * HOUR / 1000, hour=3 * HOUR / 1000, audit=4 * HOUR / 1000
    )
    for age in range(5):
        at = NOON - age * HOUR - 1
        write_raw(connection, [value(at, age)])
        roll_up(connection, "gate", "all", at, unknown_s=0)
        record_audit(connection, at, "somebody", "signed in")
    prune(connection, keep, NOON)
    left = {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar()
        for table in (raw_blocks, minutes, hours, audit)
    }
    assert left == {"raw_blocks": 1, "minutes": 2, "hours": 3, "audit": 4}


def test_a_lot_to_forget_is_forgotten_in_parts(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.history_rows.PRUNED_AT_ONCE", 10)
    write_raw(connection, [value(NOON + second, 1) for second in range(25)])
    keep = KeepSettings(raw=0)
    assert prune(connection, keep, NOON + DAY) == 11
    assert prune(connection, keep, NOON + DAY) == 11
    assert prune(connection, keep, NOON + DAY) == 3
    assert prune(connection, keep, NOON + DAY) == 0


def test_forgetting_gives_the_space_back(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    database = History.open(f"sqlite:///{path}")
    with database.transaction() as connection:
        write_raw(connection, [value(NOON + second, 1) for second in range(60_000)])
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA page_count").fetchone()[0] * 4096 > 4_000_000
    with database.transaction() as connection:
        while prune(connection, KeepSettings(raw=0), NOON + DAY):
            pass
    database.close()
    assert path.stat().st_size < 1_300_000  # a megabyte stays for the rows of the next minutes


def incident(connection: Connection, **fields: Any) -> int:
    given: dict[str, Any] = {
        "kind": "crowd", "camera": "gate", "zone": "all", "level": "watch", "peak_level": "watch",
        "unit": "persons", "peak": 1.0, "raised_at": NOON, "change": 1,
    }  # fmt: skip
    result = connection.execute(insert(incidents_table).values(given | fields))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def test_incidents_are_found_by_camera_time_and_whether_they_are_open(
    connection: Connection,
) -> None:
    old = incident(connection, raised_at=NOON, cleared_at=NOON + MINUTE)
    current = incident(connection, raised_at=NOON + HOUR)
    other = incident(connection, raised_at=NOON + 2 * HOUR, camera="hall")

    def found(**query: Any) -> list[int]:
        return [row["id"] for row in incidents(connection, **query)]

    assert found() == [other, current, old]
    assert found(open_only=True) == [other, current]
    assert found(camera="gate") == [current, old]
    assert found(from_ms=NOON + 2 * MINUTE) == [other, current]
    assert found(to_ms=NOON + HOUR) == [old]
    assert found(from_ms=NOON + 30_000, to_ms=NOON + 40_000) == [old]
    assert found(limit=1) == [other]


def test_an_incident_is_acknowledged_once(connection: Connection) -> None:
    number = incident(connection)
    assert acknowledge(connection, number, "kim", "seen", NOON + 5)
    assert not acknowledge(connection, number, "lee", "me too", NOON + 6)
    assert not acknowledge(connection, number + 1, "kim", "", NOON)
    (row,) = incidents(connection)
    assert (row["acknowledged_by"], row["note"]) == ("kim", "seen")
    assert row["acknowledged_at"] == NOON + 5


def test_notices_long_done_are_forgotten_but_not_those_still_to_send(
    connection: Connection,
) -> None:
    number = incident(connection)
    common = {
        "incident": number, "event": "raised", "channel": "c", "level": "watch", "camera": "gate",
        "title": "", "body": "", "key": "", "created_at": 0, "attempts": 0, "next_at": 0,
    }  # fmt: skip
    rows = [
        {**common, "change": 1, "sent_at": 1, "dropped_at": None},
        {**common, "change": 2, "sent_at": None, "dropped_at": 1},
        {**common, "change": 3, "sent_at": None, "dropped_at": None},
        {**common, "change": 4, "sent_at": NOON, "dropped_at": None},
    ]
    connection.execute(insert(outbox), rows)
    prune(connection, KeepSettings(), NOON + 1)
    assert connection.execute(select(outbox.c.change)).scalars().all() == [3, 4]
