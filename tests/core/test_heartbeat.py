import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from core.broker import connect
from core.clock import Clock
from core.follow import read_back
from core.heartbeat import HeartbeatSender
from core.messages import Heartbeat, Keys, Service
from tests.restartable_broker import RestartableBroker
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


def sender(client: redis.Redis) -> HeartbeatSender:
    return HeartbeatSender(
        Service.WORKER, client, Clock(client), config_version="abc", version="0.1.0"
    )


def sent(client: redis.Redis) -> list[Heartbeat]:
    entries = read_back(client, Keys().heartbeats(), count=100)
    return [Heartbeat.from_fields(fields) for _, _, fields in reversed(entries)]


def test_a_process_says_who_it_is_as_soon_as_it_starts(redis_client: redis.Redis) -> None:
    with sender(redis_client) as process:
        process.fact("device", "cpu")
        first = wait_until(lambda: sent(redis_client))[0]
    assert (first.service, first.id, first.version) == (Service.WORKER, process.id, "0.1.0")
    assert first.config_version == "abc"
    assert abs(first.at - Clock(redis_client).now_ms()) < 5000


def test_it_goes_on_every_two_seconds_with_counters_gauges_and_facts(
    redis_client: redis.Redis,
) -> None:
    with sender(redis_client) as process:
        process.count('drops_total{camera="gate-1"}')
        process.count('drops_total{camera="gate-1"}', 2)
        process.gauge("queue_depth", 4)
        process.gauge("queue_depth", 3)
        process.fact("device", "cpu")
        last = wait_until(lambda: sent(redis_client)[1:])[0]
    assert last.counters == {'drops_total{camera="gate-1"}': 3.0, "queue_depth": 3.0}
    assert last.facts == {"device": "cpu"}


def test_a_loop_that_stands_still_shows_in_the_heartbeats(redis_client: redis.Redis) -> None:
    process = sender(redis_client)
    assert process.message().loop_age_s == 0
    process.progress("first")
    time.sleep(0.25)
    process.progress("second")
    assert process.message().loop_age_s >= 0.2  # the slowest loop counts
    process.loop_ended("first")
    assert process.message().loop_age_s < 0.2


def test_a_process_whose_loop_stands_still_ends_itself(redis_url: str) -> None:
    code = (
        "import sys, time; from core import heartbeat; from core.broker import connect;"
        "from core.clock import Clock; from core.messages import Service;"
        "heartbeat.LOOP_LIMIT_S = 0.5; heartbeat.HEARTBEAT_EVERY_S = 0.1;"
        "client = connect(sys.argv[1]);"
        "sender = heartbeat.HeartbeatSender(Service.WORKER, client, Clock(client),"
        " config_version='', version='');"
        "sender.progress(); sender.__enter__(); time.sleep(60)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, redis_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert process.returncode == 1
    assert "a loop stands still" in process.stdout + process.stderr


def test_a_pause_of_the_whole_process_is_no_loops_fault(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.heartbeat._PAUSED_S", 0.0)  # as if each heartbeat came after a pause
    monkeypatch.setattr("core.heartbeat.HEARTBEAT_EVERY_S", 0.05)
    process = sender(redis_client)
    process.progress()
    with process:
        wait_until(lambda: len(sent(redis_client)) > 10)
        assert process.loop_age_s < 0.5


def test_two_processes_have_different_ids(redis_client: redis.Redis) -> None:
    assert sender(redis_client).id != sender(redis_client).id


def test_it_survives_an_outage_and_keeps_what_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.heartbeat.HEARTBEAT_EVERY_S", 0.2)
    with (
        RestartableBroker(tmp_path) as broker,
        connect(broker.url) as client,
        sender(client) as process,
    ):
        process.count("frames_total", 5)
        wait_until(lambda: sent(client))
        broker.stop()
        process.count("frames_total", 2)
        broker.start()
        assert wait_until(lambda: sent(client))[0].counters == {"frames_total": 7.0}
