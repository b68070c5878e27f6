"""What can be broken in a running site, and a hand that breaks one thing after the other."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import psutil
import redis
import structlog

from core.broker import connect
from core.clock import local_ms
from headcount.chaos.record import Fault, Record
from headcount.chaos.watch import Receiver, role_of
from headcount.rtsp_source import Clip, RtspCamera

BACKOFF_CAP_S = 30.0  # of a camera's attempts
WELL_WITHIN_S = BACKOFF_CAP_S + 10.0
GIVE_UP_AFTER_S = 90.0  # waiting for a recovery; the run goes on, and the checker says so
REPLACED_WITHIN_S = 120.0  # a process that was stopped for good
LOOK_EVERY_S = 0.25
SECOND_AT_ONCE = 0.25  # how often a second fault comes before the first is recovered from

log = structlog.get_logger(__name__)


@dataclass
class Target:
    """The site as the breaker sees it.

    Args:
        url: of the broker.
        clips: what cameras show: the usual clip, and the same in another size.
    """

    url: str
    cameras: Mapping[str, RtspCamera]
    clips: Sequence[Clip]
    receiver: Receiver
    record: Record
    stop: threading.Event
    spared: frozenset[int] = frozenset()  # ids of processes that do not belong to the site

    def processes(self, role: str) -> list[psutil.Process]:
        return [
            each
            for each in psutil.Process().children(recursive=True)
            if each.pid not in self.spared and role_of(each) == role
        ]

    def process(self, role: str) -> psutil.Process:
        """One process of the role; waits for it, since it may just be started again.

        Raises:
            RuntimeError: there is none for long.
        """
        deadline = time.monotonic() + GIVE_UP_AFTER_S
        while time.monotonic() < deadline and not self.stop.is_set():
            found = self.processes(role)
            if found:
                return found[0]
            time.sleep(LOOK_EVERY_S)
        raise RuntimeError(f"no {role} process runs")


Breaking = Callable[[Target, random.Random], Fault | None]


def kill(role: str, target: Target, _rng: random.Random) -> Fault:
    process = target.process(role)
    at = local_ms()
    process.kill()
    return _fault(f"kill {role}", role, at)


def pause(role: str, target: Target, rng: random.Random) -> Fault:
    """SIGSTOP for a while. Of ingest all processes, as when a machine sleeps."""
    seconds = rng.uniform(1.0, 8.0)
    process = target.process(role)
    group = [process, *process.children(recursive=True)]
    at = local_ms()
    _signal(group, signal.SIGSTOP)
    target.stop.wait(seconds)
    _signal(group, signal.SIGCONT)
    return _fault(f"pause {role}", role, at)


def hang(role: str, target: Target, _rng: random.Random) -> Fault:
    """SIGSTOP for good: somebody must notice and replace the process."""
    process = target.process(role)
    at = local_ms()
    _signal([process], signal.SIGSTOP)
    deadline = time.monotonic() + REPLACED_WITHIN_S
    while process.is_running() and time.monotonic() < deadline and not target.stop.is_set():
        target.stop.wait(LOOK_EVERY_S)
    if process.is_running():
        _signal([process], signal.SIGCONT)
    return _fault(f"hang {role}", role, at)


def kill_between_sending_and_marking(target: Target, _rng: random.Random) -> None:
    """Alerts dies the moment its next notice has arrived; the run goes on meanwhile."""

    def strike() -> None:
        at = local_ms()
        for process in target.processes("alerts"):
            process.kill()
        target.record.faults.append(_fault("kill alerts between send and mark", "alerts", at))

    target.receiver.before_answer = strike


def empty_broker(target: Target, _rng: random.Random) -> Fault:
    at = local_ms()
    with connect(target.url) as client:
        client.flushall()
    return _fault("empty broker", "broker", at)


def fill_broker(target: Target, rng: random.Random) -> Fault:
    """The broker is out of memory and refuses writes for a while."""
    with connect(target.url) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        at = local_ms()
        client.config_set("maxmemory", "1mb")
        target.stop.wait(rng.uniform(2.0, 6.0))
        client.config_set("maxmemory", before)
    return _fault("broker out of memory", "broker", at)


def change_broker_password(target: Target, rng: random.Random) -> Fault:
    """Every connection is closed, and the broker wants a password that nobody knows."""
    with connect(target.url) as client:
        client.ping()
        at = local_ms()
        client.config_set("requirepass", "another")
        for number in ("normal", "pubsub"):
            client.execute_command("CLIENT", "KILL", "TYPE", number, "SKIPME", "yes")
        target.stop.wait(rng.uniform(2.0, 6.0))
        client.config_set("requirepass", "")
    return _fault("broker with another password", "broker", at)


def break_camera(
    kind: str,
    shortest_s: float,
    longest_s: float,
    begin: Callable[[RtspCamera], None],
    target: Target,
    rng: random.Random,
) -> Fault:
    name = rng.choice(sorted(target.cameras))
    camera = target.cameras[name]
    at = local_ms()
    begin(camera)
    target.stop.wait(rng.uniform(shortest_s, longest_s))
    camera.restore()
    return _fault(kind, name, at)


def change_picture(target: Target, rng: random.Random) -> Fault:
    """The camera drops its viewers and comes back in the other resolution."""
    name = rng.choice(sorted(target.cameras))
    camera = target.cameras[name]
    at = local_ms()
    camera.show(next(clip for clip in target.clips if clip is not camera.clip))
    return _fault("camera with another resolution", name, at)


KINDS: dict[str, Breaking] = {
    **{f"kill {role}": partial(kill, role) for role in ("ingest", "worker", "alerts", "broker")},
    "kill camera": partial(kill, "camera"),
    **{f"pause {role}": partial(pause, role) for role in ("ingest", "worker", "alerts", "broker")},
    **{f"hang {role}": partial(hang, role) for role in ("ingest", "worker", "alerts", "broker")},
    "kill alerts between send and mark": kill_between_sending_and_marking,
    "empty broker": empty_broker,
    "broker out of memory": fill_broker,
    "broker with another password": change_broker_password,
    "camera cut off": partial(break_camera, "camera cut off", 0.5, 8.0, RtspCamera.cut),
    "camera hangs": partial(break_camera, "camera hangs", 3.0, 12.0, RtspCamera.hang),
    "camera refuses": partial(break_camera, "camera refuses", 1.0, 5.0, RtspCamera.refuse),
    "camera with another resolution": change_picture,
}
SLOW = frozenset({"hang ingest", "hang worker", "hang alerts", "hang broker", "camera refuses"})


class Breaker:
    """Breaks one thing after the other, most of them when all is well again after the one before.

    Args:
        kinds: what to break, all of `KINDS` by default; slow ones come half as often.
        on_fault: told of each fault, with the seconds until all was well or None.
    """

    def __init__(
        self,
        target: Target,
        seed: int,
        kinds: Sequence[str] = tuple(KINDS),
        on_fault: Callable[[Fault, float | None], None] = lambda _fault, _took: None,
    ) -> None:
        self._target = target
        self._rng = random.Random(seed)  # noqa: S311 - repeatable, no secret
        self._kinds = kinds
        self._on_fault = on_fault
        self._deck: list[str] = []
        self._rounds = 0

    def break_until(self, deadline: float) -> None:
        """Go on until ``deadline`` (monotonic) or the target's stop."""
        target = self._target
        while time.monotonic() < deadline and not target.stop.is_set():
            faults = self._break(self._next_kind())
            if faults and self._rng.random() < SECOND_AT_ONCE and self._deck:
                faults += self._break(self._next_kind())  # before the first is recovered from
            if not faults:
                continue
            end = max(fault.ended for fault in faults)
            faults = [replace(fault, ended=end) for fault in faults]
            target.record.faults += faults
            took_s = self.wait_until_well(faults[-1])
            for fault in faults:
                self._on_fault(fault, took_s)
            target.stop.wait(self._rng.uniform(0.0, 3.0))

    def _break(self, kind: str) -> list[Fault]:
        """Break one thing; empty where that was not possible, or comes later by itself."""
        try:
            fault = KINDS[kind](self._target, self._rng)
        except (redis.RedisError, psutil.Error, RuntimeError) as error:
            log.warning("fault not possible now", kind=kind, error=str(error))
            return []
        return [] if fault is None else [fault]

    def wait_until_well(
        self, fault: Fault, give_up_after_s: float = GIVE_UP_AFTER_S
    ) -> float | None:
        """Seconds until all was well after a fault; None where that took too long."""
        deadline = time.monotonic() + give_up_after_s
        while time.monotonic() < deadline and not self._target.stop.is_set():
            at = self._target.record.recovered_at(fault)
            if at is not None:
                return (at - fault.ended) / 1000
            self._target.stop.wait(LOOK_EVERY_S)
        return None

    def _next_kind(self) -> str:
        if not self._deck:
            slow = self._rounds % 2 == 1
            self._deck = [kind for kind in self._kinds if slow or kind not in SLOW]
            self._deck = self._deck or list(self._kinds)
            self._rng.shuffle(self._deck)
            self._rounds += 1
        return self._deck.pop()


def _fault(kind: str, target: str, at: int) -> Fault:
    empties = kind in ("kill broker", "hang broker", "empty broker")
    return Fault(kind, target, at, local_ms(), WELL_WITHIN_S, empties)


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError, psutil.Error):
            os.kill(process.pid, number)
