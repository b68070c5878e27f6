"""A site with realistic data: the demo's scenes and their truth, played as several cameras.

For the pictures in the documents (``docs/screenshot.py``) and for ``benchmarks/dashboard.py``: the
pages are real, what they show is staged, and the machine need not count eight cameras.
"""

from __future__ import annotations

import csv
import json
import math
import random
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert

from core.broker import LocalBroker
from core.history import History
from core.history_schema import hours, minutes, zone_states
from core.messages import CameraState, Picture, Reading, Reason, Service
from core.settings import Zone
from core.site_file import load_site
from headcount.ports import free_port
from inference.crowd_map import as_png
from tests.dashboard.conftest import START_LIMIT_S, answers, dashboard_process
from tests.dashboard.feeder import Feeder
from tests.waiting import wait_until

WIDTH, HEIGHT = 640, 360
MAP_WIDTH, MAP_HEIGHT = 160, 90
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
STAGE = [[0.371, 0.574], [0.619, 0.574], [0.646, 0.772], [0.342, 0.772]]
GATES = [[0.365, 0.504], [0.657, 0.504], [0.707, 0.737], [0.322, 0.737]]
AREA_M2 = 20.0
NAMES = {
    "en": ["Plaza", "Concourse", "Plaza east", "Gate line", "Fountain", "Ticket hall", "Exit 3"],
    "ko": ["중앙 광장", "대합실", "동쪽 광장", "개찰구", "분수대", "매표소 앞", "3번 출구"],
}
ZONES = {"en": ("Whole picture", "Before the stage"), "ko": ("전체 화면", "무대 앞")}
BLIND = {"en": "Underpass", "ko": "지하 보도"}
SITES = {"en": "Central Station", "ko": "중앙역"}


@dataclass(frozen=True)
class View:
    """What one camera shows of a clip: a part of its picture, mirrored or not, from a second on."""

    clip: str
    mirrored: bool = False
    left: float = 0.0  # fraction of the width at which the part begins
    part: float = 1.0  # of the width and height
    start: int = 0  # seconds


VIEWS = [
    View("plaza", start=40),
    View("concourse", start=55),
    View("plaza", mirrored=True, left=0.3, part=0.6, start=10),
    View("concourse", left=0.25, part=0.5, start=80),
    View("plaza", left=0.0, part=0.6, start=75),
    View("concourse", mirrored=True, start=5),
    View("plaza", left=0.4, part=0.6, start=100),
]


def staged_site(language: str, cameras: int = 8) -> dict[str, Any]:
    """The site file's content; the last camera is blind. More cameras repeat the views.

    Write it as JSON, which is YAML too: PyYAML would share the lists by aliases.
    """
    whole, part = ZONES[language]
    entries: list[dict[str, Any]] = []
    for number in range(cameras - 1):
        view = VIEWS[number % len(VIEWS)]
        name = NAMES[language][number % len(VIEWS)]
        again = number // len(VIEWS)
        levels = {"unit": "persons", "watch": 40, "warning": 70, "critical": 110}
        zones: list[dict[str, Any]] = [{"id": "all", "name": whole, "levels": levels}]
        if view.part == 1:
            polygon = STAGE if view.clip == "plaza" else GATES
            ground = {"picture": polygon, "metres": [[0, 5], [5, 5], [5, 0], [0, 0]]}
            density = {"watch": 2, "warning": 3, "critical": 4}
            zones.append({"id": "near", "name": part, "polygon": polygon, "ground": ground})
            zones[-1]["levels"] = density
        entry = {"id": f"cam-{number + 1}", "name": f"{name} {again + 1}" if again else name}
        entries.append({**entry, "source": f"rtsp://127.0.0.1:9/{number}", "zones": zones})
    blind = {"id": "blind", "name": BLIND[language], "source": "rtsp://127.0.0.1:9/blind"}
    site = {"name": SITES[language], "timezone": "Asia/Seoul", "language": language}
    return {"site": site, "cameras": [*entries, blind]}


