"""The dead-man's switch: a URL called each minute while this service does its work.

Whoever watches that URL learns of what no alert can tell: that there are no alerts any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import structlog

from core.logging import redact

CALL_EVERY_S = 60.0
TIMEOUT_S = 10.0

log = structlog.get_logger()


class Watchdog:
    """Calls ``url`` each minute while ``is_well()``; a thread between ``start`` and ``stop``."""

    def __init__(
        self, url: str, is_well: Callable[[], bool], call_every_s: float = CALL_EVERY_S
    ) -> None:
        self._url = url
        self._is_well = is_well
        self._call_every_s = call_every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=TIMEOUT_S + 1)

    def _run(self) -> None:
        # While something is missing it is looked at again soon: the first call after a start or a
        # fault need not be a minute late.
        while not self._stop.is_set():
            called = self._is_well() and self._call()
            self._stop.wait(self._call_every_s if called else min(5.0, self._call_every_s))

    def _call(self) -> bool:
        try:
            answer = httpx.get(self._url, timeout=TIMEOUT_S, follow_redirects=True)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("watchdog URL not reached", error=redact(str(error)))
            return False
        return True
