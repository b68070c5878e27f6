"""Frames of recorded files with policy `every`: none is lost, each camera's stay in order.

One worker at a time serves such a camera; it holds the camera's lease, a key that expires unless it
is renewed. Its frames are acknowledged only with their reading, so what a dead worker had taken is
claimed by the next holder of the lease. A frame may then be counted twice, but only the first to
acknowledge it publishes its reading (`PUBLISH_ONCE`). A frame that ends every worker that takes it
(a picture that crashes the decoder) is given up after many tries, so that the rest is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
import structlog

from core.messages import WORKERS_GROUP, Frame, Keys, MessageError
from core.settings import CameraSettings
from inference.frame_queue import Count, Entry, counter_name, create_group, entries_by_stream

_RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end
return 0
"""
# Acknowledging decides who publishes: a worker whose lease was taken over meanwhile finds its frame
# acknowledged already. A frame that ingest sent twice, because the broker's answer to the first was
# lost, is known by its number. Nothing can fail after XACK: Redis lets a script that has written
# go on even when it is out of memory.
PUBLISH_ONCE = """
if redis.call('xack', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('xdel', KEYS[1], ARGV[2])
local last = redis.call('get', KEYS[2])
if last and tonumber(ARGV[3]) <= tonumber(last) then return 0 end
redis.call('set', KEYS[2], ARGV[3], 'EX', 86400)
redis.call('xadd', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
return 1
"""
_RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


MOST_TRIES = 20  # of the oldest frame of a camera; then it is what ends the workers

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RecordedFrame:
    """A frame that must be counted, with the entry to acknowledge."""

    frame: Frame
    entry: bytes


class RecordedFrames:
    """Takes the frames of the cameras whose policy is `every`.

    Args:
        reader: client that sends nothing again (``core.broker.connect_reader``): the frames of an
            answer that was lost must be claimed back before later ones are taken.
        client: client for short commands.
        cameras: those cameras.
        consumer: name of this worker, also the lease's value.
        lease_ms: a lease's life without renewal; must be longer than a batch takes.
        count: called with a counter's name and an amount.
    """

    def __init__(
        self,
        reader: redis.Redis,
        client: redis.Redis,
        keys: Keys,
        cameras: Sequence[CameraSettings],
        consumer: str,
        lease_ms: int,
        count: Count,
    ) -> None:
        self._reader = reader
        self._client = client
        self._keys = keys
        self._cameras = [camera.id for camera in cameras]
        self._consumer = consumer
        self._lease_ms = lease_ms
        self._count = count
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)
        self._claimed: dict[str, deque[Entry]] = {}  # leased cameras: entries of dead workers
        self._next = 0

    def __len__(self) -> int:
        return len(self._cameras)

    def create_groups(self) -> None:
        for camera in self._cameras:
            create_group(self._client, self._keys.frames(camera))

    def take(self, limit: int, workers: int) -> list[RecordedFrame]:
        """At most ``limit`` frames, oldest first for each camera, without waiting.

        Args:
            limit: frames of one batch.
            workers: how many workers live; each leases its share of the cameras.
        """
        share = -(-len(self._cameras) // max(1, workers))
        frames: list[RecordedFrame] = []
        cameras = self._cameras[self._next :] + self._cameras[: self._next]
        for camera in cameras:
            if len(frames) < limit and self._lease(camera, share):
                frames += self._take(camera, limit - len(frames))
        if cameras:
            self._next = (self._next + 1) % len(cameras)
        return frames

    def drop(self, camera: str, entry: bytes) -> None:
        """Leave a frame behind that cannot be counted."""
        pipeline = self._client.pipeline()
        pipeline.xack(self._keys.frames(camera), WORKERS_GROUP, entry)
        pipeline.xdel(self._keys.frames(camera), entry)
        pipeline.execute()

    def forget(self) -> None:
        """After a lost broker: take nothing for granted, and claim our own frames back."""
        self._claimed.clear()

    def release(self) -> None:
        """Give the leases back, so that another worker need not wait for them to expire."""
        for camera in list(self._claimed):
            self._release(keys=[self._lease_key(camera)], args=[self._consumer])
        self._claimed.clear()

    def _lease_key(self, camera: str) -> str:
        return self._keys.frames(camera) + ":lease"

    def _lease(self, camera: str, share: int) -> bool:
        """Whether this worker holds the camera's lease, after trying to."""
        key = self._lease_key(camera)
        if camera in self._claimed:
            if len(self._claimed) > share and not self._claimed[camera]:
                del self._claimed[camera]
                self._release(keys=[key], args=[self._consumer])
                return False
            if self._renew(keys=[key], args=[self._consumer, self._lease_ms]):
                return True
            del self._claimed[camera]
        if len(self._claimed) >= share:
            return False
        taken = self._client.set(key, self._consumer, nx=True, px=self._lease_ms)
        if not taken and not self._renew(keys=[key], args=[self._consumer, self._lease_ms]):
            return False
        self._claimed[camera] = self._pending(camera)
        return True

    def _pending(self, camera: str) -> deque[Entry]:
        """What earlier holders of the lease took and did not acknowledge, oldest first."""
        stream = self._keys.frames(camera)
        entries: deque[Entry] = deque()
        start: bytes | str = "0-0"
        while True:
            # Redis 6.2 replies with two parts, 7.0 with three
            reply = self._client.xautoclaim(
                stream, WORKERS_GROUP, self._consumer, min_idle_time=0, start_id=start, count=64
            )
            entries.extend(entry for entry in reply[1] if entry[0] is not None)
            start = reply[0]
            if start in (b"0-0", "0-0"):
                break
        if entries and self._tries(stream, entries[0][0]) > MOST_TRIES:
            poison = entries.popleft()[0]
            log.error("frame given up: workers end over it", camera=camera, entry=poison.decode())
            self._count(counter_name("given_up", camera), 1)
            self.drop(camera, poison)
        return entries

    def _tries(self, stream: str, entry: bytes) -> int:
        """How often a pending entry was handed to a worker."""
        found: Any = self._client.xpending_range(
            stream, WORKERS_GROUP, min=entry, max=entry, count=1
        )
        return int(found[0]["times_delivered"]) if found else 0

    def _take(self, camera: str, limit: int) -> list[RecordedFrame]:
        claimed = self._claimed[camera]
        entries = [claimed.popleft() for _ in range(min(limit, len(claimed)))]
        stream = self._keys.frames(camera)
        if len(entries) < limit:
            reply = self._reader.xreadgroup(
                WORKERS_GROUP, self._consumer, {stream: ">"}, count=limit - len(entries)
            )
            entries += entries_by_stream(reply).get(stream.encode(), [])
        frames = []
        for entry, fields in entries:
            try:
                frames.append(RecordedFrame(Frame.from_fields(fields or {}), entry))
            except MessageError:
                self._count(counter_name("decode_errors", camera), 1)
                self.drop(camera, entry)
        return frames
