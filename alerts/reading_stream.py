"""The readings of one shard, from a consumer group: nothing is lost between read and acknowledge.

All owners of a shard, one after the other, use the same consumer name. What a crashed owner had
read but not acknowledged is therefore pending for its successor, which begins with it.
"""

from __future__ import annotations

import time
from typing import cast

import redis
import structlog

from core.broker import connect, connect_reader
from core.messages import ALERTS_GROUP, Keys, MessageError, Reading

CONSUMER = "owner"
PENDING_AGAIN_S = 10.0  # strays that a replaced owner still fetched are looked for this often

Entry = tuple[bytes, dict[bytes, bytes] | None]  # id, fields

log = structlog.get_logger()


class ReadingStream:
    """Readings in the order they were published.

    Args:
        url: of the broker.
        shard: number of the shard.
    """

    def __init__(self, url: str, keys: Keys, shard: int) -> None:
        self._key = keys.readings(shard)
        # A read that is sent again after its answer was lost would skip what that answer held.
        self._reader = connect_reader(url, sends_again=False)
        self._client = connect(url)
        self._cursor = "0"  # in what is pending; ">" is what is new
        self._pending_again = 0.0

    def rewind(self) -> None:
        """Begin again with whatever was read but never acknowledged."""
        self._cursor = "0"

    def read(self, at_most: int, block_ms: int) -> list[tuple[bytes, Reading | None]]:
        """The next entries: their id and their reading, or None for one that is not readable.

        Raises:
            redis.RedisError: the broker does not answer. The next call begins with what is
                pending, since the lost answer may have held some of it.
        """
        if self._cursor == ">" and time.monotonic() > self._pending_again:
            self._cursor = "0"
        try:
            entries = self._fetch(at_most, block_ms)
        except (redis.RedisError, OSError):
            self.rewind()
            raise
        if self._cursor == ">":
            return [(entry_id, self._parse(fields)) for entry_id, fields in entries]
        if not entries:
            self._go_on_with_new()
            return self.read(at_most, block_ms)
        self._cursor = entries[-1][0].decode()
        return [(entry_id, self._parse(fields)) for entry_id, fields in entries]

    def acknowledge(self, entry_ids: list[bytes]) -> None:
        """These entries are safely stored.

        Raises:
            redis.RedisError: the broker does not answer.
        """
        if entry_ids:
            self._client.xack(self._key, ALERTS_GROUP, *entry_ids)

    def close(self) -> None:
        self._reader.close()
        self._client.close()

    def _fetch(self, at_most: int, block_ms: int) -> list[Entry]:
        try:
            return self._read_group(at_most, block_ms)
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error) and "UNBLOCKED" not in str(error):
                raise
        # The broker is new or was flushed: the group starts at the oldest reading that is there,
        # and those already stored are recognised by their time.
        try:
            self._client.xgroup_create(self._key, ALERTS_GROUP, id="0", mkstream=True)
            log.info("consumer group created", stream=self._key)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._go_on_with_new()
        return self._read_group(at_most, block_ms)

    def _go_on_with_new(self) -> None:
        self._cursor = ">"
        self._pending_again = time.monotonic() + PENDING_AGAIN_S

    def _read_group(self, at_most: int, block_ms: int) -> list[Entry]:
        answer = self._reader.xreadgroup(
            ALERTS_GROUP, CONSUMER, {self._key: self._cursor}, count=at_most, block=block_ms
        )
        streams = cast("list[tuple[bytes, list[Entry]]] | None", answer)
        return streams[0][1] if streams else []

    def _parse(self, fields: dict[bytes, bytes] | None) -> Reading | None:
        if not fields:
            return None  # trimmed from the stream while it was pending
        try:
            return Reading.from_fields(fields)
        except MessageError as error:
            log.warning("reading ignored", error=str(error))
            return None
