"""Evidence of crowd incidents: what was seen and counted when a zone was raised to a level.

For each incident, when it is raised and at each higher level that it reaches, named by the level:
the picture that was counted (as privacy left it), the crowd map, a JSON file with heads, values,
model and configuration, and a clip from ten seconds before to ten after.

It has a thread of its own with a bounded queue. Whoever raises an incident only puts an occasion
into that queue and never waits; what goes wrong here costs the evidence, says so in the log and in
the counter ``evidence_failed_total``, and nothing else.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from alerts.clip import write_clip
from alerts.clip_pictures import ClipPictures, PictureStream, longest_wait_s
from alerts.evidence_folder import EvidenceFolder
from alerts.evidence_retention import EvidenceRetention
from core.broker import connect
from core.clock import Clock, iso
from core.evidence import EvidenceFile, add_evidence, evidence_of
from core.heartbeat import HeartbeatSender
from core.history import History
from core.messages import Keys, Picture, Reading
from core.settings import Zone
from core.site_file import LoadedSite
from crowd.levels import Event

MOST_WAITING = 256  # occasions; more at once are a fault of the thresholds
MOST_CLIP_BYTES = 128 * 1024 * 1024  # of pictures held for clips
LOOK_EVERY_S = 0.5
COLLECT_EVERY_S = 2.0
SNAPSHOT_WAIT_S = 0.5  # that a notice waits for its picture at most, from the incident on
PICTURE_WAIT_S = 1.0  # a worker writes the reading a moment before the picture
RECORD_ATTEMPTS = 5
LOW_PRIORITY = 10  # niceness of the thread: readings and notices come first

log = structlog.get_logger()


@dataclass(frozen=True)
class Occasion:
    """A crowd incident was raised or reached a higher level than ever before.

    Args:
        event: of the zone's rules.
        reading: that decided it.
    """

    incident: int
    zone: Zone
    event: Event
    reading: Reading


@dataclass
class _Clip:
    """A clip whose pictures are still coming."""

    occasion: Occasion
    pictures: ClipPictures
    collect_at: float  # monotonic


class EvidenceKeeper:
    """Keeps the evidence; a thread between ``start`` and ``stop``.

    Args:
        url: of the broker.
    """

    def __init__(
        self,
        loaded: LoadedSite,
        url: str,
        history: History,
        clock: Clock,
        heartbeat: HeartbeatSender,
    ) -> None:
        self._loaded = loaded
        self._history = history
        self._clock = clock
        self._heartbeat = heartbeat
        self._client = connect(url)
        self._stream = PictureStream(self._client, Keys(loaded.site.broker.shards))
        self._folder = EvidenceFolder(Path(loaded.site.evidence.dir))
        self._waiting: queue.Queue[Occasion] = queue.Queue(MOST_WAITING)
        self._clips: list[_Clip] = []
        self._taken: dict[int, float] = {}  # incident in work to when it came, monotonic
        self._changed = threading.Condition()
        self._retention = EvidenceRetention(self._folder, history, clock, heartbeat)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what has come; clips end with the pictures that are there."""
        self._stop.set()
        self._thread.join(timeout=20)
        self._client.close()

    def use(self, loaded: LoadedSite) -> None:
        """From now on this configuration; where evidence lies is changed by a restart only."""
        self._loaded = loaded

    def take(self, occasion: Occasion) -> None:
        """Keep the evidence of this; returns at once."""
        with self._changed:
            self._taken[occasion.incident] = time.monotonic()
        try:
            self._waiting.put_nowait(occasion)
        except queue.Full:
            self._done(occasion)
            self._failed(occasion, "all", f"{MOST_WAITING} incidents are waiting already")

    def snapshot(self, incident: int, camera: str) -> Path | None:
        """The incident's newest picture, where privacy lets it be sent; None without one.

        Waits for a picture in work, half a second at most.
        """
        if self._pictures(camera) == "none":
            return None
        with self._changed:
            taken = self._taken.get(incident)
            if taken is not None:
                left_s = taken + SNAPSHOT_WAIT_S - time.monotonic()
                self._changed.wait_for(lambda: incident not in self._taken, max(0.0, left_s))
        try:
            with self._history.snapshot() as connection:
                files = evidence_of(connection, [incident]).get(incident, [])
        except SQLAlchemyError:
            return None
        paths = [file.path(self._folder.folder) for file in files if file.kind == "picture"]
        return paths[-1] if paths and paths[-1].is_file() else None

    def _run(self) -> None:
        with suppress(OSError, AttributeError):  # where the system has no such thing
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
        while not (self._stop.is_set() and self._waiting.empty()):
            with suppress(queue.Empty):
                occasion = self._waiting.get(timeout=LOOK_EVERY_S)
                self._guard(occasion, "stills", lambda: self._keep(occasion))  # noqa: B023
                self._done(occasion)
                continue  # whoever waits comes before clips
            self._advance_clips()
            if not self._stop.is_set():
                self._retention.look(self._loaded.site.privacy.keep_evidence)
        for clip in self._clips:
            self._guard(clip.occasion, "clip", lambda: self._finish(clip))  # noqa: B023

    def _guard(self, occasion: Occasion, what: str, action: Callable[[], None]) -> None:
        """Do it; whatever goes wrong is told and counted, and the next one is tried."""
        try:
            action()
        except Exception as error:
            self._failed(occasion, what, f"{type(error).__name__}: {error}")

    def _failed(self, occasion: Occasion, what: str, why: str) -> None:
        log.warning(
            "evidence not kept",
            incident=occasion.incident,
            level=occasion.event.level,
            what=what,
            why=why,
        )
        self._heartbeat.count("evidence_failed_total")

    def _done(self, occasion: Occasion) -> None:
        with self._changed:
            self._taken.pop(occasion.incident, None)
            self._changed.notify_all()

    def _keep(self, occasion: Occasion) -> None:
        """Write picture, crowd map and heads, and begin the clip."""
        reading = occasion.reading
        pictures = self._pictures(reading.camera)
        picture = None if pictures == "none" else self._find_picture(reading)
        files = []
        if picture is not None:
            files.append(self._write(occasion, "picture", "jpg", picture.jpeg))
        if reading.crowd_map is not None:
            files.append(self._write(occasion, "map", "png", reading.crowd_map))
        told = json.dumps(self._heads(occasion, files), ensure_ascii=False, indent=1)
        files.append(self._write(occasion, "heads", "json", told.encode()))
        self._record(files)
        if pictures != "none":
            self._begin_clip(occasion)
            if picture is None:
                self._failed(occasion, "picture", "it is no longer in the broker")

    def _pictures(self, camera: str) -> str:
        """full, blurred or none: what there is of a camera's pictures, none of an unknown one."""
        site = self._loaded.site
        found = next((each for each in site.cameras if each.id == camera), None)
        return "none" if found is None else site.pictures_of(found)

    def _find_picture(self, reading: Reading) -> Picture | None:
        """The picture that was counted; a moment's patience where the reading is new."""
        age_s = (self._clock.now_ms() - reading.published_at) / 1000
        give_up = time.monotonic() + max(0.0, PICTURE_WAIT_S - max(0.0, age_s))
        last_id = b"0-0"
        while True:
            try:
                pictures, last_id = self._stream.after(reading.camera, last_id)
            except (redis.RedisError, OSError) as error:
                log.warning("pictures cannot be read", camera=reading.camera, error=str(error))
                return None
            picture = next((each for each in pictures if each.seq == reading.seq), None)
            if picture is not None or time.monotonic() >= give_up:
                return picture
            self._stop.wait(0.05)

    def _write(self, occasion: Occasion, kind: str, suffix: str, data: bytes) -> EvidenceFile:
        return self._write_with(occasion, kind, suffix, lambda path: path.write_bytes(data))

    def _write_with(
        self, occasion: Occasion, kind: str, suffix: str, write: Callable[[Path], object]
    ) -> EvidenceFile:
        return self._folder.write(
            occasion.incident,
            f"{occasion.event.level}-{kind}.{suffix}",
            kind,
            occasion.reading.captured_at,
            write,
            self._clock.now_ms(),
        )

    def _heads(self, occasion: Occasion, files: list[EvidenceFile]) -> dict[str, Any]:
        """What was counted, by what, and what it meant; places are fractions of the picture."""
        reading, event = occasion.reading, occasion.event
        return {
            "incident": occasion.incident,
            "event": event.kind.value,
            "level": event.level,
            "camera": reading.camera,
            "zone": occasion.zone.id,
            "captured_at": iso(reading.captured_at),
            "seq": reading.seq,
            "value": event.value,
            "value_low": event.low,
            "value_high": event.high,
            "unit": None if occasion.zone.levels is None else occasion.zone.levels.unit,
            "peak": event.peak,
            "count": reading.count,
            "low": reading.low,
            "high": reading.high,
            "width": reading.width,
            "height": reading.height,
            "heads": reading.heads,
            "crowd_map_peak": reading.crowd_map_peak,
            "model": {
                "name": reading.model,
                "hash": reading.model_hash,
                "max_side": reading.max_side or None,
                "steps": reading.steps or None,
                "samples": reading.samples,
            },
            "configuration": self._loaded.version,
            "headcount": version("headcount"),
            "pictures": self._pictures(reading.camera),
            "files": {file.name: file.sha256 for file in files},
        }

    def _record(self, files: list[EvidenceFile]) -> None:
        """Put the files into the database, with patience, and their checksums beside them."""
        for attempt in range(RECORD_ATTEMPTS):
            try:
                with self._history.transaction() as connection:
                    for file in files:
                        add_evidence(connection, file)
                    incident = files[0].incident
                    known = evidence_of(connection, [incident])[incident]
                break
            except SQLAlchemyError:
                if attempt == RECORD_ATTEMPTS - 1:
                    raise
                self._stop.wait(0.2 * 2**attempt)
        self._folder.write_checksums(incident, known)
        self._heartbeat.count("evidence_files_total", len(files))
        names = ", ".join(file.name for file in files)
        log.info("evidence kept", incident=incident, files=names)

    def _begin_clip(self, occasion: Occasion) -> None:
        reading = occasion.reading
        age_limit_s = self._loaded.site.camera(reading.camera).age_limit
        wait_s = longest_wait_s(reading.captured_at, self._clock.now_ms(), age_limit_s)
        pictures = ClipPictures(
            self._stream, reading.camera, reading.captured_at, reading.seq, wait_s
        )
        clip = _Clip(occasion, pictures, 0.0)
        self._clips.append(clip)
        self._collect(clip)

    def _advance_clips(self) -> None:
        for clip in list(self._clips):
            if time.monotonic() >= clip.collect_at:
                self._guard(clip.occasion, "clip", lambda: self._collect(clip))  # noqa: B023
        complete = next((clip for clip in self._clips if clip.pictures.is_complete), None)
        if complete is not None:
            self._clips.remove(complete)
            self._guard(complete.occasion, "clip", lambda: self._finish(complete))

    def _collect(self, clip: _Clip) -> None:
        clip.collect_at = time.monotonic() + COLLECT_EVERY_S
        room = MOST_CLIP_BYTES - sum(each.pictures.bytes for each in self._clips)
        left_out = clip.pictures.collect(room)
        if left_out:
            self._failed(
                clip.occasion, f"{left_out} pictures of the clip", "too many clips at once"
            )

    def _finish(self, clip: _Clip) -> None:
        """Encode the clip."""
        pictures = clip.pictures.pictures
        if not pictures:
            return  # none came, and that was said when the picture was looked for
        file = self._write_with(
            clip.occasion, "clip", "mp4", lambda path: write_clip(path, pictures)
        )
        self._record([file])
