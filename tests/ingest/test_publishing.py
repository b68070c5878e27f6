from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
import redis

from core.broker import connect
from core.clock import Clock
from core.messages import EVERY_FRAMES_KEPT, FRAMES_KEPT, WORKERS_GROUP, Frame, Keys
from ingest.publishing import Captured, EveryFrame, NewestFrames
from tests.waiting import wait_until

KEYS = Keys()
STREAM = KEYS.frames("gate")


@pytest.fixture(scope="module")
def picture(videos: Path) -> Any:
    with av.open(str(videos / "hall.mp4")) as container:
        return next(container.decode(video=0))


@pytest.fixture
def newest(redis_url: str) -> Iterator[NewestFrames]:
    client = connect(redis_url)
    sink = NewestFrames(client, Clock(client), KEYS, "gate", max_side=320)
    yield sink
    sink.close()
    client.close()


def frames_on(client: redis.Redis) -> list[Frame]:
    return [Frame.from_fields(fields) for _, fields in client.xrange(STREAM)]


def captured(picture: Any, elapsed_s: float = 0.0, at: float | None = None) -> Captured:
    return Captured(picture, time.monotonic() if at is None else at, elapsed_s, elapsed_s)


def test_a_live_frame_arrives_sized_for_the_model_with_its_capture_time(
    newest: NewestFrames, redis_client: redis.Redis, picture: Any
) -> None:
    before_ms = time.time() * 1000
    newest.put(captured(picture, at=time.monotonic() - 0.25))
    frame = wait_until(lambda: frames_on(redis_client))[0]
    assert (frame.camera, frame.width, frame.height) == ("gate", 640, 360)
    assert not frame.must_count
    assert frame.seq == frame.captured_at
    assert frame.captured_at == pytest.approx(before_ms - 250, abs=100)
    with av.open(BytesIO(frame.jpeg), format="jpeg_pipe") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (320, 180)


def test_the_stream_keeps_the_newest_and_the_rest_are_drops(
    newest: NewestFrames, redis_client: redis.Redis, picture: Any
) -> None:
    for count in range(1, 8):
        newest.put(captured(picture))
        wait_until(lambda count=count: len(frames_on(redis_client)) == min(count, FRAMES_KEPT))
        wait_until(lambda count=count: newest.drops == max(0, count - FRAMES_KEPT))
    first, second = frames_on(redis_client)
    assert second.seq == first.seq + 1
    assert newest.frames == 7


def test_frames_that_a_worker_took_are_no_drops(
    newest: NewestFrames, redis_client: redis.Redis, picture: Any
) -> None:
    for _ in range(6):
        newest.put(captured(picture))
        entries = wait_until(lambda: redis_client.xrange(STREAM))
        redis_client.xdel(STREAM, entries[0][0])
    assert newest.drops == 0


def test_a_slow_publisher_skips_to_the_newest_frame(
    newest: NewestFrames, redis_client: redis.Redis, picture: Any
) -> None:
    for index in range(200):
        newest.put(captured(picture, elapsed_s=index))
    wait_until(lambda: [frame.position_s for frame in frames_on(redis_client)][-1:] == [199])
    assert newest.frames == 200
    wait_until(lambda: newest.drops == 200 - redis_client.xlen(STREAM))


@pytest.fixture
def every(redis_url: str) -> Iterator[EveryFrame]:
    yield from _every(redis_url)


def _every(url: str) -> Iterator[EveryFrame]:
    client = connect(url)
    stopping = threading.Event()
    clock = Clock(client)
    yield EveryFrame(client, clock, KEYS, "gate", 320, lambda: None, stopping)
    stopping.set()
    client.close()


def test_recorded_frames_are_stamped_by_their_place_in_the_file(
    every: EveryFrame, redis_client: redis.Redis, picture: Any
) -> None:
    for index in range(5):
        every.put(captured(picture, elapsed_s=index * 0.5))
    frames = frames_on(redis_client)
    assert [frame.captured_at - frames[0].captured_at for frame in frames] == [
        0,
        500,
        1000,
        1500,
        2000,
    ]
    assert [frame.seq - frames[0].seq for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.position_s for frame in frames] == [0, 0.5, 1, 1.5, 2]
    assert all(frame.must_count for frame in frames)


def test_ingest_waits_while_frames_are_not_counted_and_none_is_lost(
    every: EveryFrame, redis_client: redis.Redis, picture: Any
) -> None:
    total = EVERY_FRAMES_KEPT + 20
    feeder = threading.Thread(
        target=lambda: [every.put(captured(picture, index / 10)) for index in range(total)]
    )
    feeder.start()
    wait_until(lambda: redis_client.xlen(STREAM) == EVERY_FRAMES_KEPT)
    redis_client.xgroup_create(STREAM, WORKERS_GROUP, id="0")
    seqs: list[int] = []
    while len(seqs) < total:
        assert redis_client.xlen(STREAM) <= EVERY_FRAMES_KEPT
        reply = redis_client.xreadgroup(WORKERS_GROUP, "w", {STREAM: ">"}, count=4, block=2000)
        assert reply
        for entry, fields in reply[0][1]:
            seqs.append(Frame.from_fields(fields).seq)
            redis_client.xack(STREAM, WORKERS_GROUP, entry)  # acknowledged, but not deleted
    feeder.join(5)
    assert seqs == list(range(seqs[0], seqs[0] + total))


def test_frames_that_a_worker_holds_are_not_trimmed(
    every: EveryFrame, redis_client: redis.Redis, picture: Any
) -> None:
    for index in range(EVERY_FRAMES_KEPT):
        every.put(captured(picture, index / 10))
    redis_client.xgroup_create(STREAM, WORKERS_GROUP, id="0")
    redis_client.xreadgroup(WORKERS_GROUP, "dead", {STREAM: ">"}, count=EVERY_FRAMES_KEPT)
    threading.Thread(target=every.put, args=(captured(picture, 99.0),), daemon=True).start()
    time.sleep(0.3)  # nothing may happen in this time
    assert redis_client.xlen(STREAM) == EVERY_FRAMES_KEPT
    oldest = redis_client.xrange(STREAM, count=1)[0][0]
    redis_client.xack(STREAM, WORKERS_GROUP, oldest)
    wait_until(lambda: frames_on(redis_client)[-1].position_s == 99.0)


def test_a_restarted_service_stamps_after_the_last_fast_frame(
    redis_url: str, redis_client: redis.Redis, picture: Any
) -> None:
    for _ in range(2):
        for sink in _every(redis_url):
            sink.put(captured(picture, 0.0))
            sink.put(captured(picture, 600.0))  # ten minutes of a file, played in no time
    stamps = [frame.captured_at for frame in frames_on(redis_client)]
    assert stamps == sorted(set(stamps))
