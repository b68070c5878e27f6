"""A site file that changes while the service runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from core.commands import send_command
from core.messages import Heartbeat, Keys, Reply, Service
from core.site_file import LoadedSite, load_site
from tests.ingest.rig import camera_processes
from tests.ingest.test_service import newest_seq, running
from tests.waiting import wait_until

KEYS = Keys()
ZONE = {"id": "floor", "polygon": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}


class Edited:
    """A running service whose site file a test changes."""

    def __init__(self, client: redis.Redis, loaded: LoadedSite) -> None:
        self.client = client
        self.path = loaded.path

    def write(self, cameras: list[dict[str, Any]], **sections: Any) -> str:
        """Write the file; returns its version."""
        site = {"cameras": cameras, "model": {"max_side": 256}, **sections}
        self.path.write_text(yaml.safe_dump(site))
        return load_site(self.path).version

    def reload(self, version: str) -> Reply:
        arguments = {"version": version}
        return send_command(self.client, KEYS, Service.INGEST, "reload", arguments)

    def heartbeat(self) -> Heartbeat:
        entries = self.client.xrevrange(KEYS.heartbeats(), count=1)
        return Heartbeat.from_fields(entries[0][1])

    def counts(self, camera: str) -> None:
        """Wait until frames of a camera arrive."""
        seq = newest_seq(self.client, camera)
        wait_until(lambda: newest_seq(self.client, camera) > seq, timeout_s=15)


@pytest.fixture
def cameras(videos: Path) -> list[dict[str, Any]]:
    return [
        {"id": "gate", "source": str(videos / "gate.mp4"), "fps": 5},
        {"id": "hall", "source": str(videos / "hall.mp4"), "fps": 5},
    ]


@pytest.fixture
def edited(
    tmp_path: Path,
    cameras: list[dict[str, Any]],
    make_site: Any,
    redis_url: str,
    redis_client: redis.Redis,
) -> Iterator[Edited]:
    loaded = make_site(tmp_path, cameras=cameras, model={"max_side": 256})
    with running(loaded, redis_url):
        service = Edited(redis_client, loaded)
        service.counts("gate")
        service.counts("hall")
        yield service


def processes() -> set[int]:
    return {process.pid for process in camera_processes()}


def test_a_zone_edit_restarts_no_stream(edited: Edited, cameras: list[dict[str, Any]]) -> None:
    before = processes()
    cameras[0] |= {"name": "Gate 1", "zones": [ZONE]}
    version = edited.write(cameras)

    reply = edited.reload(version)

    assert reply.ok, reply.error
    assert processes() == before
    edited.counts("gate")
    wait_until(lambda: edited.heartbeat().config_version == version)


def test_only_the_camera_whose_stream_changed_is_opened_anew(
    edited: Edited, cameras: list[dict[str, Any]], videos: Path
) -> None:
    before = processes()
    cameras[1]["source"] = str(videos / "ten.mp4")

    assert edited.reload(edited.write(cameras)).ok

    wait_until(lambda: len(processes()) == 2)
    assert len(processes() & before) == 1
    edited.counts("gate")
    edited.counts("hall")


def test_cameras_come_and_go(edited: Edited, cameras: list[dict[str, Any]], videos: Path) -> None:
    before = processes()
    yard = {"id": "yard", "source": str(videos / "ten.mp4"), "fps": 5}

    assert edited.reload(edited.write([cameras[0], yard])).ok

    edited.counts("yard")
    wait_until(lambda: len(processes()) == 2)
    assert len(processes() & before) == 1
    wait_until(lambda: not any('"hall"' in name for name in edited.heartbeat().counters))


def test_a_file_that_is_not_valid_changes_nothing(
    edited: Edited, cameras: list[dict[str, Any]]
) -> None:
    before, version = processes(), edited.heartbeat().config_version
    edited.path.write_text("cameras: [{id: gate}]")

    reply = edited.reload("0123456789ab")

    assert not reply.ok
    assert "source: is missing" in reply.error
    assert processes() == before
    edited.counts("gate")
    assert edited.heartbeat().config_version == version


def test_another_version_than_the_one_that_was_published_is_not_applied(
    edited: Edited, cameras: list[dict[str, Any]]
) -> None:
    version = edited.write(cameras[:1])

    reply = edited.reload("0123456789ab")

    assert reply.error == f"the site file here is version {version}, not 0123456789ab"


def test_what_waits_for_the_next_start_is_said(
    edited: Edited, cameras: list[dict[str, Any]]
) -> None:
    version = edited.write(cameras, dashboard={"port": 9999})

    reply = edited.reload(version)

    assert reply.result["waiting"] == (
        "The change of dashboard takes effect when Headcount is started again."
    )
    cameras[0]["name"] = "Gate 1"
    assert edited.reload(edited.write(cameras, dashboard={"port": 9999})).result["waiting"]
