"""What becomes of workers and viewers when the broker fails, on both servers we run on.

Nothing of ours is started again in these tests: whoever ran before the fault runs after it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
import redis

from core.broker import connect
from core.live import LiveView
from core.messages import WORKERS_GROUP, Keys, Reason
from inference.recorded_queue import RecordedFrames
from tests.inference.conftest import Bench, SpotCounter, camera, recorded_camera
from tests.restartable_broker import RestartableBroker
from tests.waiting import wait_until

HALL = camera("hall")


@pytest.fixture
def view(broker: RestartableBroker) -> Iterator[LiveView]:
    """A viewer, as the dashboard and alerts have one."""
    view = LiveView(broker.url, Keys(), [HALL], pictures=False)
    view.start()
    wait_until(lambda: view.broker_ok)
    yield view
    view.stop()


def counts_on(bench: Bench, view: LiveView, first: int) -> None:
    """Send frames from number ``first`` on until the viewer sees the reading of one of them."""
    numbers = count(first)

    def seen() -> bool:
        with suppress(redis.RedisError):
            bench.put("hall", next(numbers), maxlen=2)
        reading = view.reading("hall")
        return reading is not None and reading.seq >= first

    wait_until(seen, timeout_s=20, every_s=0.1)


def test_killed_and_started_again_empty(
    bench: Bench, view: LiveView, broker: RestartableBroker
) -> None:
    bench.start(bench.worker([HALL]))
    counts_on(bench, view, 1)
    broker.stop()
    wait_until(lambda: not view.broker_ok)
    assert view.status("hall").reason is Reason.NO_BROKER
    assert view.broker_trouble == "the broker cannot be reached"
    broker.start()
    counts_on(bench, view, 1000)
    wait_until(lambda: view.broker_ok)


def test_emptied_while_a_worker_waits(bench: Bench, view: LiveView) -> None:
    bench.start(bench.worker([HALL, recorded_camera("tape")]))
    counts_on(bench, view, 1)
    bench.client.flushall()
    counts_on(bench, view, 1000)
    bench.put("tape", 1, must_count=True)
    wait_until(lambda: bench.client.xlen(bench.keys.frames("tape")) == 0)


def test_out_of_memory(bench: Bench, view: LiveView) -> None:
    bench.start(bench.worker([HALL]))
    counts_on(bench, view, 1)
    bench.client.config_set("maxmemory", "100kb")
    wait_until(lambda: not view.broker_ok)
    status = view.status("hall")
    assert status.reason is Reason.NO_BROKER
    assert status.detail == "the broker is out of memory and takes no messages"
    bench.client.config_set("maxmemory", "0")
    counts_on(bench, view, 1000)
    wait_until(lambda: view.broker_ok)


def test_silent_for_a_while(bench: Bench, view: LiveView, broker: RestartableBroker) -> None:
    bench.start(bench.worker([HALL]))
    counts_on(bench, view, 1)
    broker.freeze()
    try:
        wait_until(lambda: not view.broker_ok)
        assert view.broker_trouble == "the broker does not answer"
    finally:
        broker.thaw()
    counts_on(bench, view, 1000)
    wait_until(lambda: view.broker_ok)


def test_another_password(bench: Bench, view: LiveView) -> None:
    bench.start(bench.worker([HALL]))
    counts_on(bench, view, 1)
    bench.client.config_set("requirepass", "another")
    bench.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try:
        wait_until(lambda: view.broker_trouble == "the broker refuses the password")
        assert view.status("hall").reason is Reason.NO_BROKER
    finally:
        bench.client.config_set("requirepass", "")
    counts_on(bench, view, 1000)
    wait_until(lambda: view.broker_ok)


def test_what_a_dead_worker_had_taken_is_counted_by_the_next(bench: Bench) -> None:
    """XAUTOCLAIM answers with two parts on Redis 6.2, with three on 7, and names deleted entries
    differently."""
    start = bench.clock.now_ms() - 60_000
    for seq in range(1, 6):
        bench.put("tape", seq, captured_at=start + seq * 100, must_count=True)
    settings = [recorded_camera("tape")]
    dead = RecordedFrames(
        bench.client, bench.client, bench.keys, settings, "dead", 10_000, bench.count
    )
    dead.create_groups()
    assert len(dead.take(3, workers=1)) == 3  # taken, never acknowledged
    stream = bench.keys.frames("tape")
    bench.client.xdel(stream, bench.client.xrange(stream, count=1)[0][0])  # and one is gone since
    bench.client.delete(f"{stream}:lease")
    bench.start(bench.worker(settings, name="next"))
    wait_until(lambda: len(bench.readings()) == 4)
    assert [reading.seq for reading in bench.readings()] == [2, 3, 4, 5]
    assert bench.client.xlen(stream) == 0


def test_a_worker_told_to_stop_publishes_what_it_holds_and_leaves_nothing_pending(
    bench: Bench,
) -> None:
    counter = SpotCounter()
    counter.go_on.clear()
    bench.put("hall", 1)
    bench.put("tape", 1, must_count=True)
    stop = bench.start(bench.worker([HALL, recorded_camera("tape")], counter))
    assert counter.entered.wait(10)
    stop.set()
    threading.Timer(0.2, counter.go_on.set).start()
    wait_until(lambda: {reading.camera for reading in bench.readings()} == {"hall", "tape"})
    pending: Any = bench.client.xpending(bench.keys.frames("tape"), WORKERS_GROUP)
    assert pending["pending"] == 0
    wait_until(lambda: not bench.client.exists(bench.keys.frames("tape") + ":lease"))


def test_the_servers_are_two(broker: RestartableBroker, request: pytest.FixtureRequest) -> None:
    with connect(broker.url) as client:
        version = str(client.info("server")["redis_version"])
    if "bundled" in request.node.callspec.id:
        assert version.startswith("6.2")
    else:
        assert int(version.split(".")[0]) >= 6
