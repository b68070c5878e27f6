"""Which of this machine's services are silent or stand still, by their heartbeats.

A process can live and do nothing: stopped, deadlocked, or in a native call that never returns. Its
heartbeats then stop, or say that its loop has not come round. Nothing is judged while the broker
cannot be used, since no heartbeat arrives then, nor just after it came back.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Self

import redis

from core.broker import check_takes_writes, connect_reader
from core.follow import Entry, StreamFollower
from core.messages import LOOP_LIMIT_S, Heartbeat, Keys, MessageError

SILENT_LIMIT_S = 20.0  # heartbeats come every 2 s
START_LIMIT_S = 240.0  # until the first heartbeat: a model is loaded and measured
_READ_MS = 1000
_RETRY_S = 0.5


class Pulse:
    """Listens between entering and leaving the context.

    Args:
        url: of the broker.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._beats: dict[int, tuple[float, float]] = {}  # pid to when heard, age of its loop
        self._usable_since: float | None = None  # monotonic; None while the broker is not
        self._answered_at = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    @property
    def broker_silent_s(self) -> float:
        """Seconds since the broker last answered."""
        return time.monotonic() - self._answered_at

    def forgive(self) -> None:
        """We were paused ourselves: what was not heard meanwhile is nobody's fault."""
        now = time.monotonic()
        with self._lock:
            self._answered_at = now
            if self._usable_since is not None:
                self._usable_since = now

    def forget(self, pid: int) -> None:
        """The process has ended; another one may get its number."""
        with self._lock:
            self._beats.pop(pid, None)

    def fault(self, pid: int, started_at: float) -> str | None:
        """What is wrong with a service's process, or None.

        Args:
            started_at: of the process, on the monotonic clock.
        """
        now = time.monotonic()
        with self._lock:
            usable_since, beat = self._usable_since, self._beats.get(pid)
        if usable_since is None:
            return None
        if beat is None or beat[0] < started_at:  # of an earlier process with its number
            waited = now - max(started_at, usable_since)
            return f"no heartbeat for {waited:.0f} s" if waited > START_LIMIT_S else None
        heard_at, loop_age_s = beat
        silent_s = now - max(heard_at, usable_since)
        if silent_s > SILENT_LIMIT_S:
            return f"no heartbeat for {silent_s:.0f} s"
        if loop_age_s > LOOP_LIMIT_S:
            return f"its loop stands still for {loop_age_s:.0f} s"
        return None

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect_reader(self._url) as client:
                    self._listen(client)
            except (redis.RedisError, OSError) as error:
                if isinstance(error, redis.ResponseError):
                    self._answered_at = time.monotonic()  # it lives, but refuses
                with self._lock:
                    self._usable_since = None
                self._stop.wait(_RETRY_S)

    def _listen(self, client: redis.Redis) -> None:
        follower = StreamFollower(client, [Keys().heartbeats()])
        while not self._stop.is_set():
            # Heartbeats can only arrive while the broker takes writes: it may be out of memory.
            check_takes_writes(client)
            entries = follower.read(_READ_MS)
            now = self._answered_at = time.monotonic()
            with self._lock:
                if self._usable_since is None:
                    self._usable_since = now
                for entry in entries:
                    self._hear(entry, now)

    def _hear(self, entry: Entry, now: float) -> None:
        try:
            beat = Heartbeat.from_fields(entry[2])
        except MessageError:
            return
        if beat.process is not None and beat.process[0] == socket.gethostname():
            self._beats[beat.process[1]] = (now, beat.loop_age_s)
