"""The broker of a site while it runs: the one that is configured, or one of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from core.broker import BrokerError, LocalBroker, broker_errors, broker_url, check_broker, connect
from core.messages import (
    EVERY_FRAMES_KEPT,
    FRAMES_KEPT,
    PICTURES_KEPT_S,
    READINGS_BYTES,
)
from core.settings import CameraSettings, Site

HUNG_AFTER_S = 20.0  # without an answer; a broker of our own is then killed and started again
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 10.0
PICTURE_MB = 0.2  # of a busy picture, sized for the model
SMALLEST_MB = 512
REST_MB = 64  # states, heartbeats, commands, the server itself

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


def needed_mb(site: Site) -> int:
    """Memory that the broker needs for a site, at the most that its streams may hold."""
    pictures = sum(_pictures_held(camera) for camera in site.cameras)
    return round(REST_MB + READINGS_BYTES / 2**20 + PICTURE_MB * pictures)


def _pictures_held(camera: CameraSettings) -> float:
    """Frames and pictures of a camera that are in the broker at once."""
    frames = EVERY_FRAMES_KEPT if camera.must_count_every else FRAMES_KEPT
    return frames + PICTURES_KEPT_S * camera.fps


def _warn_of_its_settings(url: str, wanted_mb: int) -> None:
    """Say what in a configured broker's settings will lose messages."""
    with broker_errors(url), connect(url) as client:
        memory = client.info("memory")
    limit_mb = int(memory.get("maxmemory", 0)) / 2**20
    if 0 < limit_mb < wanted_mb:
        log.warning("the broker may run out of memory", maxmemory_mb=limit_mb, wanted_mb=wanted_mb)
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if limit_mb and policy != "noeviction":
        log.warning("the broker may forget messages: set noeviction", maxmemory_policy=policy)


@contextmanager
def site_broker(site: Site) -> Iterator[SiteBroker]:
    """The broker that is configured, else one of our own, which ends with the block.

    Raises:
        BrokerError: it cannot be used or started.
    """
    url = broker_url(site)
    if url is not None:
        check_broker(url)
        _warn_of_its_settings(url, needed_mb(site))
        yield SiteBroker(url)
        return
    with LocalBroker(max(SMALLEST_MB, needed_mb(site))) as broker:
        yield SiteBroker(broker.url, broker)
