"""Runs each service of a site in a process of its own, and leaves nothing behind.

Each service is ``python -m headcount SERVICE SITE.yaml`` in a process group of its own (so that a
Ctrl-C in the terminal reaches only the supervisor, which stops them in order), tied to the
supervisor's life, and started again with a growing pause when it ends by itself. One that lives but
stands still (`headcount.pulse`) is killed first.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog

from core.messages import Service
from headcount.pulse import Pulse
from headcount.signals import SUPERVISOR_VARIABLE
from headcount.site_broker import SiteBroker

START_ORDER = (Service.DASHBOARD, Service.ALERTS, Service.WORKER, Service.INGEST)
STOP_ORDER = (Service.INGEST, Service.WORKER, Service.ALERTS, Service.DASHBOARD)
LOOK_EVERY_S = 0.1
PAUSED_S = 5.0  # between two looks: we were stopped ourselves, so nobody's silence counts
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0  # a service that ran so long starts again without a grown pause
STOP_WITHIN_S = 10.0  # each service; then it is killed

log = structlog.get_logger(__name__)


class StopSignals:
    """SIGINT and SIGTERM: the first asks for an ordered stop, the second kills.

    A context manager, for the main thread; the old handlers come back at its end.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.kill = threading.Event()
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop.is_set():
            self.kill.set()
        self.stop.set()


@dataclass
class _Child:
    """A service's process, and when it may be started again."""

    service: Service
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0  # monotonic
    start_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    starts: int = 0

    def signal_group(self, number: int) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """Keeps a site's services running until it is told to stop.

    Args:
        site_path: the site file.
        broker: its URL is given to the services in HEADCOUNT_REDIS_URL.
        services: which to run; in production all.
    """

    def __init__(
        self,
        site_path: Path,
        broker: SiteBroker,
        services: Sequence[Service] = START_ORDER,
    ) -> None:
        self._site_path = site_path
        self._broker = broker
        self._children = {
            service: _Child(service) for service in START_ORDER if service in services
        }

    def run(self, signals: StopSignals) -> None:
        """Start everything, watch it, and stop it all in order once ``signals.stop`` is set."""
        with Pulse(self._broker.url) as pulse:
            try:
                self._look_after_all(signals.stop, pulse)
            finally:
                self._stop_all(signals.kill)

    def _look_after_all(self, stop: threading.Event, pulse: Pulse) -> None:
        looked_at = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            if now - looked_at > PAUSED_S:
                pulse.forgive()
            looked_at = now
            self._broker.keep_alive(pulse.broker_silent_s)
            for child in self._children.values():
                self._end_if_stuck(child, pulse)
                self._watch(child, pulse)
            stop.wait(LOOK_EVERY_S)

    def pid(self, service: Service) -> int | None:
        """Process id of a service, while it runs."""
        process = self._children[service].process
        return process.pid if process is not None and process.poll() is None else None

    @staticmethod
    def _end_if_stuck(child: _Child, pulse: Pulse) -> None:
        if child.process is None or child.process.poll() is not None:
            return
        fault = pulse.fault(child.process.pid, child.started_at)
        if fault is not None:
            log.error("service stands still and is killed", service=str(child.service), why=fault)
            child.signal_group(signal.SIGKILL)
            child.process.wait()

    def _watch(self, child: _Child, pulse: Pulse) -> None:
        """Start the service if it does not run and its pause is over."""
        now = time.monotonic()
        if child.process is not None and child.process.poll() is not None:
            code = child.process.returncode
            child.signal_group(signal.SIGKILL)  # whatever it had started itself
            pulse.forget(child.process.pid)
            child.process = None
            if now - child.started_at >= HEALTHY_AFTER_S:
                child.pause_s = FIRST_PAUSE_S
            child.start_at = now + child.pause_s
            log.warning(
                "service ended, starting it again",
                service=str(child.service),
                exit_code=code,
                pause_s=child.pause_s,
            )
            child.pause_s = min(2 * child.pause_s, LAST_PAUSE_S)
        if child.process is None and now >= child.start_at:
            self._start(child, now)

    def _start(self, child: _Child, now: float) -> None:
        environment = {
            **os.environ,
            "HEADCOUNT_REDIS_URL": self._broker.url,
            SUPERVISOR_VARIABLE: str(os.getpid()),
        }
        command = [sys.executable, "-m", "headcount", str(child.service), str(self._site_path)]
        child.process = subprocess.Popen(  # noqa: S603 - our own command line
            command, env=environment, stdin=subprocess.DEVNULL, process_group=0
        )
        child.started_at = now
        child.starts += 1

    def _stop_all(self, kill: threading.Event) -> None:
        """Stop the services in order; kill what does not end in time, and what it left."""
        for service in STOP_ORDER:
            child = self._children.get(service)
            if child is None or child.process is None:
                continue
            if child.process.poll() is None and not kill.is_set():
                with suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
                self._wait(child.process, kill)
            if child.process.poll() is None:
                log.warning("service killed", service=str(service))
            child.signal_group(signal.SIGKILL)
            child.process.wait()
            child.process = None
            child.start_at = 0.0

    @staticmethod
    def _wait(process: subprocess.Popen[bytes], kill: threading.Event) -> None:
        deadline = time.monotonic() + STOP_WITHIN_S
        while process.poll() is None and not kill.is_set() and time.monotonic() < deadline:
            kill.wait(0.05)
