import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from core.broker import connect
from core.clock import Clock, local_ms
from core.live import LiveView
from core.messages import CameraState, Heartbeat, Keys, Message, Picture, Reading, Reason, Service
from core.messages import State as CameraStateMessage
from core.settings import CameraSettings
from tests.core.messages_of import heartbeat, picture, reading, state
from tests.restartable_broker import RestartableBroker
from tests.waiting import wait_until

KEYS = Keys(shards=2)
CAMERAS = [CameraSettings(id=name, source="rtsp://h/x") for name in ("gate-1", "hall", "roof")]


def publish(client: redis.Redis, *messages: Message, entry_id: str = "*") -> None:
    for message in messages:
        stream = {
            Heartbeat: lambda item: KEYS.heartbeats(),
            Reading: lambda item: KEYS.readings(KEYS.shard(item.camera)),
            CameraStateMessage: lambda item: KEYS.states(KEYS.shard(item.camera)),
            Picture: lambda item: KEYS.pictures(item.camera),
        }[type(message)](message)
        client.xadd(stream, message.to_fields(), id=entry_id)


def view_of(url: str, *, pictures: bool = True) -> LiveView:
    return LiveView(url, KEYS, CAMERAS, pictures=pictures)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules at a pace for tests."""
    monkeypatch.setattr("core.live._BLOCK_MS", 100)
    monkeypatch.setattr("core.live._SILENCE_S", 2.0)
    monkeypatch.setattr("core.follow._CHECK_EVERY_S", 0.5)


@pytest.fixture
def view(redis_url: str) -> Iterator[LiveView]:
    live = view_of(redis_url)
    live.start()
    wait_until(lambda: live.broker_ok)
    yield live
    live.stop()


def test_a_camera_that_all_services_serve_is_ok(view: LiveView, redis_client: redis.Redis) -> None:
    assert view.status("gate-1").reason is Reason.NO_INGEST
    now = view.clock.now_ms()
    publish(
        redis_client,
        heartbeat(Service.INGEST, now),
        heartbeat(Service.WORKER, now),
        state("gate-1", now),
        reading("gate-1", now, count=7),
    )
    assert wait_until(lambda: view.status("gate-1").ok)
    assert view.reading("gate-1").count == 7  # type: ignore[union-attr]
    assert {beat.service for beat in view.heartbeats()} == {Service.INGEST, Service.WORKER}
    assert view.status("hall").reason is Reason.STARTING


def test_what_was_there_before_is_found_at_the_start(
    redis_url: str, redis_client: redis.Redis
) -> None:
    now = local_ms()
    publish(
        redis_client, reading("hall", now - 5000, count=1), reading("hall", now - 4000, count=2)
    )
    publish(redis_client, *[reading("gate-1", now - 3000 + step) for step in range(350)])
    publish(redis_client, state("roof", now), picture("roof", now - 1000, b"1"))
    publish(redis_client, picture("roof", now, b"2"), heartbeat(Service.ALERTS, now))
    live = view_of(redis_url)
    live.start()
    try:
        wait_until(lambda: live.picture("roof") and live.reading("gate-1"))
        assert live.reading("hall").count == 2  # type: ignore[union-attr]
        assert live.reading("gate-1").seq == now - 3000 + 349  # type: ignore[union-attr]
        assert live.state("roof").state is CameraState.LIVE  # type: ignore[union-attr]
        assert live.picture("roof").jpeg == b"2"  # type: ignore[union-attr]
        assert live.picture("hall") is None
        assert [beat.service for beat in live.heartbeats()] == [Service.ALERTS]
    finally:
        live.stop()


def test_a_reading_older_than_the_last_is_ignored(
    view: LiveView, redis_client: redis.Redis
) -> None:
    now = view.clock.now_ms()
    publish(redis_client, reading("hall", now, count=5), reading("hall", now - 1000, count=9))
    publish(redis_client, reading("gate-1", now))
    wait_until(lambda: view.reading("gate-1") and view.reading("hall"))
    assert view.reading("hall").count == 5  # type: ignore[union-attr]


def test_a_picture_finds_the_reading_of_its_own_frame(
    view: LiveView, redis_client: redis.Redis
) -> None:
    now = view.clock.now_ms()
    publish(redis_client, *[reading("hall", now + step, count=step) for step in range(20)])
    wait_until(lambda: view.reading_of("hall", now + 19))
    assert view.reading_of("hall", now + 15).count == 15  # type: ignore[union-attr]
    assert view.reading_of("hall", now) is None
    assert view.reading_of("roof", now) is None


def test_unreadable_entries_and_other_cameras_are_passed_over(
    view: LiveView, redis_client: redis.Redis
) -> None:
    now = view.clock.now_ms()
    redis_client.xadd(KEYS.readings(0), {"v": "99"})
    redis_client.xadd(KEYS.readings(1), {"v": "1", "json": "{}"})
    publish(redis_client, reading("other", now), reading("hall", now))
    assert wait_until(lambda: view.reading("hall"))
    assert view.reading("other") is None


def test_waiting_ends_with_the_next_change(view: LiveView, redis_client: redis.Redis) -> None:
    before = view.wait(0, 10)  # the first change: the broker answers
    started = time.monotonic()
    assert view.wait(before, 0.2) == before
    assert time.monotonic() - started >= 0.2
    publish(redis_client, reading("hall", view.clock.now_ms()))
    assert view.wait(before, 5) > before
    assert view.reading("hall") is not None


def test_processes_that_fall_silent_are_gone(view: LiveView, redis_client: redis.Redis) -> None:
    now = view.clock.now_ms()
    publish(redis_client, heartbeat(Service.WORKER, now - 7000), heartbeat(Service.INGEST, now))
    assert [beat.service for beat in wait_until(view.heartbeats)] == [Service.INGEST]


def test_without_pictures_none_are_kept(redis_url: str, redis_client: redis.Redis) -> None:
    live = view_of(redis_url, pictures=False)
    live.start()
    try:
        now = local_ms()
        publish(redis_client, picture("hall", now), reading("hall", now))
        wait_until(lambda: live.reading("hall"))
        assert live.picture("hall") is None
    finally:
        live.stop()


def test_an_emptied_broker_is_followed_on(view: LiveView, redis_client: redis.Redis) -> None:
    now = view.clock.now_ms()
    publish(redis_client, reading("hall", now, count=1))
    wait_until(lambda: view.reading("hall"))
    # In the same millisecond the new entry would get the old one's id; cameras are not that fast.
    seen_at = view.clock.now_ms()
    wait_until(lambda: view.clock.now_ms() > seen_at + 1)
    redis_client.flushall()
    publish(redis_client, reading("hall", now + 1, count=2))
    wait_until(lambda: view.reading("hall").count == 2)  # type: ignore[union-attr]


def test_a_stream_that_begins_again_with_smaller_ids_is_followed_on(
    view: LiveView, redis_client: redis.Redis
) -> None:
    """As after a restart of the broker on a machine whose clock went back."""
    now = view.clock.now_ms()
    publish(redis_client, reading("hall", now, count=1))
    wait_until(lambda: view.reading("hall"))
    redis_client.delete(KEYS.readings(KEYS.shard("hall")))
    publish(redis_client, reading("hall", now + 1, count=2), entry_id="1000-0")
    wait_until(lambda: view.reading("hall").count == 2)  # type: ignore[union-attr]


def test_a_reading_from_a_clock_that_was_ahead_does_not_block_the_camera(
    view: LiveView, redis_client: redis.Redis
) -> None:
    now = view.clock.now_ms()
    publish(redis_client, reading("hall", now + 3_600_000, count=1))
    wait_until(lambda: view.reading("hall"))
    publish(redis_client, reading("hall", now, count=2))
    wait_until(lambda: view.reading("hall").count == 2)  # type: ignore[union-attr]


def test_a_broker_that_dies_is_said_and_its_return_is_noticed(tmp_path: Path) -> None:
    with RestartableBroker(tmp_path) as broker:
        live = view_of(broker.url)
        assert live.status("hall").reason is Reason.NO_BROKER
        live.start()
        try:
            with connect(broker.url) as client:
                publish(client, reading("hall", local_ms(), count=1))
                wait_until(lambda: live.reading("hall"))
                version = live.wait(-1, 0)
                broker.stop()
                wait_until(lambda: live.status("hall").reason is Reason.NO_BROKER)
                assert live.wait(version, 0) > version
                assert live.status("hall").age_s is not None
                broker.start()
                wait_until(lambda: live.broker_ok)
                publish(client, reading("hall", local_ms(), count=2))
                wait_until(lambda: live.reading("hall").count == 2)  # type: ignore[union-attr]
        finally:
            live.stop()


def test_a_broker_that_hangs_is_said_within_seconds(tmp_path: Path) -> None:
    with RestartableBroker(tmp_path) as broker:
        live = view_of(broker.url, pictures=False)
        live.start()
        wait_until(lambda: live.broker_ok)
        broker.freeze()
        try:
            started = time.monotonic()
            wait_until(lambda: live.status("hall").reason is Reason.NO_BROKER)
            assert time.monotonic() - started < 4
        finally:
            broker.thaw()
            live.stop()


def test_the_view_shares_the_brokers_clock(view: LiveView, redis_client: redis.Redis) -> None:
    assert abs(view.clock.now_ms() - Clock(redis_client).now_ms()) < 100
