"""Cameras whose pictures stay in the worker: crowd maps over a still background or nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.audit import audit_lines
from core.commands import CommandListener
from core.messages import Command, Keys, Reply, Service
from core.settings import Site
from dashboard.stills import Stills, stills_folder
from tests.dashboard.feeder import a_picture
from tests.dashboard.locked import HIDDEN, SEEN, Locked, locked_dashboard
from tests.waiting import wait_until

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """A site without pictures, but for those of the vault."""
    cameras = [
        {"id": SEEN, "name": "Main hall", "source": "rtsp://127.0.0.1:9/a"},
        {"id": HIDDEN, "source": "rtsp://127.0.0.1:9/b", "privacy": "full"},
    ]
    folder = tmp_path_factory.mktemp("private")
    with locked_dashboard(folder, cameras=cameras, privacy={"pictures": "none"}) as running:
        yield running


@pytest.fixture
def ingest(private: Locked) -> Iterator[list[Command]]:
    """What ingest is asked to probe; it answers with a picture, or fails where it is told to."""
    asked: list[Command] = []

    def answer(command: Command) -> Reply:
        asked.append(command)
        return Reply(id=command.id, ok=True, payload=a_picture(shade=200))

    handlers = {"probe": answer}
    with CommandListener(private.feeder.url, Keys(), Service.INGEST, handlers) as listener:
        assert listener.wait_until_ready(5)
        yield asked


def live(private: Locked, camera: str, overlay: str = "heads,map") -> bytes:
    with private.program("chief") as http:
        return http.get(f"/live/{camera}.jpg?overlay={overlay}").content


def test_without_a_picture_the_crowd_map_is_drawn_on_nothing(private: Locked) -> None:
    wait_until(lambda: live(private, SEEN).startswith(PNG))

    drawn = cv2.imdecode(np.frombuffer(live(private, SEEN), np.uint8), cv2.IMREAD_COLOR)
    plain = cv2.imdecode(np.frombuffer(live(private, SEEN, "none"), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert plain is not None
    assert drawn.shape == plain.shape == (480, 640, 3)
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) == 1
    assert drawn.astype(int).max() > plain.max() + 100
    # The feeder sends pictures as a worker of an older configuration would: they are not shown.
    assert wait_until(lambda: live(private, HIDDEN).startswith(JPEG))


def test_the_wall_has_a_picture_to_fetch(private: Locked) -> None:
    with private.program("chief") as http:
        wait_until(lambda: http.get("/api/v1/cameras").json()[0]["count"] == 12)
        with http.stream("GET", "/api/v1/events") as events:
            data = next(line for line in events.iter_lines() if line.startswith("data:"))
    assert '"picture_seq":null' not in data.partition(HIDDEN)[0]


def test_an_admin_takes_a_background_once_and_deletes_it(
    private: Locked, ingest: list[Command]
) -> None:
    path = f"/api/v1/cameras/{SEEN}/background"
    with private.program("guard") as operator:
        assert operator.post(path).status_code == 403
    with private.program("chief") as http:
        taken = http.post(path)
        wait_until(lambda: live(private, SEEN).startswith(JPEG))
        kept = private.folder / "backgrounds" / f"{SEEN}.jpg"
        mode = stat.S_IMODE(kept.stat().st_mode)
        plain = live(private, SEEN, "none")
        removed, again = http.delete(path), http.delete(path)
        wait_until(lambda: live(private, SEEN).startswith(PNG))

    assert (taken.status_code, removed.status_code, again.status_code) == (200, 200, 404)
    assert ingest[0].arguments["source"] == "rtsp://127.0.0.1:9/a"
    assert plain == a_picture(shade=200)
    assert mode == 0o600
    assert not kept.exists()
    with private.history.snapshot() as connection:
        lines = audit_lines(connection)[:2]
    assert [(line["who"], line["action"], line["subject"]) for line in lines] == [
        ("chief", "background deleted", f"camera {SEEN}"),
        ("chief", "background taken", f"camera {SEEN}"),
    ]


def test_a_camera_that_is_shown_needs_no_background(private: Locked) -> None:
    with private.program("chief") as http:
        assert http.post(f"/api/v1/cameras/{HIDDEN}/background").status_code == 409
        assert http.post("/api/v1/cameras/none-such/background").status_code == 404


def test_backgrounds_lie_beside_the_history_or_the_evidence() -> None:
    cameras = [{"id": "a", "source": "0"}]
    lite = Site.model_validate({"cameras": cameras, "history": {"url": "sqlite:////x/h.db"}})
    server = Site.model_validate(
        {
            "cameras": cameras,
            "history": {"url": "postgresql://h/d"},
            "evidence": {"dir": "/y/evidence"},
        }
    )

    assert stills_folder(lite) == Path("/x/backgrounds")
    assert stills_folder(server) == Path("/y/backgrounds")


def test_a_background_is_there_after_a_restart(tmp_path: Path) -> None:
    Stills(tmp_path / "b").keep("gate", b"one")
    Stills(tmp_path / "b").keep("gate", b"two")

    assert Stills(tmp_path / "b").jpeg("gate") == b"two"
    assert Stills(tmp_path / "b").jpeg("hall") is None
