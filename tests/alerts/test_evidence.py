"""Evidence of an incident: which files, what is in them, and that nobody waits for them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import redis
from sqlalchemy import insert, select

from alerts import clip_pictures, evidence
from alerts.clip import ClipError, write_clip
from alerts.evidence import EvidenceKeeper, Occasion
from alerts.evidence_folder import EvidenceFolder
from alerts.evidence_retention import EvidenceRetention
from core.clock import Clock
from core.evidence import CHECKSUMS, EvidenceFile, add_evidence
from core.history import History
from core.history_schema import evidence as table
from core.history_schema import incidents
from core.messages import Keys, Picture
from core.site_file import LoadedSite
from crowd.levels import Event, EventKind
from tests.alerts.readings import reading
from tests.conftest import MakeSite
from tests.waiting import wait_until

DAY_MS = 86_400_000


class Tally:
    """Stands where the heartbeat is."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def count(self, name: str, amount: float = 1.0) -> None:
        self.counts[name] = self.counts.get(name, 0.0) + amount


def jpeg(shade: int, width: int = 161, height: int = 91) -> bytes:
    picture = np.full((height, width, 3), shade, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


class Room:
    """A site with one open incident, its keeper, and a camera that plays."""

    def __init__(self, loaded: LoadedSite, url: str, client: redis.Redis) -> None:
        self.loaded = loaded
        self.history = History.open(loaded.site.history.url)
        self.client = client
        self.clock = Clock(client)
        self.tally = Tally()
        self.keeper = EvidenceKeeper(
            loaded,
            url,
            self.history,
            self.clock,
            self.tally,  # type: ignore[arg-type]
        )
        self.folder = Path(loaded.site.evidence.dir)
        self.seq = 0
        self.now = self.clock.now_ms()
        with self.history.transaction() as connection:
            connection.execute(
                insert(incidents).values(
                    id=1, kind="crowd", camera="gate-1", zone="all", level="warning",
                    peak_level="warning", unit="persons", peak=50.0, raised_at=1, change=1,
                )
            )  # fmt: skip

    def picture(self, at_ms: int) -> Picture:
        self.seq += 1
        picture = Picture(camera="gate-1", seq=self.seq, captured_at=at_ms, jpeg=jpeg(4 * self.seq))
        self.client.xadd(Keys().pictures("gate-1"), picture.to_fields())
        return picture

    def occasion(self, picture: Picture, level: str = "warning", **changes: Any) -> Occasion:
        event = Event(
            EventKind.RAISED, picture.captured_at, level, "normal", 50.0, 45.0, 55.0, 50.0, level
        )
        grey = cv2.imencode(".png", np.zeros((9, 16), np.uint8))[1].tobytes()
        values = {"crowd_map": grey, "published_at": self.clock.now_ms(), **changes}
        said = reading("gate-1", picture.captured_at, 50, seq=picture.seq, **values)
        zone = self.loaded.site.cameras[0].zones[0]
        return Occasion(1, zone, event, said)

    def files(self) -> dict[str, EvidenceFile]:
        with self.history.snapshot() as connection:
            rows = connection.execute(select(table)).mappings()
            return {row["name"]: EvidenceFile(**row) for row in rows}

    def read(self, name: str) -> bytes:
        return (self.folder / "1" / name).read_bytes()


@pytest.fixture
def rooms(
    make_site: MakeSite, tmp_path: Path, redis_url: str, redis_client: redis.Redis
) -> Iterator[Callable[..., Room]]:
    made: list[Room] = []

    def make(**privacy: Any) -> Room:
        zones = [{"id": "all", "levels": {"unit": "persons", "warning": 40, "critical": 80}}]
        camera = {"id": "gate-1", "source": "rtsp://127.0.0.1:9/gate", "zones": zones}
        loaded = make_site(tmp_path, cameras=[camera], privacy=privacy)
        made.append(Room(loaded, redis_url, redis_client))
        made[-1].keeper.start()
        return made[-1]

    yield make
    for room in made:
        room.keeper.stop()
        room.history.close()


def test_an_incident_has_picture_map_heads_and_a_clip_from_ten_seconds_before_to_ten_after(
    rooms: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "COLLECT_EVERY_S", 0.05)
    room = rooms()
    # Captured over the last minute, so that the clip's end is there at once.
    start = room.now - 60_000
    before = [room.picture(start + 1000 * second) for second in range(21)]
    decisive = before[-1]
    room.keeper.take(room.occasion(decisive))
    wait_until(lambda: "warning-heads.json" in room.files())
    assert room.read("warning-picture.jpg") == decisive.jpeg
    for second in range(21, 40):
        room.picture(start + 1000 * second)
    files = wait_until(lambda: room.files() if "warning-clip.mp4" in room.files() else None)
    assert {file.kind for file in files.values()} == {"picture", "map", "heads", "clip"}
    for name, file in files.items():
        data = room.read(name)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (file.sha256, file.bytes)
    lines = wait_until(
        lambda: text if (text := room.read(CHECKSUMS).decode()).count("\n") == 4 else None
    )
    assert {f"{file.sha256}  {name}" for name, file in files.items()} == set(lines.splitlines())
    heads = json.loads(room.read("warning-heads.json"))
    assert (heads["camera"], heads["zone"], heads["level"]) == ("gate-1", "all", "warning")
    assert (heads["count"], heads["value"], heads["unit"]) == (50, 50, "persons")
    assert heads["heads"] == [[0.5, 0.5, 50.0]]
    assert heads["configuration"] == room.loaded.version
    assert heads["model"]["hash"] == "0" * 12
    assert heads["files"]["warning-picture.jpg"] == files["warning-picture.jpg"].sha256
    with av.open(str(room.folder / "1" / "warning-clip.mp4")) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name == "h264"
        times = [round(float(frame.time), 3) for frame in video.decode(stream)]
    assert times == [float(second) for second in range(21)]


def test_each_higher_level_has_files_of_its_own(rooms: Callable[..., Room]) -> None:
    room = rooms()
    room.keeper.take(room.occasion(room.picture(room.now - 60_000)))
    room.keeper.take(room.occasion(room.picture(room.now - 30_000), "critical"))
    wait_until(lambda: {"warning-heads.json", "critical-heads.json"} <= room.files().keys())
    assert room.keeper.snapshot(1, "gate-1") == room.folder / "1" / "critical-picture.jpg"


def test_without_pictures_the_evidence_is_the_crowd_map_and_the_heads_alone(
    rooms: Callable[..., Room],
) -> None:
    room = rooms(pictures="none")
    room.keeper.take(room.occasion(room.picture(room.now)))  # of a broker that still has some
    wait_until(lambda: room.files())
    room.keeper.stop()
    assert room.files().keys() == {"warning-map.png", "warning-heads.json"}
    assert room.keeper.snapshot(1, "gate-1") is None
    assert {path.name for path in (room.folder / "1").iterdir()} == {*room.files(), CHECKSUMS}


def test_a_camera_may_have_less_than_its_site(rooms: Callable[..., Room]) -> None:
    room = rooms(pictures="full")
    site = room.loaded.site
    private = site.cameras[0].model_copy(update={"privacy": "none"})
    changed = site.model_copy(update={"cameras": [private]})
    room.keeper.use(dataclasses.replace(room.loaded, site=changed))  # as a reload does
    room.keeper.take(room.occasion(room.picture(room.now)))
    wait_until(lambda: room.files())
    assert room.files().keys() == {"warning-map.png", "warning-heads.json"}


def test_a_picture_that_is_gone_is_said_and_the_rest_is_kept(rooms: Callable[..., Room]) -> None:
    room = rooms()
    gone = Picture(camera="gate-1", seq=99, captured_at=room.now - 60_000, jpeg=b"")
    room.keeper.take(room.occasion(gone, published_at=room.now - 60_000))
    wait_until(lambda: room.files())
    assert room.files().keys() == {"warning-map.png", "warning-heads.json"}
    wait_until(lambda: room.tally.counts.get("evidence_failed_total") == 1)


def test_a_folder_that_cannot_be_written_costs_the_evidence_only(
    rooms: Callable[..., Room],
) -> None:
    room = rooms()
    room.folder.write_text("a file where the folder should be")
    room.keeper.take(room.occasion(room.picture(room.now - 60_000)))
    wait_until(lambda: room.tally.counts.get("evidence_failed_total", 0) >= 1)
    room.folder.unlink()
    room.keeper.take(room.occasion(room.picture(room.now - 60_000)))
    wait_until(lambda: room.files())


def test_a_full_queue_and_a_slow_picture_make_nobody_wait(
    rooms: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = rooms()
    room.keeper.stop()  # nobody works the queue
    monkeypatch.setattr(room.keeper, "_waiting", queue.Queue(1))
    picture = room.picture(room.now)
    before = time.monotonic()
    room.keeper.take(room.occasion(picture))
    room.keeper.take(room.occasion(picture))
    assert room.tally.counts == {"evidence_failed_total": 1}
    room.keeper.take(room.occasion(picture))
    assert room.keeper.snapshot(1, "gate-1") is None
    assert time.monotonic() - before < 30  # bounded, however slow the machine


def test_old_evidence_is_deleted_a_little_at_a_time(rooms: Callable[..., Room]) -> None:
    room = rooms()
    room.keeper.stop()
    folder = EvidenceFolder(room.folder)
    made = [
        folder.write(1, name, "picture", 5, lambda path: path.write_bytes(b"x"), room.now - age)
        for name, age in (("a.jpg", 31 * DAY_MS), ("b.jpg", DAY_MS))
    ]
    with room.history.transaction() as connection:
        for file in made:
            add_evidence(connection, file)
    retention = EvidenceRetention(folder, room.history, room.clock, room.tally)  # type: ignore[arg-type]
    assert retention.delete_old(30 * 86400) == 1
    assert room.files().keys() == {"b.jpg"}
    assert [path.name for path in (room.folder / "1").iterdir()] == ["b.jpg"]
    assert retention.delete_old(3600) == 1
    assert list(room.folder.iterdir()) == []


def test_a_folder_that_the_database_does_not_know_is_deleted_when_it_is_old(
    rooms: Callable[..., Room],
) -> None:
    import os

    room = rooms()
    folder = EvidenceFolder(room.folder)
    for incident in (1, 2, 3):
        folder.write(incident, "a.jpg", "picture", 5, lambda path: path.write_bytes(b"x"), 5)
    for incident in (1, 2):
        os.utime(room.folder / str(incident), (1_000, 1_000))
    (room.folder / "notes").mkdir()
    assert folder.delete_strays([1], room.now - DAY_MS) == 1
    assert {path.name for path in room.folder.iterdir()} == {"1", "3", "notes"}


def test_a_clip_leaves_out_what_cannot_be_decoded(tmp_path: Path) -> None:
    pictures = [
        Picture(camera="a", seq=seq, captured_at=1000 * seq, jpeg=data)
        for seq, data in enumerate([jpeg(10), b"no picture", jpeg(20, 320, 240), jpeg(30)])
    ]
    write_clip(tmp_path / "clip.mp4", pictures)
    with av.open(str(tmp_path / "clip.mp4")) as video:
        frames = list(video.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [(160, 90)] * 3
    assert [float(frame.time) for frame in frames] == [0.0, 2.0, 3.0]
    with pytest.raises(ClipError):
        write_clip(tmp_path / "none.mp4", pictures[1:2])


def test_a_clip_takes_at_most_five_pictures_a_second_and_always_its_own(
    rooms: Callable[..., Room], redis_client: redis.Redis
) -> None:
    room = rooms()
    for index in range(60):
        room.picture(room.now - 60_000 + 33 * index)
    stream = clip_pictures.PictureStream(redis_client, Keys())
    clip = clip_pictures.ClipPictures(stream, "gate-1", room.now - 60_000 + 33 * 30, 31, 0.0)
    assert clip.collect(10**9) == 0
    assert 8 <= len(clip.pictures) <= 12
    assert 31 in {picture.seq for picture in clip.pictures}
    crowded = clip_pictures.ClipPictures(stream, "gate-1", room.now - 60_000 + 33 * 30, 31, 0.0)
    assert crowded.collect(0) > 0
    assert [picture.seq for picture in crowded.pictures] == [31]