def clip_seconds(
    folder: Path, name: str
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """One picture (540, 960, 3) a second, and its heads (N, 2) as fractions of width and height."""
    heads: dict[int, list[tuple[float, float]]] = defaultdict(list)
    with (folder / f"{name}.csv").open() as file:
        for row in csv.DictReader(file):
            heads[int(row["frame"])].append((float(row["x"]) / 960, float(row["y"]) / 540))
    with av.open(str(folder / f"{name}.mp4")) as container:
        rate = round(float(container.streams.video[0].average_rate or 8))
        for number, frame in enumerate(container.decode(video=0)):
            if number % rate == 0:
                places = np.array(heads[number], np.float64).reshape(-1, 2)
                yield frame.to_ndarray(format="bgr24"), places


@dataclass(frozen=True)
class Second:
    """What one camera shows in one second."""

    jpeg: bytes
    heads: NDArray[np.float64]  # (N, 2), fractions of the picture
    crowd_map: bytes
    peak: float


def seen(view: View, picture: NDArray[np.uint8], heads: NDArray[np.float64]) -> Second:
    """The part of a clip's picture that a view shows."""
    top = min(0.25, 1 - view.part)
    height, width = picture.shape[:2]
    rows = slice(round(top * height), round((top + view.part) * height))
    columns = slice(round(view.left * width), round((view.left + view.part) * width))
    part = cv2.resize(picture[rows, columns], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    places = (heads - (view.left, top)) / view.part
    places = places[np.all((places >= 0) & (places < 1), axis=1)]
    if view.mirrored:
        part, places = part[:, ::-1], places * (-1, 1) + (1 - 1e-9, 0)
    crowd = np.zeros((MAP_HEIGHT, MAP_WIDTH), np.float32)
    for x, y in places:
        crowd[int(y * MAP_HEIGHT), int(x * MAP_WIDTH)] += 1
    jpeg = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return Second(jpeg, places, *as_png(cv2.GaussianBlur(crowd, (0, 0), 0.8)))


@dataclass
class StagedFeeder(Feeder):
    """Plays the views; every camera of `staged_site` but the blind one is counted once a second."""

    clips: Path = field(default_factory=Path)
    zones: dict[str, list[Zone]] = field(default_factory=dict)
    every_s: float = 1.0
    tick: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.views: list[list[Second]] = [[] for _ in VIEWS]
        for name in ("plaza", "concourse"):
            for picture, heads in clip_seconds(self.clips, name):
                for number, view in enumerate(VIEWS):
                    if view.clip == name:
                        self.views[number].append(seen(view, picture, heads))

    def round(self) -> None:
        self.tick += 1
        for service in self.services:
            self.heartbeat(service)
        for number, camera in enumerate(self.zones):
            if camera == "blind":
                self.state(camera, CameraState.OFFLINE, Reason.UNAUTHORISED, "Check the password.")
                continue
            self.state(camera, CameraState.LIVE)
            if Service.WORKER in self.services:
                self.second(camera, number)

    def second(self, camera: str, number: int) -> None:
        """One frame of a camera, with its zones' rows."""
        seconds = self.views[number % len(VIEWS)]
        shown = seconds[(VIEWS[number % len(VIEWS)].start + self.tick) % len(seconds)]
        at = self.clock.now_ms()
        count = float(len(shown.heads))
        reading = Reading(
            camera=camera,
            seq=at,
            captured_at=at - 180,
            published_at=at,
            count=count,
            low=max(0.0, count - margin(count)),
            high=count + margin(count),
            heads=[(x, y, 1.0) for x, y in shown.heads],
            width=WIDTH,
            height=HEIGHT,
            model="tiny",
            model_hash="0123456789ab",
            inference_ms=92.0,
            worker="worker-1",
            crowd_map=shown.crowd_map,
            crowd_map_peak=shown.peak,
        )
        picture = Picture(camera=camera, seq=at, captured_at=at - 180, jpeg=shown.jpeg)
        self.add(self.keys.pictures(camera), picture)
        self.add(self.keys.readings(0), reading)
        with self.history.transaction() as connection:
            for zone in self.zones[camera]:
                row = self.staged_row(reading, zone, shown.heads)
                place = (zone_states.c.camera == camera) & (zone_states.c.zone == zone.id)
                connection.execute(delete(zone_states).where(place))
                connection.execute(insert(zone_states).values(row))

    def staged_row(
        self, reading: Reading, zone: Zone, heads: NDArray[np.float64]
    ) -> dict[str, Any]:
        if zone.polygon is None:
            level = level_of(zone, reading.count)
            return self.zone_row(reading, zone.id, level, None)
        polygon = np.array(zone.polygon, np.float32)
        inside = [cv2.pointPolygonTest(polygon, (float(x), float(y)), False) >= 0 for x, y in heads]
        count = float(sum(inside))
        density = count / AREA_M2
        row = self.zone_row(reading, zone.id, level_of(zone, density), density)
        low, high = max(0.0, count - margin(count)), count + margin(count)
        return {**row, "count": count, "low": low, "high": high, "smoothed": density}

    def past(self, days: int = 30) -> None:
        """Minutes of two days and hours of ``days``, with gaps and a daily tide."""
        rng = random.Random(3)
        now = self.clock.now_ms()
        for number, (camera, zones) in enumerate(self.zones.items()):
            for zone in zones if camera != "blind" else ():
                share = 1.0 if zone.polygon is None else 0.35
                for table, size, span in ((minutes, MINUTE_MS, 2), (hours, HOUR_MS, days)):
                    first = (now - span * 24 * HOUR_MS) // size * size
                    rows = [
                        past_row(camera, zone, at, size, number, share, rng)
                        for at in range(first, now - size, size)
                        if not 0.3 < ((at + number * 5 * HOUR_MS) / (37 * HOUR_MS)) % 1 < 0.33
                    ]
                    with self.history.transaction() as connection:
                        connection.execute(insert(table), rows)


def past_row(
    camera: str, zone: Zone, at: int, size: int, number: int, share: float, rng: random.Random
) -> dict[str, Any]:
    """A rolled-up value of a day with two rush hours, in Seoul."""
    hour = (at / HOUR_MS + 9) % 24
    tide = math.exp(-(((hour - 8.5) / 1.6) ** 2)) + 1.25 * math.exp(-(((hour - 18.5) / 2.2) ** 2))
    slow = 0.2 * math.sin(at / (23 * MINUTE_MS) + number)
    people = share * (
        8 + 95 * max(0.0, tide * (1 + slow)) + 14 * max(0.0, math.sin((hour - 6) / 5))
    )
    people = max(0.0, people * (0.75 + 0.12 * number) + rng.gauss(0, 2))
    return {
        "camera": camera,
        "zone": zone.id,
        "at": at,
        "count_mean": people,
        "count_max": people * 1.15,
        "low": max(0.0, people - margin(people)),
        "high": people + margin(people),
        "density_max": people / AREA_M2 if zone.ground else None,
        "readings": size // 1000,
        "unknown_share": 0.0,
    }


def margin(count: float) -> float:
    """Half the width of a plausible interval."""
    return 2 + 0.18 * count


def level_of(zone: Zone, value: float) -> str:
    thresholds = zone.levels.thresholds() if zone.levels else {}
    reached = [level for level, threshold in thresholds.items() if value >= threshold]
    return reached[-1] if reached else "normal"


@contextmanager
def staged_dashboard(
    language: str,
    cameras: int,
    clips: Path,
    prepare: Callable[[StagedFeeder], None] = lambda _: None,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A dashboard with a staged site, which answers: its address and its process.

    Args:
        clips: folder of the demo's clips.
        prepare: fills the history before the dashboard starts.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalBroker(memory_mb=256) as broker,
        httpx.Client(base_url=address, timeout=10) as http,
    ):
        path = Path(folder) / "site.yaml"
        site = {**staged_site(language, cameras), "dashboard": {"port": port}}
        path.write_text(json.dumps(site, ensure_ascii=False), "utf-8")
        loaded = load_site(path)
        zones = {camera.id: camera.zones for camera in loaded.site.cameras}
        with closing(History.open(loaded.site.history.url)) as history:
            feeder = StagedFeeder(broker.url, history, loaded.version, clips=clips, zones=zones)
            prepare(feeder)
            with dashboard_process(loaded, broker.url) as process, feeder.running():
                wait_until(lambda: answers(http, process), timeout_s=START_LIMIT_S, every_s=0.5)
                yield address, process
