"""The ingest service: one supervised process per camera, their states, and probes on request."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import Literal

import structlog

from core.broker import connect
from core.clock import Clock
from core.commands import CommandListener
from core.heartbeat import HeartbeatSender
from core.messages import Command, Keys, Reply, Service
from core.settings import Site
from core.site_file import LoadedSite
from ingest.child_events import Job
from ingest.picture import AUTO_MAX_SIDE
from ingest.probe import PROBE_TIMEOUT_S, probe
from ingest.source_error import SourceError
from ingest.state_publisher import StatePublisher
from ingest.supervisor import CameraSupervisor

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
    cameras: list[CameraSupervisor] = []
    with ExitStack() as stack:
        stack.callback(_stop_all, cameras)
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
        handlers = {"probe": partial(answer_probe, stop=stop)}
        stack.enter_context(CommandListener(url, keys, Service.INGEST, handlers))
        for job in jobs(site, url):
            camera = CameraSupervisor(job, clock, states.put)
            camera.start()
            cameras.append(camera)
        log.info("ingest started", cameras=len(cameras))
        while not stop.wait(_GAUGES_EVERY_S):
            for camera in cameras:
                for name, value in camera.counters().items():
                    heartbeat.gauge(name, value)
        for camera in cameras:  # they stop while the rest is closed
            camera.ask_to_stop()


def jobs(site: Site, url: str) -> list[Job]:
    """What each camera's process is to do."""
    side = site.model.max_side
    max_side = AUTO_MAX_SIDE if side == "auto" else side
    return [
        Job(camera=camera, max_side=max_side, broker=url, shards=site.broker.shards)
        for camera in site.cameras
    ]


def answer_probe(command: Command, stop: threading.Event) -> Reply:
    """Try the source in the command's arguments: ``source``, ``transport`` (tcp by default).

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
    return Reply(id=command.id, ok=True, result=result.as_dict(), payload=result.snapshot_jpeg)


def _stop_all(cameras: Sequence[CameraSupervisor]) -> None:
    for camera in cameras:
        camera.ask_to_stop()
    for camera in cameras:
        camera.join()
