"""Watches over one camera: its child process, its state, its counters."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from core.clock import Clock, local_ms
from core.messages import CameraState, Reason, State
from ingest.camera_machine import Action, CameraMachine
from ingest.child import Child
from ingest.child_events import Event, EventKind, Job
from ingest.source import OPEN_TIMEOUT_S

STATE_EVERY_S = 2.0
_TICK_S = 0.2
_START_ALLOWANCE_S = 30.0  # for a new child to load, on a busy machine
_ATTEMPT_S = OPEN_TIMEOUT_S + 2.0
_STOP_S = 1.2

log = structlog.get_logger()


@dataclass
class _Totals:
    """Counts of the children that have ended, and of the one that runs."""

    before: Event
    now: Event

    def of(self, name: str) -> int:
        return int(getattr(self.before, name) + getattr(self.now, name))

    def next_child(self) -> None:
        names = ("frames", "drops", "publish_errors")
        sums = {name: self.of(name) for name in names}
        self.before = Event(kind=EventKind.OPENING, **sums)
        self.now = Event(kind=EventKind.OPENING)


class CameraSupervisor:
    """Runs one camera in a thread and a child process, and publishes its state.

    Args:
        job: the camera and where its frames go.
        clock: for the instants in states.
        publish: takes each state; must not block.
    """

    def __init__(self, job: Job, clock: Clock, publish: Callable[[State], None]) -> None:
        self.camera = job.camera
        self.job = job
        self._clock = clock
        self._publish = publish
        rng = random.Random()  # noqa: S311 - jitter
        self._machine = CameraMachine(job.camera.stall_timeout, time.monotonic(), rng)
        self._child: Child | None = None
        start = Event(kind=EventKind.OPENING)
        self._totals = _Totals(start, start)
        self._view = ""  # how it looks, for the next child
        self._size = (0, 0)
        self._fps = 0.0
        self._published = 0.0
        self._shown: tuple[CameraState, Reason | None, str, str] | None = None
        self._defect = ""  # the last one that was logged with its traceback
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {job.camera.id}")

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        """Wait until the camera's child has ended, after `ask_to_stop`."""
        self._thread.join()

    @property
    def has_learned_the_view(self) -> bool:
        """Whether a turned camera would be noticed."""
        return bool(self._view)

    def counters(self) -> dict[str, float]:
        """Prometheus values of this camera, labels included."""
        label = f'{{camera="{self.camera.id}"}}'
        return {
            f"headcount_ingest_frames_total{label}": self._totals.of("frames"),
            f"headcount_ingest_drops_total{label}": self._totals.of("drops"),
            f"headcount_ingest_publish_errors_total{label}": self._totals.of("publish_errors"),
            f"headcount_ingest_reconnects_total{label}": self._machine.reconnects,
            f"headcount_ingest_view_learned{label}": float(self.has_learned_the_view),
            f"headcount_ingest_live{label}": float(self._machine.state is CameraState.LIVE),
        }

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._step()
                except Exception as error:
                    self._begin_again(error)
        finally:
            if self._child is not None:
                self._child.stop(_STOP_S)

    def _begin_again(self, error: Exception) -> None:
        """After a defect of ours: a new process for the camera, after a growing pause."""
        defect = f"{type(error).__name__}: {error}"
        if defect == self._defect:
            log.error("camera's supervision failed again", camera=self.camera.id, error=defect)
        else:
            log.exception("camera's supervision failed, beginning again", camera=self.camera.id)
        self._defect = defect
        detail = f"Watching over the camera failed ({type(error).__name__}); the log says where."
        self._machine.failed(time.monotonic(), Reason.OFFLINE, detail)
        self._drop_child()
        self._stopping.wait(_TICK_S)  # where every step fails

    def _step(self) -> None:
        child = self._child
        if child is None:
            self._stopping.wait(_TICK_S)
        else:
            for event in child.events(_TICK_S):
                self._take(event)
            how = child.ended()
            if how is not None:
                self._child_died(how)
        action = self._machine.tick(time.monotonic())
        if action is Action.CONNECT:
            self._connect()
        elif action is Action.KILL:
            log.warning("camera blocked, its process is replaced", camera=self.camera.id)
            self._drop_child()
        self._publish_state()

    def _connect(self) -> None:
        now = time.monotonic()
        if self._child is None:
            try:
                self._child = Child(self.job.model_copy(update={"view": self._view}))
            except OSError as error:
                detail = f"The camera's process cannot be started: {error.strerror}."
                self._machine.failed(now, Reason.OFFLINE, detail)
                return
            self._machine.started(now, _START_ALLOWANCE_S)
        else:
            self._machine.started(now, _ATTEMPT_S)
        self._child.open()

    def _take(self, event: Event) -> None:
        now = time.monotonic()
        self._totals.now = event
        if event.kind is EventKind.OPENING:
            self._machine.started(now, _ATTEMPT_S)
        elif event.kind is EventKind.OPENED:
            self._fps = event.fps
            self._machine.opened(now)
        elif event.kind is EventKind.FRAME:
            self._size = (event.width, event.height)
            self._machine.frame(now, event.reason, event.detail, event.warning)
        elif event.kind is EventKind.VIEW:
            self._view = event.view
        elif event.kind is EventKind.ALIVE:
            self._machine.alive(now)
        elif event.kind is EventKind.FAILED:
            self._machine.failed(now, event.reason or Reason.OFFLINE, event.detail)
        elif event.kind is EventKind.ENDED:
            self._machine.ended(now)
            self._drop_child()

    def _child_died(self, how: str) -> None:
        if self._child is None:  # it was let go at the end of its file
            return
        detail = f"The camera's process ended unexpectedly ({how})."
        self._machine.failed(time.monotonic(), Reason.OFFLINE, detail)
        self._drop_child()

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        self._totals.next_child()
        if child is not None:
            child.kill()

    def _publish_state(self) -> None:
        machine = self._machine
        now = time.monotonic()
        shown = (machine.state, machine.reason, machine.detail, machine.warning)
        changed = shown != self._shown
        if not changed and now - self._published < STATE_EVERY_S:
            return
        if changed:
            self._log_change(shown)
        self._shown = shown
        self._published = now
        now_ms = local_ms() + self._clock.offset_ms  # `Clock.now_ms` may wait for the broker
        seen = machine.last_frame
        self._publish(
            State(
                camera=self.camera.id,
                at=now_ms,
                state=machine.state,
                reason=machine.reason,
                detail=machine.detail,
                warning=machine.warning,
                since=now_ms - round((now - machine.since) * 1000),
                last_frame_at=None if seen is None else now_ms - round((now - seen) * 1000),
                reconnects=machine.reconnects,
                frames=self._totals.of("frames"),
                drops=self._totals.of("drops"),
                width=self._size[0],
                height=self._size[1],
                source_fps=self._fps,
            )
        )

    def _log_change(self, shown: tuple[CameraState, Reason | None, str, str]) -> None:
        state, reason, detail, warning = shown
        calm = state in (CameraState.CONNECTING, CameraState.ENDED)
        well = calm or (state is CameraState.LIVE and reason is None and not warning)
        report = log.info if well else log.warning
        more = {} if well or not detail else {"reason": str(reason), "detail": detail}
        if warning:
            more["warning"] = warning
        report("camera state", camera=self.camera.id, state=str(state), **more)
