"""Plays ingest, a worker and the alerts service for the dashboard: real messages, real rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import redis
from sqlalchemy import delete, insert

from core.broker import connect
from core.clock import Clock
from core.history import History
from core.history_schema import incidents, zone_states
from core.messages import (
    CameraState,
    Heartbeat,
    Keys,
    Message,
    Picture,
    Reading,
    Reason,
    Service,
    State,
)

WIDTH, HEIGHT = 320, 240
PICTURES_KEPT = 10
SERVICES = (Service.INGEST, Service.WORKER, Service.ALERTS)
COUNTERS = {  # tests/headcount/test_run.py finds them in a real site, too
    Service.INGEST: {'headcount_ingest_frames_total{camera="hall"}': 100},
    Service.WORKER: {
        "headcount_inference_seconds_total": 12.5,
        'headcount_worker_frames_total{camera="hall"}': 7,
    },
    Service.ALERTS: {
        "evidence_failed_total": 0,
        "notifications_dropped_total": 1,
        "notifications_failed_total": 2,
        "notifications_sent_total": 3,
        "readings_processed_total": 7,
    },
}
FACTS = {"capacity_fps": "2.50", "asked_fps": "4.00", "model": "tiny", "device": "cpu"}


def a_picture(shade: int = 90) -> bytes:
    """A JPEG of one shade of grey."""
    image = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def a_reading(camera: str, count: float, at: int, seq: int | None = None) -> Reading:
    """A reading whose heads stand in a row and whose crowd map is dense in the middle."""
    number = max(1, round(count))
    crowd = np.zeros((60, 80), np.float32)
    crowd[20:40, 30:50] = 1.0
    return Reading(
        camera=camera,
        seq=at if seq is None else seq,
        captured_at=at,
        published_at=at,
        count=count,
        low=max(0.0, count - 3),
        high=count + 4,
        heads=[((i + 0.5) / number, 0.5, count / number) for i in range(number)],
        width=WIDTH,
        height=HEIGHT,
        model="tiny",
        model_hash="0123456789ab",
        inference_ms=80.0,
        worker="worker-1",
        crowd_map=cv2.imencode(".png", (255 * crowd).astype(np.uint8))[1].tobytes(),
        crowd_map_peak=count / 400,
    )


@dataclass
class Feeder:
    """Publishes while it runs; change its fields and the next round carries them."""

    url: str
    history: History
    config_version: str
    counts: dict[str, float] = field(default_factory=dict)
    offline: dict[str, tuple[Reason, str]] = field(default_factory=dict)
    levels: dict[tuple[str, str], tuple[str | None, float | None]] = field(default_factory=dict)
    services: tuple[Service, ...] = SERVICES
    every_s: float = 0.25

    def __post_init__(self) -> None:
        self.client: redis.Redis = connect(self.url)
        self.clock = Clock(self.client)
        self.keys = Keys()
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Feeder]:
        thread = threading.Thread(target=self._run, name="feeder")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()
            self.client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.round()
            self._stop.wait(self.every_s)

    def round(self) -> None:
        """One frame of each camera, and a sign of life of each service."""
        for service in self.services:
            self.heartbeat(service)
        for camera, count in list(self.counts.items()):
            if camera in self.offline:
                self.state(camera, CameraState.OFFLINE, *self.offline[camera])
            else:
                self.state(camera, CameraState.LIVE)
                if Service.WORKER in self.services:
                    self.frame(camera, count)

    def frame(self, camera: str, count: float) -> Reading:
        """Picture, reading and zone rows of one frame."""
        at = self.clock.now_ms()
        reading = a_reading(camera, count, at)
        picture = Picture(camera=camera, seq=reading.seq, captured_at=at, jpeg=a_picture())
        self.add(self.keys.pictures(camera), picture)
        self.add(self.keys.readings(0), reading)
        rows = [(zone, *value) for (one, zone), value in self.levels.items() if one == camera]
        with self.history.transaction() as connection:
            for zone, level, density in rows:
                place = (zone_states.c.camera == camera) & (zone_states.c.zone == zone)
                connection.execute(delete(zone_states).where(place))
                row = self.zone_row(reading, zone, level, density)
                connection.execute(insert(zone_states).values(row))
        return reading

    def zone_row(
        self, reading: Reading, zone: str, level: str | None, density: float | None
    ) -> dict[str, Any]:
        return {
            "camera": reading.camera,
            "zone": zone,
            "at": reading.captured_at,
            "seq": reading.seq,
            "count": reading.count,
            "low": reading.low,
            "high": reading.high,
            "smoothed": reading.count,
            "density": density,
            "worst": None if density is None else round(1.5 * density, 4),
            "level": level or "normal",
            "state_json": "{}",
        }

    def state(
        self, camera: str, state: CameraState, reason: Reason | None = None, detail: str = ""
    ) -> None:
        now = self.clock.now_ms()
        message = State(
            camera=camera,
            at=now,
            state=state,
            reason=reason,
            detail=detail,
            since=now - 5000,
            last_frame_at=now,
            reconnects=2,
            frames=100,
            drops=3,
            width=WIDTH,
            height=HEIGHT,
            source_fps=10,
        )
        self.add(self.keys.states(0), message)

    def heartbeat(self, service: Service) -> None:
        now = self.clock.now_ms()
        worker = service is Service.WORKER
        message = Heartbeat(
            service=service,
            id=f"{service.value}-1",
            at=now,
            started_at=now - 60_000,
            version="0.1.0",
            config_version=self.config_version,
            counters=COUNTERS[service],
            facts=FACTS if worker else {},
        )
        self.add(self.keys.heartbeats(), message)

    def incident(self, **changes: Any) -> int:
        """An incident on the hall's floor, open unless ``changes`` say otherwise; its number."""
        row = {
            "kind": "crowd",
            "camera": "hall",
            "zone": "floor",
            "level": "warning",
            "peak_level": "critical",
            "unit": "persons/m2",
            "peak": 5.25,
            "raised_at": self.clock.now_ms() - 30_000,
            "change": 1,
            **changes,
        }
        with self.history.transaction() as connection:
            result = connection.execute(insert(incidents).values(row))
            return int(result.inserted_primary_key[0])

    def add(self, stream: str, message: Message) -> None:
        kept = PICTURES_KEPT if isinstance(message, Picture) else 500
        self.client.xadd(stream, message.to_fields(), maxlen=kept)
