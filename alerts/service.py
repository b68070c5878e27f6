"""The alerts service: one loop per shard, one sender of notices, one dead-man's switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import structlog

from alerts.channels import deliver
from alerts.evidence import EvidenceKeeper
from alerts.mqtt import MqttPublisher
from alerts.notices import Notice
from alerts.outbox import Outbox, Send
from alerts.ownership import process_identity
from alerts.reminders import write_reminders
from alerts.shard import ShardLoop
from alerts.watchdog import Watchdog
from core.broker import connect
from core.commands import CommandListener
from core.heartbeat import HeartbeatSender
from core.history import History
from core.live import LiveView
from core.messages import Keys, Service
from core.reloading import Reloads, Rounds
from core.settings import MQTT_CHANNEL, Channel, Site
from core.site_file import LoadedSite

WELL_WITHIN_S = 15.0  # a loop that has not come round for so long is not well
LOOK_EVERY_S = 1.0
RARE = (  # told as 0 from the start: Prometheus sees no rise in what was not there before it
    "evidence_failed_total",
    "notifications_dropped_total",
    "notifications_failed_total",
    "notifications_sent_total",
)

log = structlog.get_logger()


class ServiceFailed(RuntimeError):  # noqa: N818
    """A thread of the service ended unexpectedly; the process is to be started anew."""


def run(loaded: LoadedSite, url: str, stop: threading.Event) -> None:
    """Serve until ``stop`` is set.

    A second instance on the same history database stands by for each shard that the first owns,
    and takes over seconds after it has died.

    Args:
        url: of the broker, which may be away for a while at any time.

    Raises:
        core.history.HistoryError: the history database cannot be opened.
        ServiceFailed: a part has ended by a defect.
    """
    site = loaded.site
    keys = Keys(site.broker.shards)
    rounds = Rounds(stop)
    with ExitStack() as stack:
        history = History.open(site.history.url)
        stack.callback(history.close)
        client = connect(url)
        stack.callback(client.close)
        view = LiveView(url, keys, site.cameras, pictures=False)
        view.start()
        stack.callback(view.stop)
        heartbeat = stack.enter_context(
            HeartbeatSender(
                Service.ALERTS,
                client,
                view.clock,
                config_version=loaded.version,
                version=version("headcount"),
            )
        )
        for name in RARE:
            heartbeat.count(name, 0)
        evidence = EvidenceKeeper(loaded, url, history, view.clock, heartbeat)
        evidence.start()
        stack.callback(evidence.stop)
        reloads = Reloads(loaded, heartbeat, rounds.begin_anew)
        stack.enter_context(CommandListener(url, keys, Service.ALERTS, {"reload": reloads.answer}))
        for now, ended in rounds.sites(loaded):
            heartbeat.runs(now.version)
            view.watch(now.site.cameras)
            evidence.use(now)
            _watch(now.site, url, history, view, heartbeat, evidence, ended)


def _watch(
    site: Site,
    url: str,
    history: History,
    view: LiveView,
    heartbeat: HeartbeatSender,
    evidence: EvidenceKeeper,
    stop: threading.Event,
) -> None:
    """Run the rules, the sender and the dead-man's switch until ``stop`` is set.

    Whatever they know is in the history, so that another call goes on where this one ended.

    Raises:
        ServiceFailed: a part has ended by a defect.
    """
    owner = process_identity()
    keys = Keys(site.broker.shards)
    ended = threading.Event()  # ends the parts, also when one of them failed
    with ExitStack() as stack:
        publishers: list[MqttPublisher] = []
        outbox = Outbox(
            history,
            site.alerts.receivers,
            view.clock,
            owner,
            heartbeat,
            _sending(publishers),
            evidence.snapshot,
            lambda connection, now: write_reminders(connection, site, now),
        )
        if site.alerts.mqtt is not None:
            publisher = MqttPublisher(
                site, site.alerts.mqtt, history, view, heartbeat, lambda: outbox.is_sender
            )
            publishers.append(publisher)
            publisher.start()
            stack.callback(publisher.stop)
        outbox.start()
        stack.callback(outbox.stop)
        loops = [
            ShardLoop(shard, site, url, history, view, owner, heartbeat, outbox.wake, evidence.take)
            for shard in sorted({keys.shard(camera.id) for camera in site.cameras})
        ]
        parts = {f"shard-{loop.shard}": _started(loop, ended) for loop in loops}
        stack.callback(_end, parts, ended)
        if site.alerts.heartbeat is not None:
            watchdog = Watchdog(site.alerts.heartbeat, _wellness(loops, view, outbox))
            watchdog.start()
            stack.callback(watchdog.stop)
        while not stop.wait(LOOK_EVERY_S):
            heartbeat.progress()
            heartbeat.gauge("incidents_open", sum(loop.open_incidents for loop in loops))
            dead = [name for name, part in parts.items() if not part.is_alive()]
            if dead or not outbox.alive:
                raise ServiceFailed(f"{', '.join(dead) or 'the sender of notices'} has ended")


def _sending(publishers: list[MqttPublisher]) -> Send:
    """How a notice is delivered: MQTT over its own connection, all else through Apprise."""

    def send(channel: Channel, notice: Notice, picture: Path | None) -> str | None:
        if channel.name == MQTT_CHANNEL and publishers:
            return publishers[0].send(notice)
        return deliver(channel.url, notice, picture)

    return send


def _started(loop: ShardLoop, ended: threading.Event) -> threading.Thread:
    thread = threading.Thread(
        target=loop.run, args=(ended,), name=f"shard-{loop.shard}", daemon=True
    )
    thread.start()
    return thread


def _end(parts: dict[str, threading.Thread], ended: threading.Event) -> None:
    ended.set()
    for name, part in parts.items():
        part.join(timeout=20)
        if part.is_alive():
            log.warning("did not end in time", part=name)


def _wellness(loops: list[ShardLoop], view: LiveView, outbox: Outbox) -> Callable[[], bool]:
    """Whether this instance owns something, its loops come round and the broker answers."""

    def is_well() -> bool:
        passes = [loop.passed_at for loop in loops if loop.passed_at is not None]
        recent = [at for at in passes if time.monotonic() - at < WELL_WITHIN_S]
        return bool(recent) and len(recent) == len(passes) and view.broker_ok and outbox.alive

    return is_well
