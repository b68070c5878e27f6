"""The cameras that are being played, and what a changed site does to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import structlog

from core.clock import Clock
from core.heartbeat import HeartbeatSender
from core.messages import State
from core.settings import Site
from core.site_changes import is_replayed
from ingest.child_events import Job
from ingest.picture import AUTO_MAX_SIDE
from ingest.supervisor import CameraSupervisor

log = structlog.get_logger()


class Cameras:
    """Plays the cameras of a site.

    Args:
        url: of the broker.
        publish: takes each state of a camera; must not block.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        publish: Callable[[State], None],
        heartbeat: HeartbeatSender,
    ) -> None:
        self._url = url
        self._clock = clock
        self._publish = publish
        self._heartbeat = heartbeat
        self._playing: dict[str, CameraSupervisor] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._playing)

    def play(self, site: Site) -> None:
        """Play this site from now on: only streams that changed are opened anew or closed."""
        wanted = {job.camera.id: job for job in jobs(site, self._url)}
        with self._lock:
            ended = {
                name: camera
                for name, camera in self._playing.items()
                if name not in wanted or _is_other(camera.job, wanted[name])
            }
            _stop(ended.values())
            for name in ended:
                del self._playing[name]
            for name in ended.keys() - wanted.keys():
                self._heartbeat.forget(f'{{camera="{name}"}}')
            for name, job in wanted.items():
                if name not in self._playing:
                    self._playing[name] = CameraSupervisor(job, self._clock, self._publish)
                    self._playing[name].start()

    def tell(self) -> None:
        """Put the cameras' counters into the heartbeats."""
        with self._lock:
            for camera in self._playing.values():
                for name, value in camera.counters().items():
                    self._heartbeat.gauge(name, value)

    def ask_to_stop(self) -> None:
        """Let all cameras end; `stop` waits for it."""
        for camera in list(self._playing.values()):
            camera.ask_to_stop()

    def stop(self) -> None:
        """End all cameras."""
        with self._lock:
            _stop(self._playing.values())
            self._playing.clear()


def jobs(site: Site, url: str) -> list[Job]:
    """What each camera's process is to do."""
    side = site.model.max_side
    max_side = AUTO_MAX_SIDE if side == "auto" else side
    return [
        Job(camera=camera, max_side=max_side, broker=url, shards=site.broker.shards)
        for camera in site.cameras
    ]


def _is_other(old: Job, new: Job) -> bool:
    """Whether a camera's process has to be replaced to do the new job."""
    around = old.model_dump(exclude={"camera"}) != new.model_dump(exclude={"camera"})
    return around or is_replayed(old.camera, new.camera)


def _stop(cameras: Iterable[CameraSupervisor]) -> None:
    cameras = list(cameras)
    for camera in cameras:
        camera.ask_to_stop()
    for camera in cameras:
        camera.join()
