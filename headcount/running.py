"""``headcount run``: everything a site needs, from the broker to the dashboard."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

from core.settings import Site
from core.site_file import LoadedSite
from headcount.failures import say
from headcount.hangup import ReloadOnHangup
from headcount.ports import require_free_port
from headcount.site_broker import site_broker
from headcount.site_loading import load
from headcount.supervisor import StopSignals, Supervisor
from headcount.weights import require_weights


def dashboard_address(site: Site) -> str:
    """Where a browser on this machine finds the dashboard."""
    host = site.dashboard.host
    return f"http://{f'[{host}]' if ':' in host else host}:{site.dashboard.port}"


def _announce(site: Site, stop: threading.Event) -> None:
    """Say the dashboard's address as soon as it answers."""
    address = dashboard_address(site)
    while not stop.wait(0.3):
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):  # noqa: S310 - http only
                pass
        except urllib.error.HTTPError:
            pass  # it answers, though something is not well yet
        except OSError:
            continue
        print(f"Dashboard: {address}", flush=True)
        return


Companion: TypeAlias = Callable[[LoadedSite, str], AbstractContextManager[object]]


def _no_companion(_loaded: LoadedSite, _url: str) -> AbstractContextManager[object]:
    return nullcontext()


def run_site(
    path: Path,
    *,
    companion: Companion = _no_companion,
    for_seconds: float | None = None,
) -> None:
    """Run all services of a site until Ctrl-C or SIGTERM, or for a while.

    Args:
        path: the site file.
        companion: made from the site and the broker's URL, entered while the services run.
        for_seconds: stop by itself after so long.

    Raises:
        SiteFileError, InputError, BrokerError: what keeps it from starting.
    """
    loaded = load(path)
    require_weights(loaded.site.model.name)
    require_free_port(loaded.site.dashboard.host, loaded.site.dashboard.port)
    with StopSignals() as signals, site_broker(loaded.site) as broker:
        announcer = threading.Thread(
            target=_announce, args=(loaded.site, signals.stop), name="announce", daemon=True
        )
        announcer.start()
        timer = threading.Timer(for_seconds or 0.0, signals.stop.set)
        timer.daemon = True
        if for_seconds is not None:
            timer.start()
        with companion(loaded, broker.url), ReloadOnHangup(loaded, broker.url, signals.stop):
            Supervisor(path.resolve(), broker).run(signals)
        timer.cancel()
        announcer.join(timeout=3)
    say("Stopped.")
