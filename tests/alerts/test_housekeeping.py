"""Sums of minutes and hours, and how much of them nobody saw."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from alerts.housekeeping import MINUTE_MS, Housekeeping
from core.history import History, write_raw
from core.history_schema import hours, minutes
from core.settings import CameraSettings, KeepSettings

START = 1_795_519_440_000 // 3_600_000 * 3_600_000
CAMERA = CameraSettings.model_validate({"id": "gate", "source": "x.mp4"})  # too old after 5 s


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    with history.transaction() as opened:
        yield opened
    history.close()


def keeping() -> Housekeeping:
    return Housekeeping([CAMERA], KeepSettings(), prunes=True)


def store(connection: Connection, counts: dict[int, float]) -> None:
    """Counts by second after `START`."""
    write_raw(
        connection,
        [
            {
                "camera": "gate",
                "zone": "all",
                "at": START + second * 1000,
                "seq": second,
                "count": count,
                "low": count - 1,
                "high": count + 1,
                "smoothed": count,
                "density": None,
                "level": "normal",
            }
            for second, count in counts.items()
        ],
    )


def sum_up(connection: Connection, keeper: Housekeeping, seconds: int) -> None:
    now = START + seconds * 1000
    due = keeper.due(now)
    keeper.sum_up(connection, due)
    keeper.settle(due, now)


def test_a_watched_minute_is_known_throughout(connection: Connection) -> None:
    keeper = keeping()
    store(connection, {second: 10.0 + second % 2 for second in range(64)})
    for second in range(64):
        keeper.touch("gate", START + second * 1000)
    sum_up(connection, keeper, 64)
    assert connection.execute(select(minutes)).all() == []  # its last readings may be on their way
    sum_up(connection, keeper, 66)
    (minute,) = connection.execute(select(minutes)).all()
    assert (minute.at, minute.readings, minute.unknown_share) == (START, 60, 0)
    assert (minute.count_mean, minute.count_max) == (10.5, 11)
    (hour,) = connection.execute(select(hours)).all()
    assert (hour.count_mean, hour.readings) == (10.5, 60)


def test_a_gap_is_unknown_from_when_the_last_reading_was_too_old(connection: Connection) -> None:
    keeper = keeping()
    store(connection, {second: 5.0 for second in range(60) if not 20 <= second < 40})
    keeper.touch("gate", START)
    sum_up(connection, keeper, 66)
    (minute,) = connection.execute(select(minutes)).all()
    assert minute.unknown_share == pytest.approx((40 - 19 - 5) / 60)


def test_a_blind_minute_has_a_row_without_values(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = keeping()
    for second in range(61):
        monkeypatch.setattr("alerts.housekeeping.time.monotonic", lambda at=second: float(at))
        keeper.look(["gate"], START + second * 1000)
    sum_up(connection, keeper, 66)
    (minute,) = connection.execute(select(minutes)).all()
    assert (minute.count_mean, minute.readings, minute.unknown_share) == (None, 0, 1)


def test_readings_that_could_not_be_trusted_are_unknown_time(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = keeping()
    store(connection, dict.fromkeys(range(60), 5.0))
    keeper.touch("gate", START)
    for second in range(61):
        monkeypatch.setattr("alerts.housekeeping.time.monotonic", lambda at=second: float(at))
        keeper.look(["gate"] if second >= 31 else [], START + second * 1000)
    sum_up(connection, keeper, 66)
    (minute,) = connection.execute(select(minutes)).all()
    assert minute.unknown_share == pytest.approx(29 / 60)


def test_minutes_left_over_by_a_crash_are_summed_up(connection: Connection) -> None:
    store(connection, dict.fromkeys(range(180), 7.0))
    keeper = keeping()
    keeper.touch("gate", START)
    sum_up(connection, keeper, 66)
    successor = keeping()
    successor.find_open(connection)
    sum_up(connection, successor, 300)
    rows = connection.execute(select(minutes).order_by(minutes.c.at)).all()
    assert [row.at for row in rows] == [START + index * MINUTE_MS for index in range(3)]
    assert [row.readings for row in rows] == [60, 60, 60]


def test_a_fast_recording_ahead_of_the_clock_is_summed_up(connection: Connection) -> None:
    keeper = keeping()
    store(connection, dict.fromkeys(range(180), 7.0))
    for second in range(180):
        keeper.touch("gate", START + second * 1000)
    sum_up(connection, keeper, 2)
    assert len(connection.execute(select(minutes)).all()) == 2


def test_old_rows_are_forgotten(connection: Connection) -> None:
    store(connection, dict.fromkeys(range(60), 7.0))
    keeper = keeping()
    keeper.touch("gate", START)
    sum_up(connection, keeper, 66)
    keeper.prune(connection, START + 100 * 86_400_000)
    assert connection.execute(select(minutes)).all() == []
    assert len(connection.execute(select(hours)).all()) == 1
