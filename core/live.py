"""What the broker says right now of each camera: one reader per process, shared by all who look."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import redis
import structlog

from core.broker import check_takes_writes, connect, connect_reader, trouble
from core.clock import Clock
from core.follow import Entry, Fields, StreamFollower, read_back, split_id
from core.messages import (
    HEARTBEAT_GONE_S,
    Heartbeat,
    Keys,
    Message,
    MessageError,
    Picture,
    Reading,
    Reason,
    State,
)
from core.redaction import redact
from core.settings import CameraSettings
from core.status import Status, camera_status, reading_age_s

READINGS_REMEMBERED = 8  # per camera, so that a picture finds the reading of its own frame
_BLOCK_MS = 1000
_SILENCE_S = 5.0  # without an answer for so long the broker counts as away
_LONGEST_PAUSE_S = 2.0
_MEASURE_EVERY_S = 30.0
_PROBE_EVERY_S = 2.0
_SILENT = "the broker does not answer"
_LOOK_BACK_MS = 10 * 60_000  # how old a reading may be to be found at the start
_PAGE = 100
_MOST_PAGES = 20
_AHEAD_MS = 5_000  # what is stamped further in the future than this is no reason to wait for it

log = structlog.get_logger()

Stamped = TypeVar("Stamped", Reading, Picture, State)


class LiveView:
    """Follows readings, states and heartbeats, and pictures where wanted, in threads of its own.

    It survives a broker that goes away, comes back empty, or comes back with another clock: what it
    knows only grows older meanwhile, and `status` says so.

    Args:
        cameras: of the site; entries of others are ignored.
        pictures: whether to follow pictures; only the latest of each camera is kept.
    """

    def __init__(
        self, url: str, keys: Keys, cameras: Sequence[CameraSettings], *, pictures: bool
    ) -> None:
        self._url = url
        self._keys = keys
        self._cameras = {camera.id: camera for camera in cameras}
        self._readings: dict[str, deque[Reading]] = {}
        self._states: dict[str, State] = {}
        self._heartbeats: dict[str, Heartbeat] = {}
        self._pictures: dict[str, Picture] = {}
        self._changed = threading.Condition()
        self._version = 0
        self._heard_at: float | None = None  # monotonic; None while the broker is away
        self._measure_at = 0.0  # monotonic
        self._probe_at = 0.0
        self._trouble = ""  # of the broker, when it last failed
        self._watched = 0  # grows with each call of `watch`
        self._stop = threading.Event()
        self._client = connect(url)
        self.clock = Clock(self._client, measures_when_due=False)  # measured by our own thread
        self._threads = [threading.Thread(target=self._follow_values, name="live", daemon=True)]
        if pictures:
            thread = threading.Thread(target=self._follow_pictures, name="pictures", daemon=True)
            self._threads.append(thread)

    def start(self) -> None:
        """Starts following; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads; what is known can still be asked."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._client.close()

    def watch(self, cameras: Sequence[CameraSettings]) -> None:
        """Look at these cameras from now on, with these settings; forget all others."""
        with self._changed:
            self._cameras = {camera.id: camera for camera in cameras}
            for known in (self._readings, self._states, self._pictures):
                for camera in known.keys() - self._cameras.keys():
                    del known[camera]
            self._watched += 1
            self._announce()

    @property
    def broker_ok(self) -> bool:
        """Whether the broker has answered within the last seconds, and takes messages."""
        return not self.broker_trouble

    @property
    def broker_trouble(self) -> str:
        """What is wrong with the broker, one sentence for an operator; empty when it is well."""
        heard_at, trouble = self._heard_at, self._trouble
        if heard_at is None:
            return trouble or _SILENT
        return _SILENT if time.monotonic() - heard_at >= _SILENCE_S else trouble

    def reading(self, camera: str) -> Reading | None:
        """The camera's last reading, whatever its age."""
        with self._changed:
            readings = self._readings.get(camera)
            return readings[-1] if readings else None

    def reading_of(self, camera: str, seq: int) -> Reading | None:
        """The reading of the frame with this ``seq``, while it is among the last few."""
        with self._changed:
            readings = self._readings.get(camera, ())
            return next((item for item in reversed(readings) if item.seq == seq), None)

    def frames_per_second(self, camera: str) -> float | None:
        """How often the camera was counted lately; None before the second reading."""
        with self._changed:
            instants = [reading.published_at for reading in self._readings.get(camera, ())]
        span_ms = instants[-1] - instants[0] if len(instants) > 1 else 0
        return 1000 * (len(instants) - 1) / span_ms if span_ms > 0 else None

    def state(self, camera: str) -> State | None:
        """The last that ingest said of the camera."""
        with self._changed:
            return self._states.get(camera)

    def drops(self, camera: str) -> int:
        """Frames that were captured and never counted, by the processes that live: dropped by
        ingest for a newer one, or found too old by a worker."""
        state = self.state(camera)
        name = f'headcount_worker_dropped_old_total{{camera="{camera}"}}'
        too_old = sum(beat.counters.get(name, 0.0) for beat in self.heartbeats())
        return (state.drops if state else 0) + round(too_old)

    def picture(self, camera: str) -> Picture | None:
        """The camera's latest picture, whatever its age."""
        with self._changed:
            return self._pictures.get(camera)

    def heartbeats(self) -> list[Heartbeat]:
        """The last heartbeat of each process that lives."""
        now = self.clock.now_ms()
        with self._changed:
            known = list(self._heartbeats.values())
        return [beat for beat in known if abs(now - beat.at) < HEARTBEAT_GONE_S * 1000]

    def status(self, camera: str) -> Status:
        """The camera's status now.

        Raises:
            KeyError: the site has no such camera.
        """
        settings = self._cameras[camera]
        reading, now = self.reading(camera), self.clock.now_ms()
        if broker_trouble := self.broker_trouble:
            age_s = reading_age_s(settings, reading, now)
            shown_age_s = None if age_s is None else max(0.0, age_s)
            return Status(False, Reason.NO_BROKER, broker_trouble, shown_age_s)
        return camera_status(settings, self.state(camera), self.heartbeats(), reading, now)

    def wait(self, version: int, timeout_s: float) -> int:
        """Waits until something has changed since ``version``; the number of the latest change."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > version, timeout_s)
            return self._version

    def _follow_values(self) -> None:
        shards = range(self._keys.shards)
        streams = [self._keys.readings(shard) for shard in shards]
        streams += [self._keys.states(shard) for shard in shards]
        streams.append(self._keys.heartbeats())
        self._follow(lambda: streams, self._fill_values, self._heard, self._lost)

    def _follow_pictures(self) -> None:
        def streams() -> list[str]:
            return [self._keys.pictures(camera) for camera in self._cameras]

        self._follow(streams, self._fill_pictures, lambda: None, lambda _: None)

    def _follow(
        self,
        streams: Callable[[], list[str]],
        fill: Callable[[redis.Redis], None],
        heard: Callable[[], None],
        lost: Callable[[Exception], None],
    ) -> None:
        pause_s = 0.1
        while not self._stop.is_set():
            watched = self._watched
            try:
                with connect_reader(self._url) as client:
                    # First the place to go on from, then what was there: nothing falls between.
                    follower = StreamFollower(client, streams())
                    fill(client)
                    pause_s = 0.1
                    while not self._stop.is_set() and watched == self._watched:
                        heard()
                        self._take(follower.read(_BLOCK_MS))
            except (redis.RedisError, OSError) as error:
                lost(error)
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _heard(self) -> None:
        if time.monotonic() >= self._measure_at:
            self.clock.measure()
            self._measure_at = time.monotonic() + _MEASURE_EVERY_S
        before = self.broker_trouble
        if time.monotonic() >= self._probe_at:
            self._probe()
            self._probe_at = time.monotonic() + _PROBE_EVERY_S
        is_back = self._heard_at is None
        self._heard_at = time.monotonic()
        if is_back:
            log.info("the broker answers")
        if is_back or self.broker_trouble != before:
            with self._changed:
                self._announce()

    def _probe(self) -> None:
        """Notice a broker that answers but takes no messages: every process would seem dead."""
        try:
            check_takes_writes(self._client)
        except redis.OutOfMemoryError as error:
            if not self._trouble:
                log.warning("the broker takes no messages", error=redact(str(error)))
            self._trouble = trouble(error)
        else:
            self._trouble = ""

    def _lost(self, error: Exception) -> None:
        if self._heard_at is not None:
            log.warning("the broker is away", error=redact(str(error)))
        with self._changed:
            self._heard_at, self._trouble = None, trouble(error)
            self._probe_at = 0.0
            self._announce()

    def _fill_values(self, client: redis.Redis) -> None:
        """What the streams held before: each camera's latest reading and state, heartbeats."""
        self.clock.measure()
        entries: list[Entry] = []
        for shard in range(self._keys.shards):
            wanted = {camera for camera in self._cameras if self._keys.shard(camera) == shard}
            stream = self._keys.readings(shard)
            entries += _latest_per_camera(client, stream, wanted, Reading)
            stream = self._keys.states(shard)
            entries += _latest_per_camera(client, stream, wanted, State)
        entries += reversed(read_back(client, self._keys.heartbeats(), count=_PAGE))
        self._take(entries)

    def _fill_pictures(self, client: redis.Redis) -> None:
        for camera in self._cameras:
            self._take(read_back(client, self._keys.pictures(camera), count=1))

    def _take(self, entries: list[Entry]) -> None:
        changes = [change for change in map(self._understood, entries) if change is not None]
        if not changes:
            return
        now = self.clock.now_ms()
        with self._changed:
            for message in changes:
                self._keep(message, now)
            self._announce()

    def _understood(self, entry: Entry) -> Message | None:
        stream, _, fields = entry
        try:
            return self._kind_of(stream).from_fields(fields)
        except MessageError as error:
            log.warning("an entry is not readable", stream=stream, error=str(error))
            return None

    def _kind_of(self, stream: str) -> type[Message]:
        if stream == self._keys.heartbeats():
            return Heartbeat
        if stream.endswith(":readings"):
            return Reading
        return State if stream.endswith(":states") else Picture

    def _keep(self, message: Message, now_ms: int) -> None:
        if isinstance(message, Heartbeat):
            self._heartbeats[f"{message.service}/{message.id}"] = message
            self._forget_the_dead(now_ms)
        elif isinstance(message, Reading | State | Picture) and message.camera in self._cameras:
            if isinstance(message, Reading):
                self._keep_reading(message, now_ms)
            elif isinstance(message, State):
                _keep_newest(self._states, message, now_ms)
            else:
                _keep_newest(self._pictures, message, now_ms)

    def _keep_reading(self, reading: Reading, now_ms: int) -> None:
        empty: deque[Reading] = deque(maxlen=READINGS_REMEMBERED)
        readings = self._readings.setdefault(reading.camera, empty)
        if not readings or _is_newer(reading, readings[-1], now_ms):
            readings.append(reading)

    def _forget_the_dead(self, now_ms: int) -> None:
        gone = [
            name
            for name, beat in self._heartbeats.items()
            if abs(now_ms - beat.at) > 10 * HEARTBEAT_GONE_S * 1000
        ]
        for name in gone:
            del self._heartbeats[name]

    def _announce(self) -> None:
        """Called with the lock held."""
        self._version += 1
        self._changed.notify_all()


