"""One service in this process, until SIGTERM or SIGINT."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from core.broker import broker_url, check_broker, wait_for_broker
from core.logging import configure_logging
from core.messages import Service
from headcount.failures import InputError
from headcount.hangup import ReloadOnHangup
from headcount.signals import SUPERVISOR_VARIABLE, stop_event, tie_to_supervisor
from headcount.site_loading import load
from headcount.weights import require_weights

ROOMS = {
    "ingest": "ingest.service",
    "worker": "inference.service",
    "alerts": "alerts.service",
    "dashboard": "dashboard.service",
}


def run_service(service: str, site_path: Path) -> None:
    """Run a service of the site; the broker must be given by the site or the environment.

    Raises:
        InputError, SiteFileError, BrokerError: what keeps it from starting.
    """
    stop = stop_event()
    tie_to_supervisor()
    configure_logging(service)
    loaded = load(site_path)
    url = broker_url(loaded.site)
    if url is None:
        raise InputError(
            f"a service on its own needs a broker that the others use too: set broker.url in "
            f"{site_path} or HEADCOUNT_REDIS_URL (`headcount run` starts one by itself)"
        )
    if service == "worker":
        require_weights(loaded.site.model.name)
    if SUPERVISOR_VARIABLE in os.environ:
        wait_for_broker(url, stop)  # it has been there; ending would only add our own start to it
    else:
        check_broker(url)
    with ReloadOnHangup(loaded, url, stop, [Service(service)]):
        import_module(ROOMS[service]).run(loaded, url, stop)
