"""Alerts in real processes that are stopped and killed: one owner, the same incident, every notice
at least once, with its key."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import select

from core.history import History
from core.history_schema import incidents, outbox, owners, zone_states
from core.messages import Keys
from core.site_file import LoadedSite
from headcount.chaos.record import Record, Rules
from headcount.chaos.watch import Receiver
from tests.alerts.readings import reading
from tests.conftest import MakeSite
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0  # processes start while a busy machine does other things

pytestmark = pytest.mark.timeout(300)
PROGRAM = """
import sys
from pathlib import Path
from alerts import ownership, service
from core.site_file import load_site
from headcount.signals import stop_event
if sys.argv[3] == "elsewhere":  # a host of its own: its end cannot be seen, only its silence
    service.process_identity = lambda: f"elsewhere/{sys.argv[4]}/1"
service.run(load_site(Path(sys.argv[1])), sys.argv[2], stop_event())
"""


class Place:
    """A site of one camera, its history, its receiver, and alerts processes that serve it."""

    def __init__(self, loaded: LoadedSite, client: redis.Redis, record: Record) -> None:
        self.loaded = loaded
        self.client = client
        self.record = record
        self.at = time.time_ns() // 1_000_000 - 600_000

    def publish(self, *people: float) -> None:
        """One reading a second of event time."""
        for count in people:
            self.at += 1000
            self.client.xadd(Keys().readings(0), reading("gate-1", self.at, count).to_fields())

    def rows(self, table: Any) -> list[Any]:
        history = History.open(self.loaded.site.history.url)
        try:
            with history.snapshot() as connection:
                return list(connection.execute(select(table)).all())
        finally:
            history.close()

    def wait_stored(self) -> None:
        wait_until(lambda: any(row.at == self.at for row in self.rows(zone_states)), WITHIN_S, 0.05)

    def stopped_while_idle(self, pid: int) -> bool:
        """Stops a process, unless it is in a transaction, whose lock nobody could then get past."""
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)  # some of its threads go on until all have been told
        path = self.loaded.site.history.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGCONT)
                return False
            database.execute("ROLLBACK")
            return True

    def wait_settled(self) -> None:
        wait_until(lambda: all(row.sent_at for row in self.rows(outbox)), WITHIN_S, 0.05)

    def owner(self) -> str:
        return next((str(row.owner) for row in self.rows(owners) if row.shard == 0), "")

    @property
    def keys(self) -> Counter[str | None]:
        return Counter(notice.key for notice in self.record.received)


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, Record]]:
    record = Record(Rules(3.0, 5.0, 40.0, 5.0, 30.0))
    with Receiver(record) as started:
        yield started, record


@pytest.fixture
def place(
    tmp_path: Path,
    make_site: MakeSite,
    redis_client: redis.Redis,
    receiver: tuple[Receiver, Record],
) -> Place:
    loaded = make_site(
        tmp_path,
        cameras=[
            {
                "id": "gate-1",
                "source": "rtsp://127.0.0.1:9/gate",
                "zones": [{"id": "all", "levels": {"unit": "persons", "warning": 40}}],
            }
        ],
        alerts={"channels": [{"name": "hook", "url": receiver[0].url, "cooldown": "0s"}]},
    )
    return Place(loaded, redis_client, receiver[1])


@contextmanager
def alerts(place: Place, url: str, name: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """An alerts process; with a name it seems to run on another host."""
    where = ("elsewhere", name) if name else ("here", "")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(place.loaded.path), url, *where],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_killed_again_and_again_it_is_the_same_incident_and_no_notice_comes_twice(
    place: Place, redis_url: str
) -> None:
    for _ in range(3):
        place.publish(*[50.0] * 12)
        with alerts(place, redis_url):
            place.wait_stored()
            wait_until(lambda: place.record.received, WITHIN_S)
            place.wait_settled()
    place.publish(*[10.0] * 45)
    with alerts(place, redis_url):
        place.wait_stored()
        wait_until(lambda: len(place.record.received) == 2, WITHIN_S)
        place.wait_settled()
    (incident,) = place.rows(incidents)
    assert incident.cleared_at is not None
    assert place.keys == {"incident 1 change 1": 1, "incident 1 change 2": 1}


def test_killed_between_sending_and_marking_the_notice_comes_again_with_its_key(
    place: Place, redis_url: str, receiver: tuple[Receiver, Record]
) -> None:
    place.publish(*[50.0] * 12)
    with alerts(place, redis_url) as first:
        receiver[0].before_answer = first.kill
        first.wait(WITHIN_S)
    assert place.keys == {"incident 1 change 1": 1}
    assert place.rows(outbox)[0].sent_at is None  # it arrived, and nobody wrote that down
    with alerts(place, redis_url):
        place.wait_settled()
    assert place.keys == {"incident 1 change 1": 2}
    assert len(place.rows(incidents)) == 1


def test_an_owner_that_was_stopped_and_replaced_writes_nothing_when_it_goes_on(
    place: Place, redis_url: str
) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(alerts(place, redis_url, "1"))
        place.publish(*[50.0] * 12)
        place.wait_stored()
        assert place.owner() == "elsewhere/1/1"
        stack.enter_context(alerts(place, redis_url, "2"))
        wait_until(lambda: place.stopped_while_idle(first.pid), WITHIN_S)
        place.publish(*[50.0] * 5)
        place.wait_stored()  # by the second, once the first one's lease has run out
        assert place.owner() == "elsewhere/2/1"
        os.kill(first.pid, signal.SIGCONT)
        place.publish(*[50.0] * 5)
        place.wait_stored()
        place.publish(*[10.0] * 45)
        place.wait_stored()
        assert place.owner() == "elsewhere/2/1"
        wait_until(lambda: len(place.record.received) >= 2, WITHIN_S)
    assert len(place.rows(incidents)) == 1
    assert set(place.keys) == {"incident 1 change 1", "incident 1 change 2"}
