"""The worker service: loads the model, measures it, and counts until it is told to stop."""

from __future__ import annotations

import socket
import threading
import time
from importlib.metadata import version

import redis
import structlog
import torch

from core.broker import connect, connect_reader
from core.clock import Clock
from core.commands import CommandListener
from core.heartbeat import HeartbeatSender
from core.messages import Command, Keys, Reply, Service
from core.reloading import Reloads, Rounds
from core.settings import MOST_SAMPLES, MOST_STEPS, ModelSettings, Site
from core.site_file import LoadedSite
from inference.capacity import Capacity, fitted_capacity
from inference.decoding import PictureError, decode_picture
from inference.frame_queue import LiveFrames
from inference.peers import available_cores, live_workers, threads_for
from inference.publisher import ModelIdentity, Publisher
from inference.recorded_queue import RecordedFrames
from inference.result_item import result_item
from inference.worker import SharedCounter, Worker
from models.counter import Counter

TICK_EVERY_S = 3.0  # how often workers look at who else lives
LEASE_MS = 10_000  # of a recorded file; longer where a frame takes longer
MOST_COMMAND_BYTES = 32 * 1024 * 1024

log = structlog.get_logger(__name__)


class _Surroundings:
    """Looks now and then at the other workers: shares the cores and fits the capacity."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        clock: Clock,
        capacity: Capacity,
        heartbeat: HeartbeatSender,
    ) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._capacity = capacity
        self._heartbeat = heartbeat
        self._looked_at = float("-inf")
        self.workers = 1

    def look(self) -> None:
        """Do it if it is time.

        Raises:
            redis.RedisError: the broker is away.
        """
        self._heartbeat.progress()
        now_s = time.monotonic()
        if now_s - self._looked_at < TICK_EVERY_S:
            return
        self._looked_at = now_s
        living = live_workers(self._client, self._keys, self._clock.now_ms())
        self.workers = max(1, len(living))
        here = sum(beat.facts.get("host") == socket.gethostname() for beat in living)
        threads = threads_for(available_cores(), here)
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        if self._capacity.refit(self.workers, now_s):
            log.info("input size fitted again", max_side=self._capacity.max_side)
        self.publish()

    def publish(self) -> None:
        """Put the capacity into this worker's heartbeats."""
        self._heartbeat.fact("max_side", str(self._capacity.max_side))
        self._heartbeat.fact("capacity_fps", f"{self._capacity.capacity_fps:.2f}")
        self._heartbeat.fact("asked_fps", f"{self._capacity.asked_fps:.2f}")


class _Engine:
    """The model, with the size of its input fitted to what a site asks."""

    def __init__(self, counter: Counter, site: Site) -> None:
        self.counter = counter
        self.shared = SharedCounter(counter, site.model)
        self.capacity = fitted_capacity(counter, site.model, site.frames_per_second)
        self._model = site.model
        self._log(site)

    def fit(self, site: Site) -> None:
        """Count as this site asks from now on; measure again only if its model section differs."""
        if site.model != self._model:
            self.shared.use(site.model)
            self.capacity = fitted_capacity(self.counter, site.model, site.frames_per_second)
            self._model = site.model
            self._log(site)
        self.capacity.ask(site.frames_per_second)

    def answer_count(self, command: Command) -> Reply:
        """Count the picture that came with a command."""
        if not command.payload or len(command.payload) > MOST_COMMAND_BYTES:
            return Reply(id=command.id, ok=False, error="count needs a picture of at most 32 MB")
        try:
            picture = decode_picture(command.payload)
        except PictureError:
            return Reply(id=command.id, ok=False, error="the file is no picture that can be read")
        source = command.arguments.get("source", "picture")
        try:
            steps = _asked(command, "steps", MOST_STEPS)
            samples = _asked(command, "samples", MOST_SAMPLES)
        except ValueError as error:
            return Reply(id=command.id, ok=False, error=str(error))
        result = self.shared.count([picture], self.capacity.max_side, steps, samples)[0]
        return Reply(id=command.id, ok=True, result=result_item(result, source, 0, None))

    def _log(self, site: Site) -> None:
        log.info(
            "model ready",
            model=self.counter.name,
            device=self.counter.device,
            max_side=self.capacity.max_side,
            capacity_fps=round(self.capacity.capacity_fps, 2),
            asked_fps=round(site.frames_per_second, 2),
        )


