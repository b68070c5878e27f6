"""The evidence picture is the one that was counted: counting it again gives the same count."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import redis
from sqlalchemy import insert

from alerts.evidence import EvidenceKeeper, Occasion
from core.clock import Clock
from core.heartbeat import HeartbeatSender
from core.history import History
from core.history_schema import incidents
from core.messages import Frame, Keys, Reading, Service
from crowd.levels import Event, EventKind
from headcount.count import count_files
from headcount.recount import counted_then
from inference.decoding import decode_picture
from inference.publisher import CountedFrame, ModelIdentity, Publisher
from models.counter import Counter
from scenes import training_picture
from tests.conftest import MakeSite

MAX_SIDE, SIZE = 256, (480, 640)  # smaller than the picture: what `count` alone would not do


def crowd_jpeg() -> bytes:
    """A rendered crowd, in which the model sees somebody at half the size too."""
    picture, heads = training_picture(np.random.default_rng(37), (SIZE[1], SIZE[0]))
    assert len(heads) > 10
    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.fixture
def evidence(
    request: pytest.FixtureRequest,
    make_site: MakeSite,
    tmp_path: Path,
    redis_url: str,
    redis_client: redis.Redis,
) -> tuple[Path, Reading]:
    """The folder of an incident's evidence, and its reading, made as by a worker."""
    allowed = getattr(request, "param", "full")
    loaded = make_site(tmp_path, privacy={"pictures": allowed})
    counter, clock, keys = Counter.load("tiny", device="cpu"), Clock(redis_client), Keys()
    now = clock.now_ms()
    frame = Frame(
        camera="gate-1", seq=7, captured_at=now, width=SIZE[1], height=SIZE[0], jpeg=crowd_jpeg()
    )
    picture = decode_picture(frame.jpeg)
    result = counter.count([picture], steps=1, max_side=MAX_SIDE)[0]
    publisher = Publisher(
        redis_client,
        keys,
        clock,
        model=ModelIdentity(counter.name, counter.weights_hash, steps=1),
        worker="worker-1",
        pictures={"gate-1": allowed},
    )
    item = CountedFrame(frame, picture, result, max_side=MAX_SIDE)
    publisher.publish([item], lambda _frame, _now: True)
    entries: Any = redis_client.xrange(keys.readings(0))
    reading = Reading.from_fields(entries[0][1])
    history = History.open(loaded.site.history.url)
    with history.transaction() as connection:
        connection.execute(
            insert(incidents).values(
                id=1, kind="crowd", camera="gate-1", zone="all", level="warning",
                peak_level="warning", unit="persons", peak=5.0, raised_at=now, change=1,
            )
        )  # fmt: skip
    heartbeat = HeartbeatSender(
        Service.ALERTS, redis_client, clock, config_version=loaded.version, version="0"
    )
    keeper = EvidenceKeeper(loaded, redis_url, history, clock, heartbeat)
    event = Event(EventKind.RAISED, now, "warning", "normal", 5.0, 4.0, 6.0, 5.0, "warning")
    keeper.take(Occasion(1, loaded.site.cameras[0].zones[0], event, reading))
    keeper.start()
    keeper.stop()
    history.close()
    return Path(loaded.site.evidence.dir) / "1", reading


def counted(file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    count_files(
        [file], weights="tiny", steps=None, max_side=None, every_s=1.0, device="cpu",
        as_json=True, overlay=None,
    )  # fmt: skip
    (item,) = json.loads(capsys.readouterr().out)["items"]
    return dict(item)


def test_count_on_the_evidence_picture_gives_the_count_of_the_incident(
    evidence: tuple[Path, Reading], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, reading = evidence
    told = json.loads((folder / "warning-heads.json").read_text())
    assert (folder / "warning-picture.jpg").read_bytes() == crowd_jpeg()
    assert told["count"] == reading.count > 0
    capsys.readouterr()
    again = counted(folder / "warning-picture.jpg", capsys)
    assert again["count"] == pytest.approx(told["count"], abs=0.001)
    assert len(again["heads"]) == len(told["heads"])
    # Away from its evidence it is a picture like any other, counted at its own size.
    elsewhere = tmp_path / "warning-picture.jpg"
    shutil.copy(folder / "warning-picture.jpg", elsewhere)
    assert counted(elsewhere, capsys)["count"] != pytest.approx(told["count"], abs=0.001)


def test_a_changed_picture_is_no_evidence(evidence: tuple[Path, Reading]) -> None:
    picture = evidence[0] / "warning-picture.jpg"
    assert counted_then(picture) is not None
    picture.write_bytes(picture.read_bytes() + b"x")
    assert counted_then(picture) is None
    assert counted_then(evidence[0] / "warning-heads.json") is None


@pytest.mark.parametrize("evidence", ["blurred"], indirect=True)
def test_with_blurred_pictures_the_evidence_is_blurred_and_count_says_so(
    evidence: tuple[Path, Reading], capsys: pytest.CaptureFixture[str]
) -> None:
    picture = evidence[0] / "warning-picture.jpg"
    sharp, kept = (decode_picture(data) for data in (crowd_jpeg(), picture.read_bytes()))
    assert cv2.Laplacian(kept, cv2.CV_64F).var() < 0.01 * cv2.Laplacian(sharp, cv2.CV_64F).var()
    count_files(
        [picture], weights="tiny", steps=None, max_side=None, every_s=1.0, device="cpu",
        as_json=True, overlay=None,
    )  # fmt: skip
    assert "was blurred after it was counted" in capsys.readouterr().err


@pytest.mark.parametrize("evidence", ["none"], indirect=True)
def test_without_pictures_there_is_only_what_was_counted(evidence: tuple[Path, Reading]) -> None:
    names = {path.name for path in evidence[0].iterdir()}
    assert names == {"warning-map.png", "warning-heads.json", "SHA256SUMS"}
