"""Publishes the cameras' states from a thread of its own: no camera waits for the broker."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import redis
import structlog

from core.logging import redact
from core.messages import STATES_KEPT, Keys, State

_RETRY_S = 1.0
_HELD = 200  # states kept while the broker is away; the oldest go first

log = structlog.get_logger()


class StatePublisher:
    """A queue of states with a thread that empties it; a context manager.

    Args:
        client: for short commands.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._states: deque[State] = deque(maxlen=_HELD)
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="states", daemon=True)

    def __enter__(self) -> StatePublisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(timeout=1)

    def put(self, state: State) -> None:
        """Publish ``state`` soon; never waits."""
        with self._changed:
            self._states.append(state)
            self._changed.notify()

    def _run(self) -> None:
        while not self._closed.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._states or self._closed.is_set())
                batch = list(self._states)
                self._states.clear()
            if not self._sent(batch):
                with self._changed:
                    newer = list(self._states)
                    self._states.clear()
                    self._states.extend([*batch, *newer])
                self._closed.wait(_RETRY_S)

    def _sent(self, batch: list[State]) -> bool:
        pipeline = self._client.pipeline(transaction=False)
        for state in batch:
            stream = self._keys.states(self._keys.shard(state.camera))
            fields: dict[Any, Any] = dict(state.to_fields())
            pipeline.xadd(stream, fields, maxlen=STATES_KEPT, approximate=True)
        try:
            pipeline.execute()
        except (redis.RedisError, OSError) as error:
            if not self._away:
                log.warning(
                    "broker away; frames are dropped until it is back", error=redact(str(error))
                )
            self._away = True
            return False
        if self._away:
            log.info("broker back")
        self._away = False
        return True
