"""Live frames: the newest of each camera, shared fairly between workers.

Every camera has a short stream of frames and all workers are one consumer group on it, so a frame
goes to one worker only. Nothing is acknowledged: a live frame that a dying worker took is lost,
and the camera's next one is already on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import redis

from core.clock import Clock
from core.messages import FRAMES_KEPT, WORKERS_GROUP, Frame, Keys, MessageError
from core.settings import CameraSettings

Count: TypeAlias = Callable[[str, float], None]
Entry: TypeAlias = tuple[bytes, dict[bytes, bytes] | None]

SHARD_WAIT_MS = 100  # with several shards no single read can wait for all of them


def counter_name(name: str, camera: str) -> str:
    """The Prometheus name of a worker's per-camera counter, label included."""
    return f'headcount_worker_{name}_total{{camera="{camera}"}}'


def entries_by_stream(reply: Any) -> dict[bytes, list[Entry]]:
    """An XREADGROUP reply as stream name to entries."""
    return dict(reply or [])


def create_group(client: redis.Redis, stream: str) -> None:
    """Make sure that the workers' consumer group exists on ``stream``, from its oldest entry."""
    try:
        client.xgroup_create(stream, WORKERS_GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


class LiveFrames:
    """Takes the newest frame of each live camera off its stream.

    Args:
        reader: client for blocking reads (``core.broker.connect_reader``).
        client: client for short commands.
        cameras: the cameras whose policy is `newest`.
        consumer: name of this worker in the group.
        count: called with a counter's name and an amount.
    """

    def __init__(
        self,
        reader: redis.Redis,
        client: redis.Redis,
        keys: Keys,
        cameras: Sequence[CameraSettings],
        consumer: str,
        clock: Clock,
        count: Count,
    ) -> None:
        self._reader = reader
        self._client = client
        self._keys = keys
        self._cameras = {camera.id: camera for camera in cameras}
        self._streams = {keys.frames(camera.id): camera.id for camera in cameras}
        self._consumer = consumer
        self._clock = clock
        self._count = count
        self._next = 0  # where the next round starts
        self._held: dict[str, Frame] = {}  # read, but beyond the batch

    def __len__(self) -> int:
        return len(self._streams)

    def create_groups(self) -> None:
        for stream in self._streams:
            create_group(self._client, stream)

    def take(self, limit: int, wait_ms: int, frame_s: float = 0.0) -> list[Frame]:
        """The newest frames of at most ``limit`` cameras, none older than its age limit.

        Args:
            limit: frames of one batch.
            wait_ms: how long to wait where no camera has one; 0 does not wait.
            frame_s: how long counting one of them takes; a frame that would be too old by the end
                of its batch is dropped at once, so that the time goes to one that counts.
        """
        frames = self._held
        self._held = {}
        order = self._rotated()
        for start in range(0, len(order), limit):
            wanted = limit - len(frames)
            if wanted <= 0:
                break
            newer = self._newest(self._read(order[start : start + wanted], 0))
            for camera in newer.keys() & frames.keys():  # a held frame that was overtaken
                self._count(counter_name("missed", camera), 1)
            frames |= newer
        if not frames and order and wait_ms > 0:
            frames = self._newest(self._read(order, wait_ms))
        busy_s = frame_s * min(limit, len(frames))
        fresh = [frame for frame in frames.values() if self.is_fresh(frame, busy_s)]
        self._held = {frame.camera: frame for frame in fresh[limit:]}
        self._advance(order, fresh[:limit])
        return fresh[:limit]

    def _rotated(self) -> list[str]:
        streams = list(self._streams)
        return streams[self._next :] + streams[: self._next]

    def _advance(self, order: Sequence[str], frames: Iterable[Frame]) -> None:
        """Start the next round behind the last camera served, so that none starves."""
        served = {self._keys.frames(frame.camera) for frame in frames}
        last = [index for index, stream in enumerate(order) if stream in served]
        if last:
            self._next = (self._next + last[-1] + 1) % len(order)

    def _read(self, streams: Sequence[str], wait_ms: int) -> dict[bytes, list[Entry]]:
        """New entries of these streams; one read per shard, as Redis Cluster demands."""
        shards: dict[int, list[str]] = {}
        for stream in streams:
            shards.setdefault(self._keys.shard(self._streams[stream]), []).append(stream)
        found: dict[bytes, list[Entry]] = {}
        for group in shards.values():
            wait = min(wait_ms, SHARD_WAIT_MS) if len(shards) > 1 else wait_ms
            reply = self._reader.xreadgroup(
                WORKERS_GROUP,
                self._consumer,
                dict.fromkeys(group, ">"),
                count=FRAMES_KEPT,
                block=wait or None,
                noack=True,
            )
            found |= entries_by_stream(reply)
        return found

    def _newest(self, found: dict[bytes, list[Entry]]) -> dict[str, Frame]:
        """The last frame of each stream; the frames are deleted from the broker here."""
        frames: dict[str, Frame] = {}
        if not found:
            return frames
        pipeline = self._client.pipeline(transaction=False)
        for stream, entries in found.items():
            camera = self._streams[stream.decode()]
            pipeline.xdel(stream, *(entry_id for entry_id, _ in entries))
            for _, fields in entries:
                try:
                    frame = Frame.from_fields(fields or {})
                except MessageError:
                    self._count(counter_name("decode_errors", camera), 1)
                else:
                    frames[camera] = frame
        for frame in frames.values():
            place = f"{frame.seq} {frame.captured_at}"
            pipeline.set(self._keys.frames(frame.camera) + ":taken", place, get=True, ex=3600)
        replies = pipeline.execute()[len(found) :]
        return {
            camera: frame
            for (camera, frame), previous in zip(frames.items(), replies, strict=True)
            if self._is_new(frame, previous)
        }

    def _is_new(self, frame: Frame, previous: bytes | None) -> bool:
        """Whether no worker has taken the frame yet; counts the frames missed before it.

        A frame comes twice when the broker's answer to the first was lost and ingest sent it again.

        Args:
            previous: number and time of the last frame that any worker took.
        """
        if previous is None:
            return True
        seq, captured_at = (int(part) for part in previous.split())
        if (frame.seq, frame.captured_at) == (seq, captured_at):
            return False
        missed = frame.seq - seq - 1
        seconds = max(0.0, (frame.captured_at - captured_at) / 1000)
        # A new ingest process numbers from the time of day: far more than could have been captured
        possible = 2 * seconds * self._cameras[frame.camera].fps + 10
        if 0 < missed <= possible:
            self._count(counter_name("missed", frame.camera), missed)
        return True

    def is_fresh(self, frame: Frame, more_s: float = 0.0, at_ms: int | None = None) -> bool:
        """Whether a frame will be within its camera's age limit in ``more_s``; counts it if not.

        However slow counting seems, a frame younger than half the limit is tried: the estimate
        learns only from frames that are counted.

        Args:
            at_ms: from when on; from now by default.
        """
        limit_s = self._cameras[frame.camera].age_limit
        age_s = ((at_ms or self._clock.now_ms()) - frame.captured_at) / 1000
        if age_s + min(more_s, limit_s / 2) <= limit_s:
            return True
        self._count(counter_name("dropped_old", frame.camera), 1)
        return False
