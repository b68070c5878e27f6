"""The alerts service as it runs: real Redis, real SQLite, real HTTP."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import OperationalError

from alerts import outages, service, shard
from core.broker import connect
from core.history import History
from core.history_schema import (
    evidence,
    incidents,
    minutes,
    outbox,
    owners,
    raw,
    raw_blocks,
    zone_snapshots,
    zone_states,
)
from core.live import LiveView
from core.messages import ALERTS_GROUP, CameraState, Heartbeat, Keys, Reason, Service, State
from core.site_file import LoadedSite
from tests.alerts.readings import reading
from tests.conftest import MakeSite
from tests.receiver import Receiver
from tests.restartable_broker import RestartableBroker
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
READINGS = Keys().readings(0)
LEVELS = {"unit": "persons", "warning": 40, "critical": 80}


@contextmanager
def running(loaded: LoadedSite, url: str) -> Iterator[threading.Thread]:
    """The service in a thread, stopped at the end."""
    stop = threading.Event()
    thread = threading.Thread(target=service.run, args=(loaded, url, stop))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(timeout=20)
    assert not thread.is_alive()


class Site:
    """A site of one camera with levels, and what the service wrote about it."""

    def __init__(self, loaded: LoadedSite, client: redis.Redis) -> None:
        self.loaded = loaded
        self.client = client
        self.at = time.time_ns() // 1_000_000 - 600_000  # event time: ten minutes ago

    def publish(self, people: Sequence[float], client: redis.Redis | None = None) -> None:
        """One reading a second in event time, as fast as the broker takes them."""
        for count in people:
            self.at += 1000
            fields = reading("gate-1", self.at, count).to_fields()
            (client or self.client).xadd(READINGS, fields)

    def rows(self, table: Any) -> list[Any]:
        history = History.open(self.loaded.site.history.url)
        try:
            with history.transaction() as connection:
                return list(connection.execute(select(table)).all())
        finally:
            history.close()

    def values(self) -> int:
        """How many values were stored, packed or not."""
        return len(self.rows(raw)) + sum(row.readings for row in self.rows(raw_blocks))

    def is_done(self) -> bool:
        """Whether every reading published so far is stored."""
        states = self.rows(zone_states)
        return bool(states) and states[0].at == self.at

    def unsettled(self) -> list[Any]:
        return [row for row in self.rows(outbox) if row.sent_at is None and row.dropped_at is None]

    def wait_done(self) -> None:
        wait_until(self.is_done, 15, every_s=0.05)


@pytest.fixture
def site(
    make_site: MakeSite, tmp_path: Path, receiver: Receiver, redis_client: redis.Redis
) -> Site:
    loaded = make_site(
        tmp_path,
        cameras=[
            {
                "id": "gate-1",
                "name": "Gate 1",
                "source": "rtsp://127.0.0.1:9/gate",
                "zones": [{"id": "all", "levels": LEVELS}],
            }
        ],
        alerts={"channels": [{"name": "hook", "url": receiver.url, "cooldown": "5m"}]},
    )
    return Site(loaded, redis_client)


def test_one_stay_above_a_level_is_one_incident_one_notice_and_one_clear(
    site: Site, redis_url: str, receiver: Receiver
) -> None:
    with running(site.loaded, redis_url):
        site.publish([10] * 5 + [50] * 60)
        wait_until(lambda: receiver.titles)
        site.wait_done()
        (incident,) = site.rows(incidents)
        assert (incident.kind, incident.level, incident.cleared_at) == ("crowd", "warning", None)
        assert site.rows(zone_states)[0].level == "warning"
        site.publish([10] * 20)
        site.wait_done()
        assert len(receiver.titles) == 1  # not below for clear_after yet
        site.publish([10] * 20)
        wait_until(lambda: len(receiver.titles) == 2)
        site.wait_done()
    assert receiver.titles == [
        "[WARNING] Gate 1 / all: 50 persons, raised",
        "[NORMAL] Gate 1 / all: 10 persons, cleared",
    ]
    (incident,) = site.rows(incidents)
    assert incident.cleared_at is not None
    assert incident.peak == pytest.approx(50, rel=0.02)
    assert receiver.keys == [f"incident {incident.id} change {n}" for n in (1, 2)]
    assert receiver.keys[0] in receiver.notices[0]["message"]
    assert site.values() == 105
    assert site.client.xpending(READINGS, ALERTS_GROUP)["pending"] == 0


def test_flapping_about_a_level_is_one_incident_and_one_notice(
    site: Site, redis_url: str, receiver: Receiver
) -> None:
    with running(site.loaded, redis_url):
        site.publish([39.5 + 1.5 * (second % 2) for second in range(600)])
        site.wait_done()
        wait_until(lambda: not site.unsettled())
    assert len(site.rows(incidents)) == 1
    assert len(receiver.titles) == 1


def test_a_killed_service_goes_on_with_the_same_incident_and_repeats_nothing(
    site: Site, redis_url: str, receiver: Receiver
) -> None:
    site.publish([50] * 20)
    program = (
        "import sys, threading; from pathlib import Path; from alerts import service;"
        "from core.site_file import load_site;"
        "service.run(load_site(Path(sys.argv[1])), sys.argv[2], threading.Event())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(site.loaded.path), redis_url],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: receiver.titles, 20)
        wait_until(lambda: not site.unsettled())
        site.publish([50] * 3)
    finally:
        child.kill()
        child.wait()
    site.publish([50] * 20)
    with running(site.loaded, redis_url):
        site.wait_done()
        assert len(site.rows(incidents)) == 1
        site.publish([10] * 40)
        wait_until(lambda: len(receiver.titles) == 2)
        site.wait_done()
    assert [title.rpartition(", ")[2] for title in receiver.titles] == ["raised", "cleared"]
    assert len(site.rows(incidents)) == 1
    assert site.values() == 83  # every reading once


def test_a_receiver_that_is_down_gets_the_notice_later(
    site: Site, redis_url: str, receiver: Receiver
) -> None:
    receiver.answer = 503
    with running(site.loaded, redis_url):
        site.publish([50] * 20)
        wait_until(lambda: receiver.attempts >= 2)
        assert receiver.titles == []
        (row,) = site.unsettled()
        assert "503" in row.error
        receiver.answer = 200
        wait_until(lambda: receiver.titles)
        wait_until(lambda: not site.unsettled())
    assert len(receiver.titles) == 1


def test_a_second_instance_stands_by_and_takes_over(
    site: Site, redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = iter(["elsewhere/1/1", "elsewhere/2/1"])
    monkeypatch.setattr(service, "process_identity", lambda: next(identities))
    first = running(site.loaded, redis_url)
    first.__enter__()
    site.publish([50] * 10)
    site.wait_done()
    with running(site.loaded, redis_url):
        site.publish([50] * 10)
        site.wait_done()
        first.__exit__(None, None, None)
        site.publish([10] * 40)
        site.wait_done()
        wait_until(lambda: len(receiver.titles) == 2)
    assert len(site.rows(incidents)) == 1
    assert site.values() == 60


def test_an_owner_that_was_replaced_without_noticing_writes_nothing(
    site: Site, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "TICK_S", 60.0)  # only the readings themselves can tell it
    with running(site.loaded, redis_url):
        for people in ([50] * 2, [50]):  # the second pass comes after the first one's tick
            site.publish(people)
            site.wait_done()
        history = History.open(site.loaded.site.history.url)
        with history.transaction() as connection:
            connection.execute(
                update(owners)
                .where(owners.c.shard == 0)
                .values(owner="elsewhere/9/9", epoch=owners.c.epoch + 1, expires=2**50)
            )
        history.close()
        site.publish([50] * 20)
        wait_until(lambda: site.client.xpending(READINGS, ALERTS_GROUP)["pending"] > 0)
    assert site.values() == 3
    assert site.rows(incidents) == []
    assert site.client.xpending(READINGS, ALERTS_GROUP)["pending"] > 0  # for its successor


def test_a_locked_database_delays_but_loses_nothing(
    site: Site, redis_url: str, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whether its readings or its lease are the first that cannot be written is left to chance."""
    log = ""

    def said() -> str:
        nonlocal log
        log += "".join(capfd.readouterr())
        return log

    with running(site.loaded, redis_url):
        site.publish([50] * 3)
        site.wait_done()
        path = site.loaded.site.history.url.removeprefix("sqlite:///")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        site.publish([50] * 20)
        wait_until(lambda: "history not written" in said())
        other.execute("ROLLBACK")
        other.close()
        site.wait_done()
        wait_until(lambda: receiver.titles)
    assert site.values() == 23
    assert len(site.rows(incidents)) == 1


