"""One worker: takes frames, counts them in batches, publishes what they say."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import redis
import structlog
from numpy.typing import NDArray

from core.messages import Frame
from core.settings import ModelSettings
from inference.capacity import Capacity, CountsPictures, batch_limit
from inference.decoding import PictureError, decode_picture
from inference.frame_queue import Count, LiveFrames, counter_name
from inference.publisher import CountedFrame, Publisher
from inference.recorded_queue import RecordedFrames

if TYPE_CHECKING:
    from models.counter import CrowdReading

WAIT_MS = 1000  # for a frame; also how soon a stop is noticed
RECORDED_WAIT_S = 0.05  # between looks at recorded files that have nothing new
FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 5.0

log = structlog.get_logger(__name__)


class SharedCounter:
    """The model behind a lock: the worker's loop and the `count` command take turns."""

    def __init__(self, counter: CountsPictures, model: ModelSettings) -> None:
        self._counter = counter
        self._model = model
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        return self._counter.device

    def use(self, model: ModelSettings) -> None:
        """Count with these steps and samples from now on."""
        self._model = model

    def count(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        max_side: int,
        steps: int | None = None,
        samples: int | None = None,
    ) -> list[CrowdReading]:
        """One reading per picture, with the site's steps and samples where none are given."""
        with self._lock:
            return self._counter.count(
                pictures,
                steps=steps or self._model.steps,
                samples=samples or self._model.samples,
                max_side=max_side,
            )


@dataclass(frozen=True)
class _Taken:
    """A frame in hand; ``entry`` is set where it must be counted."""

    frame: Frame
    entry: bytes | None = None


class Worker:
    """The loop. Survives the broker's absence; a bad frame or picture is counted and left behind.

    Args:
        age_limit_s: the shortest age limit of the site's cameras, which bounds a batch.
        tick: called between batches; says that the loop goes on, and refits the capacity.
        workers: how many workers live, this one included.
    """

    def __init__(
        self,
        counter: SharedCounter,
        live: LiveFrames,
        recorded: RecordedFrames,
        publisher: Publisher,
        capacity: Capacity,
        *,
        age_limit_s: float,
        count: Count,
        tick: Callable[[], None],
        workers: Callable[[], int],
    ) -> None:
        self._counter = counter
        self._live = live
        self._recorded = recorded
        self._publisher = publisher
        self._capacity = capacity
        self._age_limit_s = age_limit_s
        self._count = count
        self._tick = tick
        self._workers = workers

    def run(self, stop: threading.Event) -> None:
        """Count until ``stop`` is set; the batch in hand is finished and published first."""
        backoff_s = FIRST_BACKOFF_S
        while not stop.is_set():
            try:
                self._tick()
                self._count_batch(stop)
                backoff_s = FIRST_BACKOFF_S
            except redis.RedisError as error:
                self._recorded.forget()
                if self._created_groups(error):
                    continue
                log.warning("broker away, trying again", error=str(error), wait_s=backoff_s)
                stop.wait(backoff_s * random.uniform(0.7, 1.3))  # noqa: S311 - jitter, no secret
                backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)
        try:
            self._recorded.release()
        except redis.RedisError:
            log.info("leases left to expire: the broker is away")

    def _created_groups(self, error: redis.RedisError) -> bool:
        """Create the consumer groups again where they vanished (FLUSHALL, a new broker)."""
        if "NOGROUP" not in str(error) and "no longer exists" not in str(error):
            return False
        try:
            self._live.create_groups()
            self._recorded.create_groups()
        except redis.RedisError:
            return False
        log.info("consumer groups created")
        return True

    def _count_batch(self, stop: threading.Event) -> None:
        limit = batch_limit(self._capacity.frame_ms, self._age_limit_s, self._counter.device)
        taken = self._take(limit)
        if not taken:
            if len(self._recorded):
                stop.wait(RECORDED_WAIT_S)
            return
        start = time.perf_counter()
        counted = self._counted(taken)
        published = self._publisher.publish(counted, self._is_in_time)
        elapsed_ms = (time.perf_counter() - start) * 1000
        if counted:
            self._capacity.add_frames(elapsed_ms, len(counted))
        for item in published:
            self._count(counter_name("frames", item.frame.camera), 1)
            self._count("headcount_inference_seconds_total", item.result.ms / 1000)

    def _is_in_time(self, frame: Frame, published_at: int) -> bool:
        """Whether a live frame may still be published: never beyond its age limit."""
        return self._live.is_fresh(frame, at_ms=published_at)

    def _take(self, limit: int) -> list[_Taken]:
        """Live frames first, as they age; recorded ones fill the batch, one at least."""
        wait_ms = 0 if len(self._recorded) else WAIT_MS
        frame_s = self._capacity.frame_ms / 1000
        taken = [_Taken(frame) for frame in self._live.take(limit, wait_ms, frame_s)]
        if len(self._recorded):
            room = max(1, limit - len(taken))
            recorded = self._recorded.take(room, self._workers())
            taken += [_Taken(item.frame, item.entry) for item in recorded]
        return taken

    def _counted(self, taken: Sequence[_Taken]) -> list[CountedFrame]:
        """What the model says of the frames that decode."""
        pictures: list[NDArray[np.uint8]] = []
        decoded: list[_Taken] = []
        for item in taken:
            try:
                pictures.append(decode_picture(item.frame.jpeg))
                decoded.append(item)
            except PictureError as error:
                self._fail(item, "decode_errors", error)
        results = self._results(decoded, pictures)
        return [
            CountedFrame(item.frame, picture, result, item.entry, self._capacity.max_side)
            for item, picture, result in zip(decoded, pictures, results, strict=True)
            if result is not None
        ]

    def _results(
        self, taken: Sequence[_Taken], pictures: Sequence[NDArray[np.uint8]]
    ) -> list[CrowdReading | None]:
        """A reading per picture; where a batch fails, each is tried on its own."""
        if not pictures:
            return []
        max_side = self._capacity.max_side
        try:
            return list(self._counter.count(pictures, max_side))
        except (RuntimeError, ValueError) as error:  # out of memory, a degenerate picture
            if len(pictures) == 1:
                self._fail(taken[0], "model_errors", error)
                return [None]
        return [
            self._results([item], [picture])[0]
            for item, picture in zip(taken, pictures, strict=True)
        ]

    def _fail(self, item: _Taken, counter: str, error: Exception) -> None:
        """Count the error and leave the frame behind for good."""
        frame = item.frame
        self._count(counter_name(counter, frame.camera), 1)
        log.warning("frame not counted", camera=frame.camera, seq=frame.seq, error=str(error))
        if item.entry is not None:
            self._recorded.drop(frame.camera, item.entry)