def _keep_newest(kept: dict[str, Stamped], message: Stamped, now_ms: int) -> None:
    known = kept.get(message.camera)
    if known is None or _is_newer(message, known, now_ms):
        kept[message.camera] = message


def _is_newer(message: Stamped, known: Stamped, now_ms: int) -> bool:
    is_from_another_clock = _instant(known) > now_ms + _AHEAD_MS
    return is_from_another_clock or _instant(message) >= _instant(known)


def _instant(message: Reading | Picture | State) -> int:
    return message.at if isinstance(message, State) else message.captured_at


def _latest_per_camera(
    client: redis.Redis, stream: str, cameras: set[str], kind: type[Reading] | type[State]
) -> list[Entry]:
    """The newest entry of each camera within the last ten minutes of a stream, in any order."""
    missing = set(cameras)
    found: list[Entry] = []
    before: bytes | None = None
    oldest_ms: int | None = None
    for _ in range(_MOST_PAGES):
        page = read_back(client, stream, count=_PAGE, before=before)
        for entry in page:
            camera = _camera_of(kind, entry[2])
            if camera in missing:
                missing.discard(camera)
                found.append(entry)
        if not page or not missing:
            break
        before = page[-1][1]
        oldest_ms = oldest_ms or split_id(page[0][1])[0] - _LOOK_BACK_MS
        if split_id(before)[0] < oldest_ms:
            break
    return found


def _camera_of(kind: type[Reading] | type[State], fields: Fields) -> str | None:
    try:
        return kind.from_fields(fields).camera
    except MessageError:
        return None
