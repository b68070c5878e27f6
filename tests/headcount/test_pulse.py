"""What heartbeats tell the supervisor: silence, loops that stand still, and when not to judge."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import redis

from core.broker import connect
from core.clock import Clock
from core.messages import Heartbeat, Keys, Service
from headcount import pulse
from headcount.pulse import Pulse
from tests.restartable_broker import RestartableBroker
from tests.waiting import wait_until

PID = 123
STARTED = 0.0  # long before its first heartbeat


def beat(client: redis.Redis, host: str | None = None, loop_age_s: float = 0.0) -> None:
    now = Clock(client).now_ms()
    heartbeat = Heartbeat(
        service=Service.WORKER,
        id=f"{host or socket.gethostname()}-{PID}-abcd",
        at=now,
        started_at=now,
        version="0.1.0",
        config_version="0" * 12,
        loop_age_s=loop_age_s,
    )
    client.xadd(Keys().heartbeats(), heartbeat.to_fields())


def test_a_process_that_beats_is_well(redis_url: str, redis_client: redis.Redis) -> None:
    with Pulse(redis_url) as listening:
        wait_until(lambda: redis_client.exists("headcount:probe"))
        beat(redis_client)
        assert listening.fault(PID, STARTED) is None


def test_silence_is_a_fault(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "SILENT_LIMIT_S", 0.5)
    with Pulse(redis_url) as listening:
        wait_until(lambda: redis_client.exists("headcount:probe"))
        beat(redis_client)
        said = wait_until(lambda: listening.fault(PID, STARTED))
    assert said.startswith("no heartbeat for")


def test_a_loop_that_stands_still_is_a_fault(redis_url: str, redis_client: redis.Redis) -> None:
    with Pulse(redis_url) as listening:
        wait_until(lambda: redis_client.exists("headcount:probe"))
        beat(redis_client, loop_age_s=90)
        said = wait_until(lambda: listening.fault(PID, STARTED))
    assert said == "its loop stands still for 90 s"


def test_a_process_with_the_number_of_an_earlier_one_is_judged_by_its_own_heartbeats(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pulse(redis_url) as listening:
        wait_until(lambda: redis_client.exists("headcount:probe"))
        beat(redis_client, loop_age_s=90)
        wait_until(lambda: listening.fault(PID, STARTED))
        started = time.monotonic()
        assert listening.fault(PID, started) is None  # it is starting
        listening.forget(PID)
        assert listening.fault(PID, STARTED) is None
        beat(redis_client, loop_age_s=70)
        assert wait_until(lambda: listening.fault(PID, started)).endswith("70 s")


def test_a_process_that_never_beats_has_time_to_load_its_model(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = time.monotonic()
    with Pulse(redis_url) as listening:
        wait_until(lambda: redis_client.exists("headcount:probe"))
        beat(redis_client, host="another-host")  # the same number there is another process
        assert listening.fault(PID, started) is None
        monkeypatch.setattr(pulse, "START_LIMIT_S", 0.0)
        assert wait_until(lambda: listening.fault(PID, started))


def test_while_the_broker_takes_no_messages_nobody_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "SILENT_LIMIT_S", 0.5)
    with (
        RestartableBroker(tmp_path) as broker,
        connect(broker.url) as client,
        Pulse(broker.url) as listening,
    ):
        wait_until(lambda: client.exists("headcount:probe"))
        beat(client)
        assert wait_until(lambda: listening.fault(PID, STARTED))
        client.config_set("maxmemory", "100kb")  # no heartbeat can arrive any more
        wait_until(lambda: listening.fault(PID, STARTED) is None)
        wait_until(lambda: listening.broker_silent_s < 1)  # it lives, and is not to be killed
        client.config_set("maxmemory", "0")
        beat(client)
        broker.stop()
        wait_until(lambda: listening.broker_silent_s > 1)
        assert listening.fault(PID, STARTED) is None
