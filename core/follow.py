"""Following streams from a place on, also across a broker that was emptied or restarted."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import redis

from core.broker import LONGEST_BLOCK_MS

Fields = dict[bytes, bytes]
Entry = tuple[str, bytes, Fields]  # stream, id, fields

_MOST_AT_ONCE = 200  # entries per stream and read
_CHECK_EVERY_S = 5.0
_LOOK_BACK_MS = 10_000  # how much of a stream that went back in time is read again


class StreamFollower:
    """Reads what is new in several streams, without a consumer group.

    Within one life of the broker ids only grow. A broker that lost its streams and whose clock went
    back gives smaller ids than before; the follower notices within seconds and goes on from there.

    Args:
        client: made by `core.broker.connect_reader`.
        streams: their names; what is in them already is not delivered.

    Raises:
        redis.RedisError: from here as from `read`, when the broker is away.
    """

    def __init__(self, client: redis.Redis, streams: Iterable[str]) -> None:
        self._client = client
        names = list(streams)
        self._after: dict[Any, Any] = dict(zip(names, self._newest_ids(names), strict=True))
        self._check_at = time.monotonic() + _CHECK_EVERY_S

    def read(self, block_ms: int) -> list[Entry]:
        """New entries, oldest first per stream; waits up to ``block_ms`` (at most 2000) for one."""
        if time.monotonic() >= self._check_at:
            self._rewind_where_time_went_back()
            self._check_at = time.monotonic() + _CHECK_EVERY_S
        block_ms = max(1, min(block_ms, LONGEST_BLOCK_MS))
        # What redis-py declares covers every protocol; ours is fixed in core.broker.
        reply: Any = self._client.xread(self._after, count=_MOST_AT_ONCE, block=block_ms)
        entries: list[Entry] = []
        for raw_name, items in reply or []:
            name = raw_name.decode()
            entries += [(name, entry_id, fields) for entry_id, fields in items]
            self._after[name] = items[-1][0]
        return entries

    def _newest_ids(self, names: list[str]) -> list[bytes]:
        """The newest id of each stream, ``0-0`` where there is none."""
        newest = [read_back(self._client, name, count=1) for name in names]
        return [entries[0][1] if entries else b"0-0" for entries in newest]

    def _rewind_where_time_went_back(self) -> None:
        names = list(self._after)
        for name, newest in zip(names, self._newest_ids(names), strict=True):
            if newest != b"0-0" and split_id(newest) < split_id(self._after[name]):
                milliseconds = max(0, split_id(newest)[0] - _LOOK_BACK_MS)
                self._after[name] = f"{milliseconds}-0".encode()


def read_back(
    client: redis.Redis, stream: str, *, count: int, before: bytes | None = None
) -> list[Entry]:
    """The newest entries of a stream, newest first; with ``before`` those older than that id."""
    end = "+" if before is None else b"(" + before
    reply: Any = client.xrevrange(stream, max=end, count=count)
    return [(stream, entry_id, fields) for entry_id, fields in reply]


def split_id(entry_id: bytes) -> tuple[int, int]:
    """Milliseconds and sequence number of a stream entry's id; ids sort by them."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number or 0)