class FlakyHistory(History):
    """Loses every fifth transaction of a thread, in turn before and after it was committed."""

    of_thread = threading.local()
    lost = 0

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        number = getattr(self.of_thread, "number", 0) + 1
        self.of_thread.number = number
        before, after = number % 10 == 5, number % 10 == 0
        FlakyHistory.lost += before or after
        with super().transaction() as connection:
            yield connection
            if before:
                raise OperationalError("COMMIT", None, Exception("database is locked"))
        if after:
            raise OperationalError("COMMIT", None, Exception("connection lost"))


def test_transactions_that_fail_before_or_after_their_commit_repeat_nothing(
    site: Site, redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "History", FlakyHistory)
    with running(site.loaded, redis_url):
        for _ in range(16):
            site.publish([50] * 5)
            site.wait_done()
        site.publish([10] * 40)
        site.wait_done()  # the readings after the one that clears may be in another transaction
        wait_until(lambda: len(receiver.titles) == 2, 20)
        wait_until(lambda: not site.unsettled())
    assert len(site.rows(incidents)) == 1
    assert FlakyHistory.lost > 3
    assert site.values() == 120
    assert [title.rpartition(", ")[2] for title in receiver.titles] == ["raised", "cleared"]


def test_what_a_service_could_not_write_before_it_was_stopped_is_written_by_the_next(
    site: Site, redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops in the pause after a failed transaction, with a part of the readings stored."""
    monkeypatch.setattr(service, "History", ThenLocked)
    monkeypatch.setattr(shard, "BATCH", 7)
    with running(site.loaded, redis_url):
        site.publish([50] * 60)
        wait_until(lambda: ThenLocked.refused)
    assert 0 < site.values() < 60
    monkeypatch.setattr(service, "History", History)
    with running(site.loaded, redis_url):
        site.wait_done()
        wait_until(lambda: receiver.titles)
    assert site.values() == 60
    assert len(site.rows(incidents)) == 1
    assert site.client.xpending(READINGS, ALERTS_GROUP)["pending"] == 0


class LosesTheRaise(History):
    """Its answer to the commit that raises an incident is lost."""

    lost = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with super().transaction() as connection:
            yield connection
            raised = connection.execute(select(incidents.c.id)).first() is not None
        if raised and not LosesTheRaise.lost:
            LosesTheRaise.lost = True
            raise OperationalError("COMMIT", None, Exception("connection lost"))


def test_an_incident_whose_commit_was_in_doubt_has_its_evidence(
    site: Site, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "History", LosesTheRaise)
    with running(site.loaded, redis_url):
        site.publish([50] * 20)
        site.wait_done()
        (incident,) = site.rows(incidents)
        kept = wait_until(lambda: site.rows(evidence))
    assert LosesTheRaise.lost
    assert {row.incident for row in kept} == {incident.id}


class ThenLocked(History):
    """Refuses every transaction after the first three that stored readings."""

    stored: ClassVar[set[int]] = set()
    refused = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with super().transaction() as connection:
            yield connection
            self.stored.add(connection.execute(select(func.count()).select_from(raw)).scalar_one())
            if len(self.stored) > 4:  # none, and three times some
                ThenLocked.refused = True
                raise OperationalError("COMMIT", None, Exception("database is locked"))


def test_a_camera_that_goes_blind_is_an_incident_and_its_crowd_is_unseen(
    site: Site, redis_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "RAISE_AFTER_S", 1.0)
    monkeypatch.setattr(outages, "CLEAR_AFTER_S", 1.0)
    site.publish([50] * 20)

    def live(state: CameraState) -> None:
        """What ingest and a worker say now."""
        now = time.time_ns() // 1_000_000
        for each in (Service.INGEST, Service.WORKER):
            beat = Heartbeat(
                service=each, id=each, at=now, started_at=now, version="0", config_version="0"
            )
            site.client.xadd(Keys().heartbeats(), beat.to_fields())
        said = State(camera="gate-1", at=now, state=state, since=now, last_frame_at=now)
        site.client.xadd(Keys().states(0), said.to_fields())
        if state is CameraState.LIVE:
            site.client.xadd(READINGS, reading("gate-1", now, 50).to_fields())

    def kinds() -> list[tuple[str, bool]]:
        return [(row.kind, row.cleared_at is None) for row in site.rows(incidents)]

    def told(event: str) -> bool:
        return any(title.endswith(f", {event}") for title in receiver.titles)

    def while_saying(state: CameraState, condition: Callable[[], bool]) -> None:
        def said() -> bool:
            live(state)
            return condition()

        wait_until(said, 15, every_s=0.3)

    with running(site.loaded, redis_url) as thread:
        seen = LiveView(redis_url, Keys(), site.loaded.site.cameras, pictures=False)
        seen.start()
        while_saying(CameraState.LIVE, lambda: seen.status("gate-1").ok and told("raised"))
        ok_at = time.monotonic()
        while_saying(CameraState.LIVE, lambda: time.monotonic() > ok_at + 1.5)
        seen.stop()
        while_saying(CameraState.OFFLINE, lambda: told("unseen"))
        assert kinds() == [("crowd", True), ("camera", True)]
        while_saying(CameraState.LIVE, lambda: told("cleared"))
        assert kinds() == [("crowd", True), ("camera", False)]
        assert thread.is_alive()
    assert sorted(receiver.titles) == sorted(
        [
            "[WARNING] Gate 1 / all: 50 persons, raised",
            "[WARNING] Gate 1: unknown (offline), raised",
            "[WARNING] Gate 1 / all: unknown (offline), unseen",
            "[NORMAL] Gate 1: ok again, cleared",
        ]
    )


def test_a_broker_that_went_away_and_came_back_empty_is_read_on(
    site: Site, own_broker: RestartableBroker, receiver: Receiver
) -> None:
    with running(site.loaded, own_broker.url):
        with connect(own_broker.url) as client:
            site.publish([50] * 10, client)
            site.wait_done()
        own_broker.stop()
        own_broker.start()
        with connect(own_broker.url) as client:
            site.publish([10] * 40, client)
            site.wait_done()
        wait_until(lambda: len(receiver.titles) == 2)
    assert len(site.rows(incidents)) == 1


def test_minutes_are_rolled_up(site: Site, redis_url: str) -> None:
    with running(site.loaded, redis_url):
        site.publish([30] * 150)
        site.wait_done()
        rolled = wait_until(lambda: len(site.rows(minutes)) >= 3 and site.rows(minutes), 15)
    full = rolled[1]
    assert full.count_mean == pytest.approx(30)
    assert full.readings == 60
    assert full.unknown_share == pytest.approx(0)


def test_an_incident_of_a_zone_that_is_no_longer_configured_is_cleared(
    site: Site, redis_url: str, receiver: Receiver, make_site: MakeSite, tmp_path: Path
) -> None:
    with running(site.loaded, redis_url):
        site.publish([50] * 20)
        wait_until(lambda: receiver.titles)
        wait_until(lambda: not site.unsettled())
    changed = make_site(tmp_path, alerts={"channels": [{"name": "hook", "url": receiver.url}]})
    with running(changed, redis_url):
        wait_until(lambda: len(receiver.titles) == 2)
    assert receiver.titles[1] == "[NORMAL] gate-1 / all: no longer watched, cleared"
    assert site.rows(incidents)[0].cleared_at is not None


def test_an_unreachable_history_is_one_clear_sentence(
    make_site: MakeSite, tmp_path: Path, redis_url: str
) -> None:
    (tmp_path / "folder").mkdir()
    loaded = make_site(tmp_path, history={"url": "sqlite:///folder"})
    with pytest.raises(RuntimeError, match="folder"):
        service.run(loaded, redis_url, threading.Event())


def test_a_covered_lens_neither_clears_nor_counts(site: Site, redis_url: str) -> None:
    def say(reason: Reason | None) -> None:
        live = CameraState.LIVE
        said = State(camera="gate-1", at=site.at, state=live, reason=reason, since=site.at + 1)
        site.client.xadd(Keys().states(0), said.to_fields())

    def counts(people: float) -> bool:
        """Whether one more reading is stored, once the service has passed it."""
        site.publish([people])
        last = site.client.xrevrange(READINGS, count=1)[0][0]

        def passed() -> bool:
            (group,) = site.client.xinfo_groups(READINGS)
            return group["last-delivered-id"] == last and group["pending"] == 0

        wait_until(passed)
        return site.is_done()

    with running(site.loaded, redis_url):
        site.publish([50] * 20)
        site.wait_done()
        say(Reason.COVERED)
        wait_until(lambda: not counts(50))
        assert not any(counts(0) for _ in range(40))  # more than clear_after
        say(None)
        wait_until(lambda: counts(70))
    (incident,) = site.rows(incidents)
    assert incident.cleared_at is None
    assert site.rows(zone_states)[0].smoothed == pytest.approx(70)
    scenes = [row.at for row in site.rows(zone_snapshots) if row.new_scene]
    assert scenes == [site.at]
