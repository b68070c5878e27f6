"""The ingest service: one supervised process per camera, their states, and probes on request."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import Literal

import structlog

from core.broker import connect
from core.clock import Clock
from core.commands import CommandListener, Handler
from core.heartbeat import HeartbeatSender
from core.messages import Command, Keys, Reply, Service
from core.reloading import Reloads
from core.site_file import LoadedSite
from ingest.cameras import Cameras
from ingest.probe import PROBE_TIMEOUT_S, probe
from ingest.source_error import SourceError
from ingest.state_publisher import StatePublisher

_GAUGES_EVERY_S = 1.0

log = structlog.get_logger()


def run(loaded: LoadedSite, url: str, stop: threading.Event) -> None:
    """Serve all cameras of the site until ``stop`` is set; ends within 2 s of it.

    A camera that fails, blocks or crashes touches no other; a broker that goes away costs the
    frames of that time, nothing more.

    Args:
        loaded: the site.
        url: of the broker.
        stop: ends the service.
    """
    site = loaded.site
    keys = Keys(site.broker.shards)
    client = connect(url)
    clock = Clock(client)
    clock.now_ms()  # the first measurement, before any camera needs it
    with ExitStack() as stack:
        states = stack.enter_context(StatePublisher(connect(url), keys))
        heartbeat = stack.enter_context(
            HeartbeatSender(
                Service.INGEST,
                client,
                clock,
                config_version=loaded.version,
                version=version("headcount"),
            )
        )
        cameras = Cameras(url, clock, states.put, heartbeat)
        stack.callback(cameras.stop)
        reloads = Reloads(loaded, heartbeat, lambda new: cameras.play(new.site))
        handlers: dict[str, Handler] = {
            "probe": partial(answer_probe, stop=stop),
            "reload": reloads.answer,
        }
        stack.enter_context(CommandListener(url, keys, Service.INGEST, handlers))
        cameras.play(site)
        log.info("ingest started", cameras=len(cameras))
        while not stop.wait(_GAUGES_EVERY_S):
            heartbeat.progress()
            cameras.tell()
        cameras.ask_to_stop()  # they stop while the rest is closed


def answer_probe(command: Command, stop: threading.Event) -> Reply:
    """Try the source in the command's arguments: ``source``, ``transport`` (tcp by default).

    With ``picture=no`` the reply has no snapshot.

    Args:
        stop: ends it early, because the service stops.
    """
    source = command.arguments.get("source", "").strip()
    transport: Literal["tcp", "udp"] = (
        "udp" if command.arguments.get("transport") == "udp" else "tcp"
    )
    if not source:
        return Reply(id=command.id, ok=False, error="A probe needs the argument `source`.")
    try:
        result = probe(source, transport=transport, timeout_s=PROBE_TIMEOUT_S, stop=stop)
    except SourceError as error:
        return Reply(
            id=command.id, ok=False, error=error.detail, result={"reason": str(error.reason)}
        )
    picture = None if command.arguments.get("picture") == "no" else result.snapshot_jpeg
    return Reply(id=command.id, ok=True, result=result.as_dict(), payload=picture)