def _facts(heartbeat: HeartbeatSender, counter: Counter, model: ModelSettings) -> None:
    heartbeat.fact("host", socket.gethostname())
    heartbeat.fact("device", counter.device)
    heartbeat.fact("model", counter.name)
    heartbeat.fact("weights_hash", counter.weights_hash)
    heartbeat.fact("steps", str(model.steps or counter.default_steps))


def _asked(command: Command, name: str, most: int) -> int | None:
    """A whole number among a command's arguments; None leaves it to the site.

    Raises:
        ValueError: it is not from 1 to ``most``.
    """
    text = command.arguments.get(name)
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise ValueError(f"{name} is {text!r}; allowed are 1 to {most}")
    return int(text)


def run(loaded: LoadedSite, url: str, stop: threading.Event) -> None:
    """Count the site's frames until ``stop`` is set; what was taken is published first.

    Args:
        loaded: the site.
        url: of the broker.

    Raises:
        models.counter.WeightsError: the weights are missing or unreadable.
    """
    site = loaded.site
    torch.set_num_threads(available_cores())
    counter = Counter.load(site.model.name, device=site.model.device)
    engine = _Engine(counter, site)
    keys = Keys(site.broker.shards)
    client, reader = connect(url), connect_reader(url, sends_again=False)
    clock = Clock(client)
    heartbeat = HeartbeatSender(
        Service.WORKER, client, clock, config_version=loaded.version, version=version("headcount")
    )
    rounds = Rounds(stop)
    reloads = Reloads(loaded, heartbeat, rounds.begin_anew)
    handlers = {"count": engine.answer_count, "reload": reloads.answer}
    with heartbeat, CommandListener(url, keys, Service.WORKER, handlers):
        for now, ended in rounds.sites(loaded):
            heartbeat.runs(now.version)
            engine.fit(now.site)
            _facts(heartbeat, counter, now.site.model)
            _count(now.site, engine, client, reader, clock, heartbeat, ended)
    log.info("worker stopped")


def _count(
    site: Site,
    engine: _Engine,
    client: redis.Redis,
    reader: redis.Redis,
    clock: Clock,
    heartbeat: HeartbeatSender,
    stop: threading.Event,
) -> None:
    """Count the frames of a site's cameras until ``stop`` is set."""
    keys, counter, capacity = Keys(site.broker.shards), engine.counter, engine.capacity
    surroundings = _Surroundings(client, keys, clock, capacity, heartbeat)
    surroundings.publish()
    recorded = [camera for camera in site.cameras if camera.must_count_every]
    live = [camera for camera in site.cameras if not camera.must_count_every]
    lease_ms = max(LEASE_MS, int(5 * capacity.frame_ms))
    worker = Worker(
        engine.shared,
        LiveFrames(reader, client, keys, live, heartbeat.id, clock, heartbeat.count),
        RecordedFrames(reader, client, keys, recorded, heartbeat.id, lease_ms, heartbeat.count),
        Publisher(
            client,
            keys,
            clock,
            model=ModelIdentity(
                counter.name,
                counter.weights_hash,
                site.model.steps or counter.default_steps,
                site.model.samples,
            ),
            worker=heartbeat.id,
            pictures={camera.id: site.pictures_of(camera) for camera in site.cameras},
        ),
        capacity,
        age_limit_s=min(camera.age_limit for camera in site.cameras),
        count=heartbeat.count,
        tick=surroundings.look,
        workers=lambda: surroundings.workers,
    )
    worker.run(stop)
