"""``headcount health``: whether a service lives, by its heartbeats; for containers."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from core.broker import broker_errors, broker_url, connect
from core.clock import Clock
from core.messages import HEARTBEAT_GONE_S, LOOP_LIMIT_S, Heartbeat, Keys, MessageError, Service
from headcount.failures import InputError, fail
from headcount.running import dashboard_address
from headcount.site_loading import load

HEARTBEATS_LOOKED_AT = 500


def newest_heartbeat(
    url: str, keys: Keys, service: Service, host: str
) -> tuple[float, Heartbeat] | None:
    """The newest heartbeat of a service on this machine and its age in s, or None without one."""
    with broker_errors(url), connect(url) as client:
        now_ms = Clock(client).now_ms()
        entries: Any = client.xrevrange(keys.heartbeats(), count=HEARTBEATS_LOOKED_AT)
        for _, fields in entries:
            try:
                heartbeat = Heartbeat.from_fields(fields)
            except MessageError:
                continue
            at_home = heartbeat.process is not None and heartbeat.process[0] == host
            if heartbeat.service is service and at_home:
                return (now_ms - heartbeat.at) / 1000, heartbeat
    return None


def check_health(service_name: str, site_path: Path) -> None:
    """Exit 0 where the service lives; else say why not and exit 1."""
    service = Service(service_name)
    loaded = load(site_path)
    url = broker_url(loaded.site)
    if url is None:
        raise InputError("health needs broker.url in the site file or HEADCOUNT_REDIS_URL")
    newest = newest_heartbeat(url, Keys(loaded.site.broker.shards), service, socket.gethostname())
    if newest is None:
        fail(f"{service}: no heartbeat")
    age_s, heartbeat = newest
    if age_s > HEARTBEAT_GONE_S:
        fail(f"{service}: last heartbeat {age_s:.0f} s ago")
    if heartbeat.loop_age_s > LOOP_LIMIT_S:
        fail(f"{service}: its loop stands still for {heartbeat.loop_age_s:.0f} s")
    if service is Service.DASHBOARD:
        _check_dashboard(f"{dashboard_address(loaded.site)}/healthz")
    print(f"{service}: fine")


def _check_dashboard(address: str) -> None:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - http only
            pass
    except urllib.error.HTTPError as error:
        if error.code != 503:  # answers, and says that another service is not well
            fail(f"dashboard: {address} answers {error.code}")
    except OSError as error:
        fail(f"dashboard: {address} does not answer: {error}")
