"""Follows the readings of a site as they are published; for the demo's score and the benchmark."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from core.broker import connect_reader
from core.clock import Clock
from core.messages import Keys, MessageError, Reading

WAIT_MS = 500
RETRY_S = 0.5


class ReadingsFollower:
    """Calls back for each new reading, with the time it became readable; a context manager.

    Args:
        on_reading: called in the follower's thread with the reading and now (ms UTC).
    """

    def __init__(self, url: str, keys: Keys, on_reading: Callable[[Reading, int], None]) -> None:
        self._url = url
        self._keys = keys
        self._on_reading = on_reading
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readings", daemon=True)

    def __enter__(self) -> ReadingsFollower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        client = connect_reader(self._url)
        clock = Clock(client)
        start = f"{clock.now_ms()}-0"
        places: dict[Any, Any] = {
            self._keys.readings(shard): start for shard in range(self._keys.shards)
        }
        while not self._stop.is_set():
            try:
                found: Any = client.xread(dict(places), block=WAIT_MS, count=200)
            except redis.RedisError:
                time.sleep(RETRY_S)
                continue
            now_ms = clock.now_ms()
            for stream, entries in found or []:
                for entry_id, fields in entries:
                    places[stream.decode()] = entry_id
                    try:
                        reading = Reading.from_fields(fields)
                    except MessageError:
                        continue
                    self._on_reading(reading, now_ms)
        client.close()
