"""The supervisor: what it starts again, what it ends, what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from core.broker import LocalBroker, connect
from core.messages import Heartbeat, Keys, Service
from headcount.site_broker import SiteBroker
from headcount.supervisor import StopSignals, Supervisor
from tests.headcount.conftest import environment, write_site
from tests.waiting import wait_until

BOTH = (Service.INGEST, Service.ALERTS)
SCRIPT = """
import sys
from pathlib import Path
from core.messages import Service
from headcount.site_broker import SiteBroker
from headcount.supervisor import StopSignals, Supervisor
with StopSignals() as signals:
    services = (Service.INGEST, Service.ALERTS)
    Supervisor(Path(sys.argv[1]), SiteBroker(sys.argv[2]), services).run(signals)
"""


@contextmanager
def supervised(site: Path, url: str) -> Iterator[tuple[Supervisor, StopSignals]]:
    """A supervisor of two services, in a thread of this process."""
    signals = StopSignals()
    supervisor = Supervisor(site, SiteBroker(url), BOTH)
    thread = threading.Thread(target=supervisor.run, args=(signals,))
    thread.start()
    try:
        wait_until(lambda: all(supervisor.pid(service) for service in BOTH))
        yield supervisor, signals
    finally:
        signals.stop.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def separate_supervisor(
    site: Path, url: str
) -> Iterator[tuple[psutil.Process, list[psutil.Process]]]:
    """A supervisor in a process of its own, with its services and what they started."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(site), url],
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        itself = psutil.Process(process.pid)
        wait_until(lambda: len(itself.children()) == 2)
        wait_until(lambda: all(len(child.cmdline()) > 3 for child in itself.children()))
        yield itself, itself.children(recursive=True)
    finally:
        process.kill()
        process.wait()


def wait_ready(url: str, service: str) -> None:
    """Wait for the service's first heartbeat."""
    with connect(url) as client:

        def seen() -> bool:
            try:
                entries = client.xrange(Keys().heartbeats()) or []
            except redis.RedisError:
                return False
            return any(Heartbeat.from_fields(fields).service == service for _, fields in entries)

        wait_until(seen)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path)


def test_a_killed_service_is_started_again(site: Path, redis_url: str) -> None:
    with supervised(site, redis_url) as (supervisor, _):
        first = supervisor.pid(Service.ALERTS)
        other = supervisor.pid(Service.INGEST)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: supervisor.pid(Service.ALERTS) not in (None, first))
        assert supervisor.pid(Service.INGEST) == other


def test_nothing_is_left_after_an_ordered_stop(site: Path, redis_url: str) -> None:
    with supervised(site, redis_url) as (supervisor, signals):
        pids = [supervisor.pid(service) for service in BOTH]
        wait_ready(redis_url, "ingest")
        signals.stop.set()
        wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids if pid))


def test_services_end_when_their_supervisor_is_killed(site: Path, redis_url: str) -> None:
    with separate_supervisor(site, redis_url) as (itself, children):
        wait_ready(redis_url, "ingest")
        wait_ready(redis_url, "alerts")
        children = itself.children(recursive=True)
        itself.kill()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []


def test_a_second_interrupt_kills_at_once(site: Path, redis_url: str) -> None:
    with separate_supervisor(site, redis_url) as (itself, children):
        for child in children:
            child.suspend()  # a service that does not end by itself
        itself.send_signal(signal.SIGINT)
        itself.send_signal(signal.SIGTERM)
        itself.wait(30)
        assert not any(child.is_running() for child in children)


@pytest.mark.parametrize("service", BOTH)
def test_a_service_that_stands_still_is_killed_and_started_again(
    service: Service, site: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headcount.pulse.SILENT_LIMIT_S", 3.0)
    with supervised(site, redis_url) as (supervisor, _):
        wait_ready(redis_url, service)
        first = supervisor.pid(service)
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: supervisor.pid(service) not in (None, first))
        assert not psutil.pid_exists(first)


def test_a_broker_of_our_own_that_dies_or_hangs_comes_back_at_its_address(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headcount.site_broker.HUNG_AFTER_S", 2.0)
    with LocalBroker() as local:
        broker = SiteBroker(local.url, local)
        signals = StopSignals()
        supervisor = Supervisor(site, broker, (Service.ALERTS,))
        thread = threading.Thread(target=supervisor.run, args=(signals,))
        thread.start()
        try:
            wait_ready(local.url, "alerts")
            service = supervisor.pid(Service.ALERTS)
            for number in (signal.SIGKILL, signal.SIGSTOP):
                broken = local.pid
                assert broken is not None
                os.kill(broken, number)
                wait_until(lambda broken=broken: local.pid not in (None, broken))
                wait_ready(local.url, "alerts")
            assert supervisor.pid(Service.ALERTS) == service  # it only lost its connection
        finally:
            signals.stop.set()
            thread.join(30)
            assert not thread.is_alive()
