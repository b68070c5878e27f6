"""What a container's health check says of a service, by its heartbeats."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import redis
import typer

from core.clock import Clock
from core.messages import LOOP_LIMIT_S, Heartbeat, Keys, Service
from headcount.failures import InputError
from headcount.health import check_health
from tests.headcount.conftest import write_site


def beat(client: redis.Redis, ago_s: float = 0.0, loop_age_s: float = 0.0) -> None:
    now = Clock(client).now_ms()
    heartbeat = Heartbeat(
        service=Service.ALERTS,
        id=f"{socket.gethostname()}-123-abcd",
        at=now - round(1000 * ago_s),
        started_at=now - 60_000,
        version="0.1.0",
        config_version="0" * 12,
        loop_age_s=loop_age_s,
    )
    client.xadd(Keys().heartbeats(), heartbeat.to_fields())


@pytest.fixture
def site(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADCOUNT_REDIS_URL", redis_url)
    return write_site(tmp_path)


def refusal(site: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as ended:
        check_health("alerts", site)
    assert ended.value.exit_code == 1
    return capsys.readouterr().err


def test_a_service_that_lives_and_goes_on_is_fine(
    site: Path, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    beat(redis_client, loop_age_s=3.0)
    check_health("alerts", site)
    assert capsys.readouterr().out == "alerts: fine\n"


def test_a_service_that_fell_silent_is_not(
    site: Path, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    beat(redis_client, ago_s=20)
    assert "last heartbeat 20 s ago" in refusal(site, capsys)


def test_a_service_whose_loop_stands_still_is_not(
    site: Path, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    beat(redis_client, loop_age_s=LOOP_LIMIT_S + 5)
    assert "its loop stands still for 50 s" in refusal(site, capsys)


def test_without_a_broker_the_question_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADCOUNT_REDIS_URL", raising=False)
    with pytest.raises(InputError, match=r"health needs broker\.url"):
        check_health("alerts", write_site(tmp_path))
