"""The backtest: exactly the live run's incidents; other levels; refusals; what it prints."""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import delete, select

from alerts import service
from core.history import History
from core.history_schema import incidents, raw, raw_blocks, zone_snapshots, zone_states
from core.messages import Keys
from core.settings import Zone
from core.site_file import LoadedSite
from dashboard.backtest import BacktestRefusedError, backtest
from headcount.backtest import run_backtest
from headcount.failures import InputError
from tests.alerts.readings import reading
from tests.conftest import MakeSite
from tests.waiting import wait_until

BEGIN = 1_760_000_400_000  # 2025-10-09 09:00 UTC, on the hour
ZONES = [
    {"id": "all", "levels": {"unit": "persons", "warning": 40, "critical": 80}},
    {
        "id": "left",
        "polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
        "levels": {"unit": "persons", "watch": 15, "warning": 30, "clear_after": "10s"},
    },
]


def crowd(seconds: int, seed: int) -> list[tuple[int, float, float]]:
    """(ms, people in the left half, in the right): waves with noise, and gaps without readings."""
    rng = random.Random(seed)
    rows = []
    at = BEGIN
    for second in range(seconds):
        at += 1000
        if 700 < second % 900 < 760:
            continue
        left = max(0.0, 20 + 22 * math.sin(second / 60) + rng.gauss(0, 3))
        rows.append((at, left, max(0.0, 22 + 30 * math.sin(second / 150) + rng.gauss(0, 3))))
    return rows


@contextmanager
def running(loaded: LoadedSite, url: str) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=service.run, args=(loaded, url, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=20)
    assert not thread.is_alive()


def rows(loaded: LoadedSite, table: Any) -> list[Any]:
    history = History.open(loaded.site.history.url)
    try:
        with history.snapshot() as connection:
            return list(connection.execute(select(table)).all())
    finally:
        history.close()


def play(loaded: LoadedSite, url: str, client: redis.Redis, part: list[Any]) -> None:
    """Run the service while these readings come, until all are stored."""
    with running(loaded, url):
        for at, left, right in part:
            heads = [(0.25, 0.5, left), (0.75, 0.5, right)]
            fields = reading("gate-1", at, left + right, heads=heads).to_fields()
            client.xadd(Keys().readings(0), fields)
        wait_until(lambda: {row.at for row in rows(loaded, zone_states)} == {part[-1][0]}, 30)


@pytest.fixture
def site(make_site: MakeSite, tmp_path: Path) -> LoadedSite:
    camera = {"id": "gate-1", "source": "rtsp://127.0.0.1:9/gate", "zones": ZONES}
    return make_site(
        tmp_path,
        site={"timezone": "Asia/Seoul"},
        history={"keep": {"raw": "10y", "minute": "10y", "hour": "10y"}},
        cameras=[camera],
    )


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def document(loaded: LoadedSite, capsys: Any, begin: str, end: str, *changes: str) -> Any:
    capsys.readouterr()
    run_backtest(loaded.path, begin, end, changes=list(changes), as_json=True)
    return json.loads(capsys.readouterr().out)


