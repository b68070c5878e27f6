"""Recorded files with policy `every`: nothing is lost, in order, one worker at a time a camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from core.messages import WORKERS_GROUP
from inference.recorded_queue import MOST_TRIES, RecordedFrames
from tests.inference.conftest import Bench, SpotCounter, recorded_camera
from tests.lossy_network import LossyNetwork
from tests.waiting import wait_until


def put_recording(bench: Bench, camera: str, frames: int, first: int = 1) -> None:
    """Frames stamped a minute ago: their age must not matter."""
    start = bench.clock.now_ms() - 60_000
    for seq in range(first, first + frames):
        bench.put(camera, seq, captured_at=start + seq * 100, must_count=True)


def queue(bench: Bench, *cameras: str, name: str = "worker-1") -> RecordedFrames:
    settings = [recorded_camera(camera) for camera in cameras]
    frames = RecordedFrames(
        bench.client, bench.client, bench.keys, settings, name, 10_000, bench.count
    )
    frames.create_groups()
    return frames


def test_every_frame_is_counted_in_order_and_acknowledged(bench: Bench) -> None:
    put_recording(bench, "tape", 20)
    bench.start(bench.worker([recorded_camera("tape")]))
    wait_until(lambda: len(bench.readings()) == 20)
    assert [reading.seq for reading in bench.readings()] == list(range(1, 21))
    assert bench.client.xlen(bench.keys.frames("tape")) == 0
    pending: Any = bench.client.xpending(bench.keys.frames("tape"), WORKERS_GROUP)
    assert pending["pending"] == 0


def test_a_broken_frame_does_not_block_the_recording(bench: Bench) -> None:
    bench.put("tape", 1, must_count=True, jpeg=b"no picture")
    bench.put("tape", 2, must_count=True)
    bench.start(bench.worker([recorded_camera("tape")]))
    (reading,) = wait_until(bench.readings)
    assert reading.seq == 2
    assert wait_until(lambda: bench.client.xlen(bench.keys.frames("tape")) == 0)


def test_only_the_holder_of_the_lease_takes_frames(bench: Bench) -> None:
    put_recording(bench, "tape", 4)
    first = queue(bench, "tape", name="worker-1")
    second = queue(bench, "tape", name="worker-2")
    assert [item.frame.seq for item in first.take(2, workers=1)] == [1, 2]
    assert second.take(2, workers=1) == []


def test_the_frames_of_a_dead_worker_are_counted_by_the_next(bench: Bench) -> None:
    put_recording(bench, "tape", 3)
    dead = queue(bench, "tape", name="worker-1")
    assert len(dead.take(2, workers=1)) == 2  # taken, never acknowledged
    bench.client.delete(bench.keys.frames("tape") + ":lease")  # its lease has expired
    bench.start(bench.worker([recorded_camera("tape")], name="worker-2"))
    wait_until(lambda: len(bench.readings()) == 3)
    assert [reading.seq for reading in bench.readings()] == [1, 2, 3]


def test_a_worker_that_lost_the_broker_takes_its_own_frames_again(bench: Bench) -> None:
    put_recording(bench, "tape", 2)
    frames = queue(bench, "tape")
    assert [item.frame.seq for item in frames.take(1, workers=1)] == [1]
    frames.forget()
    assert [item.frame.seq for item in frames.take(2, workers=1)] == [1, 2]


def test_frames_whose_answer_was_lost_are_counted_before_later_ones(
    bench: Bench, tmp_path: Path
) -> None:
    put_recording(bench, "tape", 1)
    with LossyNetwork(tmp_path, bench.url.removeprefix("unix://")) as network:
        counter = SpotCounter()
        counter.go_on.clear()
        bench.start(replace(bench, url=network.url).worker([recorded_camera("tape")], counter))
        assert counter.entered.wait(10)  # the worker holds the first frame
        put_recording(bench, "tape", 2, first=2)
        network.lose_answer_holding(b"captured_at")
        counter.go_on.set()
        assert network.lost.wait(10)
        wait_until(lambda: len(bench.readings()) == 3)
        bench.stop()
    assert [reading.seq for reading in bench.readings()] == [1, 2, 3]


def test_a_frame_that_two_workers_counted_is_one_reading(bench: Bench) -> None:
    put_recording(bench, "tape", 2)
    slow, quick = SpotCounter(), SpotCounter()
    slow.go_on.clear()
    bench.start(bench.worker([recorded_camera("tape")], slow, "slow"))
    assert slow.entered.wait(10)  # it hangs in its first frame, and its lease runs out
    bench.client.delete(bench.keys.frames("tape") + ":lease")
    bench.start(bench.worker([recorded_camera("tape")], quick, "quick"))
    wait_until(lambda: len(bench.readings()) == 2)
    slow.go_on.set()
    wait_until(lambda: len(slow.done) > 0)
    put_recording(bench, "tape", 3)  # the first two again, and one more
    wait_until(lambda: bench.client.xlen(bench.keys.frames("tape")) == 0)
    assert [reading.seq for reading in bench.readings()] == [1, 2, 3]


def test_a_full_broker_loses_no_recorded_frame(bench: Bench) -> None:
    put_recording(bench, "tape", 3)
    used = int(bench.client.info("memory")["used_memory"])
    before = bench.client.config_get("maxmemory")["maxmemory"]

    def refused() -> int:
        return int(bench.client.info("commandstats")["cmdstat_set"]["rejected_calls"])

    bench.client.set("x", "y")
    refused_before = refused()
    bench.client.config_set("maxmemory", used // 2)
    try:
        bench.start(bench.worker([recorded_camera("tape")]))
        wait_until(lambda: refused() > refused_before)
        assert bench.readings() == []
    finally:
        bench.client.config_set("maxmemory", before)
    wait_until(lambda: len(bench.readings()) == 3)
    assert [reading.seq for reading in bench.readings()] == [1, 2, 3]


def test_a_frame_that_ends_every_worker_is_given_up_and_the_rest_is_counted(bench: Bench) -> None:
    put_recording(bench, "tape", 2)
    for number in range(MOST_TRIES):
        dead = queue(bench, "tape", name=f"worker-{number}")
        assert dead.take(1, workers=1)[0].frame.seq == 1
        bench.client.delete(bench.keys.frames("tape") + ":lease")
    bench.start(bench.worker([recorded_camera("tape")], name="last"))
    (reading,) = wait_until(bench.readings)
    assert reading.seq == 2
    assert bench.counts['headcount_worker_given_up_total{camera="tape"}'] == 1


def test_workers_share_the_recordings(bench: Bench) -> None:
    cameras = ("a", "b", "c", "d")
    for camera in cameras:
        put_recording(bench, camera, 2)
    first = queue(bench, *cameras, name="worker-1")
    second = queue(bench, *cameras, name="worker-2")
    taken = [
        {item.frame.camera for item in frames.take(8, workers=2)} for frames in (first, second)
    ]
    assert [len(names) for names in taken] == [2, 2]
    assert taken[0] | taken[1] == set(cameras)


def test_a_worker_that_joins_gets_its_share(bench: Bench) -> None:
    for camera in ("a", "b"):
        put_recording(bench, camera, 1)
    first = queue(bench, "a", "b", name="worker-1")
    assert len(first.take(8, workers=1)) == 2
    first.take(8, workers=2)  # sees that it holds too much
    second = queue(bench, "a", "b", name="worker-2")
    assert len(second.take(8, workers=2)) == 1


def test_leases_are_given_back_on_stop(bench: Bench) -> None:
    put_recording(bench, "tape", 1)
    stop = bench.start(bench.worker([recorded_camera("tape")], SpotCounter()))
    wait_until(bench.readings)
    stop.set()
    wait_until(lambda: not bench.client.exists(bench.keys.frames("tape") + ":lease"))
