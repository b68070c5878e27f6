"""Frames on their way to the workers, encoded and published.

`NewestFrames` holds one frame: while the broker or the encoder is slow, a newer frame takes its
place, so decoding never waits. `EveryFrame` waits instead: while `EVERY_FRAMES_KEPT` frames of the
camera are not yet counted, and while the broker is away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import redis
import structlog

from core.clock import Clock
from core.messages import (
    EVERY_FRAMES_GONE_S,
    EVERY_FRAMES_KEPT,
    FRAMES_GONE_S,
    FRAMES_KEPT,
    WORKERS_GROUP,
    Frame,
    Keys,
)
from ingest.picture import encode_jpeg

_STAMP_KEPT_S = 24 * 3600

log = structlog.get_logger()


@dataclass(frozen=True)
class Captured:
    """A frame that was picked to be counted."""

    picture: Any  # av.VideoFrame
    at: float  # when it was captured, seconds on the monotonic clock
    position_s: float | None  # in a recorded file
    elapsed_s: float  # played so far, repeats included; seconds


class FrameSink(Protocol):
    """Where captured frames go. Its counts are since the process started."""

    frames: int
    drops: int
    errors: int

    def put(self, captured: Captured) -> None: ...
    def missed(self, frames: int) -> None: ...
    def close(self) -> None: ...


class NewestFrames:
    """Live frames: newest wins, exactly `FRAMES_KEPT` on the stream. A thread publishes.

    Args:
        client: for short commands.
        max_side: longer side of the pictures, pixels.
    """

    def __init__(
        self, client: redis.Redis, clock: Clock, keys: Keys, camera: str, max_side: int
    ) -> None:
        self.frames = 0
        self.drops = 0
        self.errors = 0
        self._client = client
        self._clock = clock
        self._stream = keys.frames(camera)
        self._camera = camera
        self._max_side = max_side
        self._changed = threading.Condition()
        self._waiting: tuple[int, Captured] | None = None
        self._closed = False
        self._first_seq: int | None = None
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)
        self._thread.start()

    def put(self, captured: Captured) -> None:
        """Hand over a frame; never waits."""
        with self._changed:
            self.drops += self._waiting is not None
            self._waiting = (self.frames, captured)
            self.frames += 1
            self._changed.notify()

    def missed(self, frames: int) -> None:
        """Count frames that were due, but skipped because decoding had fallen behind."""
        with self._changed:
            self.drops += frames

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed or self._waiting is None:
                    return
                number, captured = self._waiting
                self._waiting = None
            try:
                self._publish(number, captured)
            except Exception:
                # One odd frame must not end the thread, and with it all that follow.
                log.exception("a frame could not be published", camera=self._camera)
                self.missed(1)

    def _publish(self, number: int, captured: Captured) -> None:
        age_ms = round((time.monotonic() - captured.at) * 1000)
        captured_at = self._clock.now_ms() - age_ms
        if self._first_seq is None:
            self._first_seq = captured_at - number
        frame = Frame(
            camera=self._camera,
            seq=self._first_seq + number,
            captured_at=captured_at,
            position_s=captured.position_s,
            width=captured.picture.width,
            height=captured.picture.height,
            jpeg=encode_jpeg(captured.picture, self._max_side),
        )
        try:
            pipeline = self._client.pipeline(transaction=True)
            pipeline.xlen(self._stream)
            pipeline.xadd(self._stream, _fields(frame), maxlen=FRAMES_KEPT, approximate=False)
            pipeline.expire(self._stream, FRAMES_GONE_S)
            waiting, *_ = pipeline.execute()
        except (redis.RedisError, OSError):
            lost = 1
            self.errors += 1
        else:
            # Workers delete what they take, so what is trimmed here was seen by none.
            lost = max(0, waiting + 1 - FRAMES_KEPT)
        self.missed(lost)


class EveryFrame:
    """Frames of a recording that must all be counted.

    Args:
        alive: called a few times a second while it waits.
        stopping: ends any wait.
    """

    WAIT_S = 0.05
    BROKER_RETRY_S = 1.0

    def __init__(
        self,
        client: redis.Redis,
        clock: Clock,
        keys: Keys,
        camera: str,
        max_side: int,
        alive: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        self.frames = 0
        self.drops = 0
        self.errors = 0
        self._client = client
        self._clock = clock
        self._stream = keys.frames(camera)
        self._stamp_key = f"{self._stream}:stamp"
        self._camera = camera
        self._max_side = max_side
        self._alive = alive
        self._stopping = stopping
        self._start_ms: int | None = None
        self._first_seq = 0

    def put(self, captured: Captured) -> None:
        """Publish a frame; returns when it is on the stream, or at a stop."""
        jpeg = encode_jpeg(captured.picture, self._max_side)
        number = self.frames
        self.frames += 1
        while not self._stopping.is_set():
            self._alive()
            try:
                if self._has_room():
                    self._publish(number, captured, jpeg)
                    return
                self._stopping.wait(self.WAIT_S)
            except (redis.RedisError, OSError):
                self.errors += 1
                self._stopping.wait(self.BROKER_RETRY_S)

    def missed(self, frames: int) -> None:
        """A recording misses none."""

    def close(self) -> None:
        """Nothing waits here."""

    def _has_room(self) -> bool:
        """Whether fewer than `EVERY_FRAMES_KEPT` frames are not yet counted.

        Workers delete a frame once its reading is published; frames that were acknowledged and
        not deleted are trimmed here.
        """
        if self._client.xlen(self._stream) < EVERY_FRAMES_KEPT:
            return True
        oldest = self._oldest_uncounted()
        if oldest is not None:
            self._client.xtrim(self._stream, minid=oldest, approximate=False)
        return bool(self._client.xlen(self._stream) < EVERY_FRAMES_KEPT)

    def _oldest_uncounted(self) -> bytes | None:
        for group in self._client.xinfo_groups(self._stream):
            if group["name"] == WORKERS_GROUP.encode():
                if group["pending"]:
                    pending = self._client.xpending(self._stream, WORKERS_GROUP)
                    return bytes(pending["min"]) if pending["min"] else None
                milliseconds, _, number = group["last-delivered-id"].partition(b"-")
                return b"%s-%d" % (milliseconds, int(number) + 1)
        return None

    def _publish(self, number: int, captured: Captured, jpeg: bytes) -> None:
        if self._start_ms is None:
            self._start_ms = self._next_stamp() - round(captured.elapsed_s * 1000)
            self._first_seq = self._start_ms + round(captured.elapsed_s * 1000) - number
        frame = Frame(
            camera=self._camera,
            seq=self._first_seq + number,
            captured_at=self._start_ms + round(captured.elapsed_s * 1000),
            position_s=captured.position_s,
            must_count=True,
            width=captured.picture.width,
            height=captured.picture.height,
            jpeg=jpeg,
        )
        pipeline = self._client.pipeline(transaction=True)
        pipeline.xadd(self._stream, _fields(frame))
        pipeline.expire(self._stream, EVERY_FRAMES_GONE_S)
        pipeline.set(self._stamp_key, frame.captured_at, ex=_STAMP_KEPT_S)
        pipeline.execute()

    def _next_stamp(self) -> int:
        """Now, or just after the last stamp: a fast recording's stamps run ahead of the clock, and
        readings that seem older than the last are ignored."""
        last = self._client.get(self._stamp_key)
        return max(self._clock.now_ms(), int(last) + 1 if last else 0)


def _fields(frame: Frame) -> dict[Any, Any]:
    return dict(frame.to_fields())
