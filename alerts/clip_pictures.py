"""Collects the pictures of a clip: the last ten seconds are in the broker, the next ten come."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import redis

from core.messages import Keys, MessageError, Picture

BEFORE_MS = 10_000
AFTER_MS = 10_000
SPACING_MS = 200  # at most five pictures a second, however many are counted
PAGE = 20  # pictures per request
LATE_S = 3.0  # beyond the camera's age limit: how late a picture may come


class PictureStream:
    """Reads a camera's ``pictures`` stream."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def after(self, camera: str, entry_id: bytes) -> tuple[list[Picture], bytes]:
        """The pictures behind an entry (``0-0`` for all), and the id of the last one.

        Raises:
            redis.RedisError: the broker does not answer.
        """
        pictures: list[Picture] = []
        while True:
            page: Any = self._client.xrange(
                self._keys.pictures(camera), min=b"(" + entry_id, count=PAGE
            )
            for _, fields in page:
                with suppress(MessageError):
                    pictures.append(Picture.from_fields(fields))
            if page:
                entry_id = page[-1][0]
            if len(page) < PAGE:
                return pictures, entry_id


class ClipPictures:
    """The pictures of one clip, from ten seconds before an instant to ten after it.

    Args:
        at_ms: capture of the reading that the clip is about.
        seq: of that reading; its own picture is always in the clip.
        wait_s: how long pictures are waited for at most.
    """

    def __init__(
        self, stream: PictureStream, camera: str, at_ms: int, seq: int, wait_s: float
    ) -> None:
        self._stream = stream
        self._camera = camera
        self._at_ms = at_ms
        self._seq = seq
        self._give_up = time.monotonic() + wait_s
        self._last_id = b"0-0"
        self._newest_ms = 0
        self._pictures: dict[int, Picture] = {}  # by place in time

    @property
    def pictures(self) -> list[Picture]:
        return list(self._pictures.values())

    @property
    def bytes(self) -> int:
        return sum(len(picture.jpeg) for picture in self._pictures.values())

    @property
    def is_complete(self) -> bool:
        """Whether the last picture is there, or has been waited for long enough."""
        return self._newest_ms >= self._at_ms + AFTER_MS or time.monotonic() >= self._give_up

    def collect(self, room: int) -> int:
        """Take what has come since the last time; returns how many found no room.

        Args:
            room: bytes that may be taken.

        Raises:
            redis.RedisError: the broker does not answer.
        """
        pictures, self._last_id = self._stream.after(self._camera, self._last_id)
        left_out = 0
        for picture in pictures:
            self._newest_ms = max(self._newest_ms, picture.captured_at)
            offset = picture.captured_at - self._at_ms
            place = offset // SPACING_MS
            own = picture.seq == self._seq
            if not -BEFORE_MS <= offset <= AFTER_MS or (place in self._pictures and not own):
                continue
            room -= len(picture.jpeg)
            if room < 0 and not own:
                left_out += 1
            else:
                self._pictures[place] = picture
        return left_out


def longest_wait_s(at_ms: int, now_ms: int, age_limit_s: float) -> float:
    """How long the last picture of a clip may take, seconds.

    A recording played fast is stamped ahead of the clock; its pictures come the sooner.
    """
    to_come_s = min(max(0, at_ms + AFTER_MS - now_ms), AFTER_MS) / 1000
    return to_come_s + age_limit_s + LATE_S
