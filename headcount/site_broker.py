"""The broker of a site while it runs: the one that is configured, or one of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from core.broker import BrokerError, LocalBroker, broker_url, check_broker
from core.settings import Site

HUNG_AFTER_S = 20.0  # without an answer; a broker of our own is then killed and started again
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 10.0

log = structlog.get_logger(__name__)


@dataclass
class SiteBroker:
    """Where the services find the broker; ``local`` is the one of our own, if it is.

    It comes back at the same address, so that no service has to be started again for it.
    """

    url: str
    local: LocalBroker | None = None
    _pause_s: float = field(default=FIRST_PAUSE_S, repr=False)
    _start_at: float = field(default=0.0, repr=False)  # monotonic
    _started_at: float = field(default_factory=time.monotonic, repr=False)

    def keep_alive(self, silent_s: float) -> None:
        """Start a broker of our own again that has died, or has not answered for too long.

        Args:
            silent_s: how long it has not answered.
        """
        if self.local is None:
            return
        if self.local.alive:
            if min(silent_s, time.monotonic() - self._started_at) > HUNG_AFTER_S:
                log.warning("the broker hangs and is killed", silent_s=round(silent_s))
                self.local.kill()
            return
        if time.monotonic() < self._start_at:
            return
        log.warning("the broker has ended and is started again")
        try:
            self.local.start()
            self._pause_s, self._started_at = FIRST_PAUSE_S, time.monotonic()
        except BrokerError as error:
            log.error("the broker does not start", error=str(error), pause_s=self._pause_s)  # noqa: TRY400
            self._start_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S)


@contextmanager
def site_broker(site: Site) -> Iterator[SiteBroker]:
    """The broker that is configured, else one of our own, which ends with the block.

    Raises:
        BrokerError: it cannot be used or started.
    """
    url = broker_url(site)
    if url is not None:
        check_broker(url)
        yield SiteBroker(url)
        return
    with LocalBroker() as broker:
        yield SiteBroker(broker.url, broker)
