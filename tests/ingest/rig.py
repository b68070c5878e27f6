"""Cameras running under supervision in a test, and what a reader of the broker sees of them."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import psutil

from core.broker import connect
from core.clock import Clock
from core.messages import CameraState, Frame, Keys, State
from core.settings import CameraSettings
from ingest.child_events import Job
from ingest.state_publisher import StatePublisher
from ingest.supervisor import CameraSupervisor
from tests.waiting import wait_until

STALL_S = 2.0
STOPS_WITHIN_S = 10.0  # two seconds, on a machine that does nothing else


class Rig:
    """Supervises cameras; a context manager.

    Args:
        url: of the broker.
        cameras: fields of `CameraSettings` for each camera.
    """

    def __init__(self, url: str, *cameras: dict[str, Any]) -> None:
        self.keys = Keys()
        self.client = connect(url)
        self._states = StatePublisher(connect(url), self.keys)
        self._clock = Clock(self.client)
        self.supervisors = {}
        for fields in cameras:
            camera = CameraSettings(**{"stall_timeout": STALL_S, "fps": 5, **fields})
            job = Job(camera=camera, max_side=320, broker=url, shards=1)
            self.supervisors[camera.id] = CameraSupervisor(job, self._clock, self._states.put)

    def __enter__(self) -> Self:
        self._states.__enter__()
        for supervisor in self.supervisors.values():
            supervisor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        started = time.monotonic()
        for supervisor in self.supervisors.values():
            supervisor.ask_to_stop()
        for supervisor in self.supervisors.values():
            supervisor.join()
        took_s = time.monotonic() - started
        self._states.__exit__()
        self.client.close()
        if error is None:
            assert took_s < STOPS_WITHIN_S
            assert camera_processes() == []

    def state(self, camera: str) -> State | None:
        """The camera's newest state on the stream."""
        for _, fields in self.client.xrevrange(self.keys.states(0)):
            state = State.from_fields(fields)
            if state.camera == camera:
                return state
        return None

    def wait_for(self, camera: str, wanted: CameraState, timeout_s: float = 30.0) -> State:
        """The camera's state once it is ``wanted``."""

        def reached() -> State | None:
            state = self.state(camera)
            return state if state is not None and state.state is wanted else None

        found = wait_until(reached, timeout_s)
        assert found is not None
        return found

    def frames(self, camera: str) -> list[Frame]:
        """The camera's frames on the stream."""
        entries = self.client.xrange(self.keys.frames(camera))
        return [Frame.from_fields(fields) for _, fields in entries]

    def wait_for_new_frame(self, camera: str, timeout_s: float = 30.0) -> Frame:
        """The camera's next frame."""
        last = max((frame.seq for frame in self.frames(camera)), default=0)

        def newer() -> Frame | None:
            return next((frame for frame in self.frames(camera) if frame.seq > last), None)

        found = wait_until(newer, timeout_s)
        assert found is not None
        return found


def camera_processes() -> list[psutil.Process]:
    """The camera processes of this test run, oldest first."""
    children = psutil.Process().children(recursive=True)
    return sorted(
        (child for child in children if _runs_a_camera(child)),
        key=lambda child: float(child.create_time()),
    )


def _runs_a_camera(process: psutil.Process) -> bool:
    try:
        return "ingest.camera" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
