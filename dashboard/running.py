"""The one running dashboard of this process.

Streamlit runs a page as a script, so nothing can be handed to it; pages find the process's parts
here instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import redis

from core.commands import send_command
from core.history import History
from core.live import LiveView
from core.messages import Keys, Reply, Service
from core.settings import Site
from core.site_file import LoadedSite
from dashboard.identity import Identities
from dashboard.overlay import Overlays
from dashboard.values import Values


@dataclass
class Dashboard:
    """What the API and the pages work with; one per process, however many viewers."""

    loaded: LoadedSite
    live: LiveView
    history: History
    values: Values
    overlays: Overlays
    identities: Identities
    client: redis.Redis  # for short commands
    progress: Callable[[], None] = lambda: None  # the web server's loop has come round
    taken_over_at: int = 0  # ms UTC, when the configuration was last changed while running

    @property
    def site(self) -> Site:
        return self.loaded.site

    @property
    def keys(self) -> Keys:
        """The broker's, of this site."""
        return Keys(self.site.broker.shards)

    def ask(
        self,
        service: Service,
        kind: str,
        arguments: Mapping[str, str],
        payload: bytes | None = None,
        *,
        timeout_s: float,
    ) -> Reply:
        """A service's answer to a command, which may itself be an error (``ok`` is false).

        Raises:
            TimeoutError: nobody answered in time.
            BrokerError: the broker is away.
        """
        return send_command(self.client, self.keys, service, kind, arguments, payload, timeout_s)

    def take_over(self, loaded: LoadedSite) -> None:
        """Show another configuration of the site from now on."""
        old, new = self.site.cameras, loaded.site.cameras
        kept = {camera.id for camera in new}
        self.live.watch([*new, *(camera for camera in old if camera.id not in kept)])
        self.overlays.watch(new)
        self.loaded = loaded
        self.values.watch(new)
        self.live.watch(new)
        self.taken_over_at = self.values.now_ms()


_running: list[Dashboard] = []


def announce(dashboard: Dashboard) -> None:
    """Make this the process's dashboard."""
    _running[:] = [dashboard]


def running() -> Dashboard:
    """The process's dashboard.

    Raises:
        RuntimeError: a page is run outside the dashboard service.
    """
    if not _running:
        raise RuntimeError("the dashboard service is not running in this process")
    return _running[0]


def site_language() -> str:
    """The language of the site, or English outside the dashboard service."""
    return _running[0].site.site.language if _running else "en"
