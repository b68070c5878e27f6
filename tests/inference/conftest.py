"""A counter with a known answer, and a worker built as the service builds it, on a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import redis
from numpy.typing import NDArray

from core.broker import connect, connect_reader
from core.clock import Clock
from core.messages import Frame, Keys, Picture, Reading
from core.settings import CameraSettings, ModelSettings
from inference.capacity import Capacity
from inference.frame_queue import LiveFrames
from inference.publisher import ModelIdentity, Publisher
from inference.recorded_queue import RecordedFrames
from inference.worker import SharedCounter, Worker


class SpotCounter:
    """Counts the bright 8 x 8 spots of a dark picture: a counter whose truth the test draws."""

    device = "cpu"

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        self.batches: list[int] = []
        self.done: list[int] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def count(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        steps: int | None = None,
        samples: int = 1,
        max_side: int | None = None,
    ) -> list[Any]:
        self.entered.set()
        self.batches.append(len(pictures))
        assert self.go_on.wait(10)
        time.sleep(self.wait_s)
        results = [self._count(picture) for picture in pictures]
        self.done.append(len(pictures))
        return results

    def _count(self, picture: NDArray[np.uint8]) -> Any:
        if picture.shape[0] == 13:
            raise ValueError("a picture that no model can take")
        bright = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) > 128).astype(np.uint8)
        _, _, _, centres = cv2.connectedComponentsWithStats(bright)
        places = centres[1:]
        heads = np.column_stack([places, np.ones(len(places))]).astype(np.float32)
        crowd_map = np.zeros(picture.shape[:2], np.float32)
        for x, y in places:
            crowd_map[int(y), int(x)] += 1
        count = float(len(places))
        return SimpleNamespace(
            count=count,
            low=count * 0.8,
            high=count * 1.2,
            heads=heads,
            crowd_map=crowd_map,
            interval=((1.0, 1.0, 1.0), (10.0, 3.0, 4.0)),
            ms=5.0,
        )


def spots_jpeg(people: int, width: int = 320, height: int = 180) -> bytes:
    """A dark picture with so many bright spots, as a JPEG."""
    picture = np.zeros((height, width, 3), np.uint8)
    for index in range(people):
        x, y = 16 + 24 * (index % 12), 16 + 24 * (index // 12)
        picture[y : y + 8, x : x + 8] = 255
    encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert encoded
    return data.tobytes()


@dataclass
class Bench:
    """A broker with cameras' frames on it, and workers that count them."""

    url: str
    client: redis.Redis
    keys: Keys
    clock: Clock
    counts: dict[str, float] = field(default_factory=dict)
    last_captured_at: int = 0  # of the frame put last
    threads: list[tuple[threading.Thread, threading.Event]] = field(default_factory=list)

    def count(self, name: str, amount: float) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def put(
        self, camera: str, seq: int, people: int = 3, maxlen: int | None = None, **changes: Any
    ) -> None:
        """Publish a frame as ingest does."""
        frame = Frame(
            **{
                "camera": camera,
                "seq": seq,
                "captured_at": self.clock.now_ms(),
                "width": 320,
                "height": 180,
                "jpeg": spots_jpeg(people),
                **changes,
            }
        )
        fields: dict[Any, Any] = dict(frame.to_fields())
        self.last_captured_at = frame.captured_at
        self.client.xadd(self.keys.frames(camera), fields, maxlen=maxlen, approximate=False)

    def readings(self) -> list[Reading]:
        entries: Any = self.client.xrange(self.keys.readings(0))
        return [Reading.from_fields(fields) for _, fields in entries]

    def pictures(self, camera: str) -> list[Picture]:
        entries: Any = self.client.xrange(self.keys.pictures(camera))
        return [Picture.from_fields(fields) for _, fields in entries]

    def worker(
        self,
        cameras: Sequence[CameraSettings],
        counter: SpotCounter | None = None,
        name: str = "worker-1",
        pictures: Any = "full",
        lease_ms: int = 10_000,
        workers: Callable[[], int] = lambda: 1,
        frame_ms: float = 5.0,
    ) -> Worker:
        client = connect(self.url)
        reader = connect_reader(self.url, sends_again=False)
        live = [camera for camera in cameras if camera.play.policy == "newest"]
        recorded = [camera for camera in cameras if camera.play.policy == "every"]
        identity = ModelIdentity("spots", "0123456789ab")
        return Worker(
            SharedCounter(counter or SpotCounter(), ModelSettings()),
            LiveFrames(reader, client, self.keys, live, name, self.clock, self.count),
            RecordedFrames(reader, client, self.keys, recorded, name, lease_ms, self.count),
            Publisher(
                client,
                self.keys,
                self.clock,
                model=identity,
                worker=name,
                pictures={each.id: each.privacy or pictures for each in cameras},
            ),
            Capacity({640: frame_ms}, 1.0),
            age_limit_s=3.0,
            count=self.count,
            tick=lambda: None,
            workers=workers,
        )

    def start(self, worker: Worker) -> threading.Event:
        """Run the worker in a thread until the returned event (or the test's end)."""
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        self.threads.append((thread, stop))
        return stop

    def stop(self) -> None:
        for _, stop in self.threads:
            stop.set()
        for thread, _ in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look for their end often, so that they stop at once."""
    monkeypatch.setattr("inference.worker.WAIT_MS", 50)


@pytest.fixture
def bench(redis_url: str, redis_client: redis.Redis) -> Iterator[Bench]:
    bench = Bench(redis_url, redis_client, Keys(), Clock(redis_client))
    yield bench
    bench.stop()


def camera(name: str, **settings: Any) -> CameraSettings:
    return CameraSettings(id=name, source="rtsp://127.0.0.1/x", **settings)


def recorded_camera(name: str) -> CameraSettings:
    return CameraSettings(
        id=name,
        source=f"/videos/{name}.mp4",
        play={"repeat": False, "pace": "fast", "policy": "every"},
    )
