"""A process's sign of life: who it is, that it lives, and its counters, every two seconds."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from typing import Self

import redis
import structlog

from core.clock import Clock
from core.messages import HEARTBEAT_EVERY_S, HEARTBEATS_KEPT, LOOP_LIMIT_S, Heartbeat, Keys, Service

_PAUSED_S = 4 * HEARTBEAT_EVERY_S  # between two heartbeats: this process did not run

log = structlog.get_logger()


class HeartbeatSender:
    """Sends heartbeats from a thread of its own while the context is open.

    While the broker is away it goes on trying; values counted meanwhile are kept. Since this thread
    lives on when the service's own loop hangs, each loop reports its `progress`. Where one stands
    still for `LOOP_LIMIT_S` the process ends itself, so that whatever runs it (a supervisor, a
    container's restart policy) starts it anew.

    Args:
        config_version: first 12 hex digits of the applied configuration's sha256.
        version: of Headcount.
    """

    def __init__(
        self,
        service: Service,
        client: redis.Redis,
        clock: Clock,
        *,
        config_version: str,
        version: str,
    ) -> None:
        self.service = service
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.config_version = config_version
        self._client = client
        self._clock = clock
        self._version = version
        self._started_at = clock.now_ms()
        self._counters: dict[str, float] = {}
        self._facts: dict[str, str] = {}
        self._rounds: dict[str, float] = {}  # loop to when it last came round, monotonic
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def count(self, name: str, amount: float = 1.0) -> None:
        """Adds to a counter; ``name`` may hold labels: ``drops_total{camera="gate-1"}``."""
        with self._lock:
            self._counters[name] = self._counters.get(name, 0.0) + amount

    def gauge(self, name: str, value: float) -> None:
        """Sets a value."""
        with self._lock:
            self._counters[name] = float(value)

    def forget(self, labels: str) -> None:
        """Drops the counters and values with these labels, such as ``{camera="gate-1"}``."""
        with self._lock:
            for name in [name for name in self._counters if name.endswith(labels)]:
                del self._counters[name]

    def fact(self, name: str, value: str) -> None:
        """Sets a plain fact for the System page."""
        with self._lock:
            self._facts[name] = value

    def progress(self, loop: str = "main") -> None:
        """A loop of the service has come round; called by each of them at least every few seconds.

        A supervisor ends the process when one of its loops stands still.
        """
        with self._lock:
            self._rounds[loop] = time.monotonic()

    def runs(self, config_version: str) -> None:
        """From now on the service runs this configuration, with loops that report anew."""
        with self._lock:
            self.config_version = config_version
            self._rounds.clear()

    def loop_ended(self, loop: str) -> None:
        """A loop that reported its `progress` has ended and is not waited for."""
        with self._lock:
            self._rounds.pop(loop, None)

    @property
    def loop_age_s(self) -> float:
        """Seconds since the slowest loop came round."""
        now = time.monotonic()
        with self._lock:
            return now - min(self._rounds.values(), default=now)

    def message(self) -> Heartbeat:
        """The heartbeat as it would be sent now."""
        now = self._clock.now_ms()
        loop_age_s = round(self.loop_age_s, 1)
        with self._lock:
            return Heartbeat(
                service=self.service,
                id=self.id,
                at=now,
                started_at=self._started_at,
                version=self._version,
                config_version=self.config_version,
                clock_offset_ms=self._clock.offset_ms,
                loop_age_s=loop_age_s,
                counters=dict(self._counters),
                facts=dict(self._facts),
            )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            self._send()
            if self._stop.wait(HEARTBEAT_EVERY_S):
                return
            if time.monotonic() - began > _PAUSED_S:
                self._forgive()
            elif self.loop_age_s > LOOP_LIMIT_S:
                log.critical("a loop stands still; the process ends", loops=self._standing())
                os._exit(1)

    def _forgive(self) -> None:
        """The whole process was paused, or the broker made us wait: no loop is to blame."""
        with self._lock:
            self._rounds = dict.fromkeys(self._rounds, time.monotonic())

    def _standing(self) -> list[str]:
        latest = time.monotonic() - LOOP_LIMIT_S
        with self._lock:
            return [loop for loop, at in self._rounds.items() if at < latest]

    def _send(self) -> None:
        try:
            fields = self.message().to_fields()
            self._client.xadd(Keys().heartbeats(), fields, maxlen=HEARTBEATS_KEPT)
        except (redis.RedisError, OSError) as error:
            if not self._failing:
                log.warning("heartbeats cannot be sent", error=str(error))
            self._failing = True
        else:
            if self._failing:
                log.info("heartbeats are sent again")
            self._failing = False
