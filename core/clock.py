"""Now, on the broker's clock, so that ages agree between machines; and instants as text."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import overload

import redis

MEASURE_EVERY_S = 60.0
_RETRY_AFTER_S = 10.0
_SAMPLES = 3


def local_ms() -> int:
    """This machine's clock, milliseconds UTC."""
    return time.time_ns() // 1_000_000


@overload
def iso(at_ms: int, timespec: str = "milliseconds", zone: tzinfo = UTC) -> str: ...
@overload
def iso(at_ms: None, timespec: str = "milliseconds", zone: tzinfo = UTC) -> None: ...
@overload
def iso(at_ms: int | None, timespec: str = "milliseconds", zone: tzinfo = UTC) -> str | None: ...
def iso(at_ms: int | None, timespec: str = "milliseconds", zone: tzinfo = UTC) -> str | None:
    """An instant in ms UTC as ISO 8601, to the millisecond or to another unit of `datetime`.

    Args:
        zone: whose offset is written; ``Z`` where that is none.

    >>> iso(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    if at_ms is None:
        return None
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    text = moment.isoformat(timespec=timespec)
    return text.replace("+00:00", "Z")


class Clock:
    """Milliseconds UTC on the broker's clock; measured anew each minute by whoever asks.

    Between two measurements time goes on with the monotonic clock, so a correction of this
    machine's clock does not show. While the broker is away the last measurement holds, and before
    the first one this machine's clock.

    Args:
        client: of the broker; without one this machine's clock is the truth.
        measures_when_due: False where asking must never wait for the broker; then whoever made the
            clock calls `measure` now and then.
    """

    def __init__(
        self, client: redis.Redis | None = None, *, measures_when_due: bool = True
    ) -> None:
        self.offset_ms = 0  # the broker's clock minus this machine's
        self._client = client
        self._base_ms = local_ms() - _monotonic_ms()  # what to add to the monotonic clock
        self._due = 0.0 if measures_when_due else math.inf
        self._measures_when_due = measures_when_due
        self._measuring = threading.Lock()

    def now_ms(self) -> int:
        """Now; costs a round trip to the broker once a minute."""
        # One caller measures, the others go on with what is known.
        if time.monotonic() >= self._due and self._measuring.acquire(blocking=False):
            try:
                with suppress(redis.RedisError, OSError):
                    self.measure()
            finally:
                self._measuring.release()
        return round(self._base_ms + _monotonic_ms())

    def measure(self) -> None:
        """Asks the broker for its time and takes half the round trip off.

        Raises:
            redis.RedisError: the broker does not answer; the last measurement holds.
        """
        self._put_off(_RETRY_AFTER_S)
        if self._client is None:
            self._base_ms = local_ms() - _monotonic_ms()
        else:
            _, self._base_ms = min(_sample(self._client) for _ in range(_SAMPLES))
        self.offset_ms = round(self._base_ms + _monotonic_ms()) - local_ms()
        self._put_off(MEASURE_EVERY_S)

    def _put_off(self, seconds: float) -> None:
        if self._measures_when_due:
            self._due = time.monotonic() + seconds


def _sample(client: redis.Redis) -> tuple[float, float]:
    """Round trip in ms, and the broker's clock minus the monotonic one in ms."""
    before = _monotonic_ms()
    seconds, microseconds = client.time()
    after = _monotonic_ms()
    broker_ms = seconds * 1000 + microseconds / 1000
    return after - before, broker_ms - (before + after) / 2


def _monotonic_ms() -> float:
    return time.monotonic() * 1000