def test_a_replay_is_exactly_the_live_run(
    site: LoadedSite, redis_url: str, redis_client: redis.Redis, capsys: Any
) -> None:
    told = crowd(4500, seed=1)
    play(site, redis_url, redis_client, told[:1500])  # with a restart in between
    play(site, redis_url, redis_client, told[1500:])
    recorded = rows(site, incidents)
    assert len(recorded) > 10
    assert {row.zone for row in recorded} == {"all", "left"}
    assert len({row.peak_level for row in recorded}) >= 2

    whole = document(site, capsys, iso(BEGIN), iso(told[-1][0] + 1000))
    assert (whole["added"], whole["missing"]) == ([], [])
    same = ["camera", "zone", "peak_level", "raised_at", "cleared_at", "unit"]
    assert sorted([each[key] or "" for key in same] for each in whole["replayed"]) == sorted(
        [each[key] or "" for key in same] for each in whole["recorded"]
    )
    assert len(whole["recorded"]) == len(recorded)
    assert all(each["raised_at"].endswith("+09:00") for each in whole["recorded"])

    # From a state of its own: the second hour, without an offset in the site's zone.
    part = document(site, capsys, "2025-10-09T19:05", "2025-10-09 19:10")
    assert (part["added"], part["missing"]) == ([], [])
    assert 0 < len(part["recorded"]) < len(recorded)

    # Other levels.
    fewer = document(site, capsys, iso(BEGIN), iso(told[-1][0]), "gate-1/left.watch=null",
                     "gate-1/left.warning=200")  # fmt: skip
    assert {each["zone"] for each in fewer["replayed"]} == {"all"}
    assert {each["zone"] for each in fewer["missing"]} == {"left"}
    more = document(site, capsys, iso(BEGIN), iso(told[-1][0]), "gate-1/all.watch=20")
    assert more["added"]
    assert {each["zone"] for each in more["added"]} == {"all"}  # raised earlier, cleared later

    ground = {"picture": [[0.2, 0.5], [0.8, 0.5], [0.95, 0.95], [0.05, 0.95]],
              "metres": [[0, 0], [12, 0], [12, 8], [0, 8]]}  # fmt: skip
    camera = site.site.cameras[0]
    dense = Zone.model_validate({"id": "left", "ground": ground})
    calibrated = camera.model_copy(update={"zones": [camera.zones[0], dense]})
    changed = site.site.model_copy(update={"cameras": [calibrated]})
    history = History.open(site.site.history.url)
    with history.snapshot() as connection, pytest.raises(BacktestRefusedError, match="calibrated"):
        backtest(connection, changed, BEGIN, BEGIN + 60_000)
    history.close()

    run_backtest(
        site.path, "2025-10-09T18:00", "2025-10-09T19:20", changes=["gate-1/all.warning=50"],
        as_json=False,
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "gate-1/left" in printed
    assert "▇" in printed or "█" in printed
    assert " same" in printed
    assert " missing" in printed

    # Once the first values are forgotten, a time that needs them is refused with dates.
    forget = BEGIN + 3_600_000
    history = History.open(site.site.history.url)
    with history.transaction() as connection:
        for table in (raw, raw_blocks, zone_snapshots):
            connection.execute(delete(table).where(table.c.at < forget))
    history.close()
    with pytest.raises(InputError, match=r"gone; the earliest .* is 2025-10-09T19:00:0"):
        document(site, capsys, "2025-10-09T18:30", "2025-10-09T19:10")
    late = document(site, capsys, "2025-10-09T19:02", "2025-10-09T19:10")
    assert (late["added"], late["missing"]) == ([], [])


@pytest.mark.parametrize(
    ("begin", "end", "change", "sentence"),
    [
        ("yesterday", "2025-10-09", "", "--from 'yesterday' is no time"),
        ("2025-10-09", "2025-10-08", "", "must be after the beginning"),
        ("2025-10-08", "2025-10-09", "gate-1.warning=4", "write camera/zone.key=value"),
        ("2025-10-08", "2025-10-09", "gate-1/hall.warning=4", "there is no 'gate-1/hall'"),
        ("2025-10-08", "2025-10-09", "gate-1/all.colour=4", "'colour' is none of watch"),
        ("2025-10-08", "2025-10-09", "gate-1/all.warning=90", "must be below critical"),
        ("2025-10-08", "2025-10-09", "gate-1/all.warning=many", "valid number"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    site: LoadedSite, begin: str, end: str, change: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        run_backtest(site.path, begin, end, changes=[change] if change else [], as_json=True)
    assert "\n" not in str(caught.value)


def test_an_empty_history_has_no_incidents(site: LoadedSite, capsys: Any) -> None:
    empty = document(site, capsys, "2025-10-08", "2025-10-09")
    assert empty["recorded"] == empty["replayed"] == empty["added"] == empty["missing"] == []
