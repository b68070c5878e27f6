"""A worker on a real broker: what it publishes, what it leaves behind, what it survives."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest

from core.broker import LocalBroker, connect
from core.clock import Clock
from core.messages import FRAMES_KEPT, Keys
from tests.inference.conftest import Bench, SpotCounter, camera, spots_jpeg
from tests.waiting import wait_until


def test_a_frame_becomes_a_reading_and_a_picture(bench: Bench) -> None:
    bench.put("hall", seq=7, people=5, position_s=1.5)
    bench.start(bench.worker([camera("hall")]))
    (reading,) = wait_until(bench.readings)
    assert (reading.camera, reading.seq, reading.position_s) == ("hall", 7, 1.5)
    assert reading.count == 5
    assert reading.low < 5 < reading.high
    assert sum(weight for _, _, weight in reading.heads) == pytest.approx(reading.count)
    assert reading.heads[0][:2] == pytest.approx((19.5 / 320, 19.5 / 180), abs=0.01)
    assert (reading.width, reading.height) == (320, 180)
    assert (reading.model, reading.model_hash) == ("spots", "0123456789ab")
    assert reading.published_at >= reading.captured_at
    (picture,) = wait_until(lambda: bench.pictures("hall"))
    assert (picture.seq, picture.jpeg) == (7, spots_jpeg(5))


def test_the_crowd_map_keeps_the_people(bench: Bench) -> None:
    bench.put("hall", seq=1, people=9)
    bench.start(bench.worker([camera("hall")]))
    (reading,) = wait_until(bench.readings)
    assert reading.crowd_map is not None
    grey = cv2.imdecode(np.frombuffer(reading.crowd_map, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    assert grey.shape == (90, 160)
    assert grey.sum() / 255 * reading.crowd_map_peak == pytest.approx(9)


def test_frames_are_gone_once_taken(bench: Bench) -> None:
    bench.put("hall", seq=1)
    bench.start(bench.worker([camera("hall")]))
    wait_until(bench.readings)
    assert bench.client.xlen(bench.keys.frames("hall")) == 0


def test_the_newest_frame_wins(bench: Bench) -> None:
    bench.put("hall", seq=1)
    bench.put("hall", seq=2)
    bench.start(bench.worker([camera("hall")]))
    wait_until(bench.readings)
    bench.put("hall", seq=3)
    wait_until(lambda: len(bench.readings()) == 2)
    assert [reading.seq for reading in bench.readings()] == [2, 3]


def test_a_frame_beyond_its_age_limit_is_never_counted(bench: Bench) -> None:
    bench.put("hall", seq=1, captured_at=bench.clock.now_ms() - 3500)
    bench.put("gate", seq=1, captured_at=bench.clock.now_ms() - 3500)
    bench.start(bench.worker([camera("hall"), camera("gate", age_limit=10)]))
    (reading,) = wait_until(bench.readings)
    assert reading.camera == "gate"
    assert bench.counts['headcount_worker_dropped_old_total{camera="hall"}'] == 1


def test_a_frame_that_grows_too_old_while_it_is_counted_is_not_published(bench: Bench) -> None:
    counter = SpotCounter()
    counter.go_on.clear()
    bench.put("hall", seq=1)
    bench.start(bench.worker([camera("hall", age_limit=0.5)], counter))
    assert counter.entered.wait(10)
    wait_until(lambda: bench.clock.now_ms() - bench.last_captured_at > 500)
    counter.go_on.set()
    wait_until(lambda: bench.counts.get('headcount_worker_dropped_old_total{camera="hall"}'))
    bench.put("hall", seq=2)
    (reading,) = wait_until(bench.readings)
    assert reading.seq == 2


def test_a_frame_that_came_twice_is_counted_once(bench: Bench) -> None:
    bench.put("hall", seq=1, captured_at=(at := bench.clock.now_ms()))
    bench.start(bench.worker([camera("hall")]))
    wait_until(bench.readings)
    bench.put("hall", seq=1, captured_at=at)  # ingest did not hear the broker's answer
    wait_until(lambda: bench.client.xlen(bench.keys.frames("hall")) == 0)
    bench.put("hall", seq=2)
    wait_until(lambda: [reading.seq for reading in bench.readings()] == [1, 2])


def test_a_batch_takes_the_newest_frame_of_each_camera(bench: Bench) -> None:
    counter = SpotCounter()
    counter.device = "cuda"
    cameras = [camera(name) for name in ("a", "b", "c", "d")]
    for seq in (1, 2):
        for each in cameras:
            bench.put(each.id, seq=seq)
    bench.start(bench.worker(cameras, counter))
    wait_until(lambda: len(bench.readings()) == 4)
    assert counter.batches == [4]
    assert {(reading.camera, reading.seq) for reading in bench.readings()} == {
        (name, 2) for name in ("a", "b", "c", "d")
    }


def test_at_three_times_the_load_no_reading_is_older_than_the_limit(bench: Bench) -> None:
    """One worker that counts 25 frames a second is sent 75, over six cameras, for three seconds."""
    limit_s, frame_s = 0.6, 0.04
    cameras = [camera(f"c{number}", age_limit=limit_s, fps=25) for number in range(6)]
    bench.start(bench.worker(cameras, SpotCounter(wait_s=frame_s), frame_ms=frame_s * 1000))
    sent = {each.id: 1 for each in cameras}
    for each in cameras:  # the first of each, so that all that is missed later is known
        bench.put(each.id, seq=1)
        wait_until(lambda each=each: not bench.client.xlen(bench.keys.frames(each.id)))
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        for each in cameras:
            sent[each.id] += 1
            bench.put(each.id, seq=sent[each.id], maxlen=FRAMES_KEPT)
        time.sleep(6 / 75)

    def told() -> dict[str, float]:
        """Frames of each camera that were counted, or said to be lost."""
        return {
            name: sum(
                bench.counts.get(f'headcount_worker_{what}_total{{camera="{name}"}}', 0)
                for what in ("frames", "missed", "dropped_old")
            )
            for name in sent
        }

    wait_until(lambda: told() == sent)  # every frame is accounted for
    readings = bench.readings()
    assert max(each.published_at - each.captured_at for each in readings) <= 1000 * limit_s
    assert {each.camera for each in readings} == sent.keys()  # no camera starves
    assert len(readings) < sum(sent.values())


def test_gaps_in_the_numbers_are_counted_as_missed(bench: Bench) -> None:
    bench.put("hall", seq=10)
    bench.start(bench.worker([camera("hall")]))
    wait_until(bench.readings)
    bench.put("hall", seq=14)
    wait_until(lambda: len(bench.readings()) == 2)
    assert bench.counts['headcount_worker_missed_total{camera="hall"}'] == 3


def test_an_ingest_that_started_anew_is_no_gap(bench: Bench) -> None:
    bench.put("hall", seq=10)
    bench.start(bench.worker([camera("hall")]))
    wait_until(bench.readings)
    bench.put("hall", seq=5_000_000)
    wait_until(lambda: len(bench.readings()) == 2)
    assert 'headcount_worker_missed_total{camera="hall"}' not in bench.counts


def test_a_broken_jpeg_is_counted_and_the_next_frame_goes_on(bench: Bench) -> None:
    bench.put("hall", seq=1, jpeg=b"\xff\xd8 no picture")
    bench.put("gate", seq=1, jpeg=b"")
    bench.start(bench.worker([camera("hall"), camera("gate")]))
    name = 'headcount_worker_decode_errors_total{{camera="{}"}}'
    wait_until(lambda: all(bench.counts.get(name.format(each)) for each in ("hall", "gate")))
    bench.put("hall", seq=2)
    (reading,) = wait_until(bench.readings)
    assert reading.seq == 2


def test_an_entry_that_is_no_frame_is_left_behind(bench: Bench) -> None:
    bench.client.xadd(bench.keys.frames("hall"), {"v": "99", "json": "{}"})
    bench.start(bench.worker([camera("hall")]))
    wait_until(lambda: bench.counts.get('headcount_worker_decode_errors_total{camera="hall"}'))
    bench.put("hall", seq=1)
    wait_until(bench.readings)


def test_a_picture_that_the_model_refuses_does_not_stop_the_others(bench: Bench) -> None:
    bench.put("hall", seq=1, jpeg=spots_jpeg(0, height=13))
    bench.put("gate", seq=1)
    bench.start(bench.worker([camera("hall"), camera("gate")]))
    (reading,) = wait_until(bench.readings)
    assert reading.camera == "gate"
    wait_until(lambda: bench.counts.get('headcount_worker_model_errors_total{camera="hall"}'))


def test_a_fast_camera_does_not_starve_the_others(bench: Bench) -> None:
    cameras = [camera(name) for name in ("a", "b", "c", "d")]
    counter = SpotCounter(wait_s=0.01)
    for each in cameras:
        bench.put(each.id, seq=1)
    bench.start(bench.worker(cameras, counter))
    for seq in range(2, 30):
        bench.put("a", seq=seq)
    wait_until(lambda: {reading.camera for reading in bench.readings()} == {"a", "b", "c", "d"})


def test_two_workers_share_and_count_nothing_twice(bench: Bench) -> None:
    cameras = [camera(name) for name in ("a", "b", "c", "d")]
    bench.start(bench.worker(cameras, SpotCounter(wait_s=0.02), "worker-1"))
    bench.start(bench.worker(cameras, SpotCounter(wait_s=0.02), "worker-2"))
    for seq in range(1, 11):
        for each in cameras:
            bench.put(each.id, seq=seq)
        done = 4 * seq
        wait_until(lambda done=done: len(bench.readings()) >= done)
    readings = bench.readings()
    assert len({(reading.camera, reading.seq) for reading in readings}) == len(readings) == 40
    assert {reading.worker for reading in readings} == {"worker-1", "worker-2"}


def test_stopping_publishes_what_was_taken(bench: Bench) -> None:
    counter = SpotCounter()
    counter.go_on.clear()
    bench.put("hall", seq=1)
    stop = bench.start(bench.worker([camera("hall")], counter))
    assert counter.entered.wait(10)
    stop.set()
    counter.go_on.set()
    wait_until(bench.readings)


def test_groups_come_back_after_the_broker_was_emptied(bench: Bench) -> None:
    bench.put("hall", seq=1)
    bench.start(bench.worker([camera("hall")]))
    wait_until(bench.readings)
    bench.client.flushall()
    bench.put("hall", seq=2)
    wait_until(lambda: [reading.seq for reading in bench.readings()] == [2])


def test_a_worker_goes_on_when_the_broker_returns() -> None:
    with LocalBroker() as first:
        folder_url = first.url
        client = connect(folder_url)
        bench = Bench(folder_url, client, Keys(), Clock(client))
        worker = bench.worker([camera("hall")])
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        bench.put("hall", seq=1)
        wait_until(bench.readings)
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        client.execute_command("CLIENT", "PAUSE", "300", "ALL")
        client.flushall()
        bench.put("hall", seq=2)
        wait_until(lambda: [reading.seq for reading in bench.readings()] == [2])
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
        client.close()


def test_readings_of_dense_crowds_are_kept_as_far_as_the_broker_has_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 2**19  # bytes
    monkeypatch.setattr("inference.publisher.READINGS_BYTES", room)
    monkeypatch.setattr("inference.publisher.READINGS_KEPT_AT_LEAST", 10)
    bench.start(bench.worker([camera("hall", age_limit=60)]))
    for seq in range(1, 601):
        bench.put("hall", seq=seq, people=40)
        wait_until(lambda: not bench.client.xlen(bench.keys.frames("hall")), every_s=0.001)
    wait_until(lambda: bench.readings()[-1].seq == 600)
    assert bench.client.memory_usage(bench.keys.readings(0)) < 1.5 * room
    assert len(bench.readings()) > 100


@pytest.mark.parametrize("pictures", ["none", "blurred"])
def test_privacy_is_applied_before_a_picture_goes_on(bench: Bench, pictures: str) -> None:
    bench.put("hall", seq=1, people=4)
    bench.start(bench.worker([camera("hall")], pictures=pictures))
    (reading,) = wait_until(bench.readings)
    assert reading.count == 4
    published = bench.pictures("hall")
    if pictures == "none":
        assert published == []
    else:
        decoded = cv2.imdecode(np.frombuffer(published[0].jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        assert decoded.shape == (180, 320)
        steps = np.abs(np.diff(decoded.astype(int), axis=1))
        assert steps.max() < 100  # the spots have lost their edges


def test_each_camera_has_its_own_privacy_and_what_was_there_before_goes(bench: Bench) -> None:
    for name in ("hall", "hidden"):
        earlier = {"v": "1", "jpeg": b"\xff\xd8\xff full"}
        bench.client.xadd(bench.keys.pictures(name), earlier)  # before the site file was changed
        bench.put(name, seq=1, people=4)
    bench.start(bench.worker([camera("hall"), camera("hidden", privacy="none")]))

    wait_until(lambda: len(bench.readings()) == 2)

    wait_until(lambda: bench.client.xlen(bench.keys.pictures("hall")) == 2)
    assert not bench.client.exists(bench.keys.pictures("hidden"))


def test_pictures_older_than_ten_seconds_are_gone(bench: Bench) -> None:
    old = bench.clock.now_ms() - 20_000
    bench.client.xadd(bench.keys.pictures("hall"), {"v": "1"}, id=f"{old}-0")
    bench.put("hall", seq=1)
    bench.start(bench.worker([camera("hall")]))
    wait_until(bench.readings)
    assert [picture.seq for picture in bench.pictures("hall")] == [1]
