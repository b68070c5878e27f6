"""The whole chain: ``headcount run`` from video files to a notification, and its clean end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.broker import connect
from core.clock import Clock
from core.messages import Keys
from dashboard.metrics_processes import TOLD_OTHERWISE, UNKNOWN, parse_name
from headcount.ports import free_port
from inference.peers import live_workers
from tests.dashboard.feeder import COUNTERS
from tests.headcount.conftest import environment, write_site
from tests.headcount.running_site import FIRST_READING_WITHIN_S, Running, running_site
from tests.receiver import Receiver
from tests.waiting import wait_until

LEVELS = {"unit": "persons", "watch": 1, "raise_after": "1s", "clear_after": "5s"}


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for temporary files whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="hc-") as folder:
        yield Path(folder)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("headcount-*"))


def counted_since(running: Running, instant: float) -> bool:
    """Whether every camera has a reading captured after an instant, seconds since the epoch."""
    cameras = running.get("/api/v1/cameras")
    now = time.time()
    return all(camera["status"] == "ok" and now - camera["age_s"] > instant for camera in cameras)


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def missing_from(text: str) -> set[str]:
    """What the dashboard's tests take services to tell and these do not, or without a meaning."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    told = [parse_name(name) for counters in COUNTERS.values() for name in counters]
    expected = {parsed[0] for parsed in told if parsed is not None} - TOLD_OTHERWISE
    unknown = {name for name, family in families.items() if family.documentation == UNKNOWN}
    return unknown | {name for name in expected if name.removesuffix("_total") not in families}


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("weights")
def test_from_video_to_notification_and_nothing_left_behind(
    tmp_path: Path, short_folder: Path, clips: Path
) -> None:
    port = free_port()
    cameras = [
        {
            "id": name,
            "source": str(clips / f"{name}.mp4"),
            "zones": [{"id": "all", "levels": {**LEVELS}}],
        }
        for name in ("plaza", "concourse")
    ]
    with Receiver() as receiver:
        site = write_site(
            tmp_path,
            cameras=cameras,
            dashboard={"port": port},
            alerts={"channels": [{"name": "hook", "url": receiver.url, "min_level": "watch"}]},
        )
        with running_site(site, port, TMPDIR=str(short_folder)) as running:
            both_ok = {"plaza": "ok", "concourse": "ok"}
            wait_until(lambda: running.statuses() == both_ok, FIRST_READING_WITHIN_S, 0.5)
            wait_until(lambda: receiver.notices, 30)
            (incident, *_) = running.get("/api/v1/incidents?open=true")
            assert incident["kind"] == "crowd"
            wait_until(lambda: missing_from(metrics(port)) == set())  # by their next heartbeats
            key = f"incident {incident['id']} change"
            wait_until(lambda: any(key in str(notice) for notice in receiver.notices), 30)
            assert any(name.startswith("headcount-") for name in leftovers(short_folder))

            running.worker().kill()
            died_at = time.time()
            wait_until(lambda: counted_since(running, died_at + 1), FIRST_READING_WITHIN_S, 0.2)
            processes = running.process.children(recursive=True)
        assert not any(process.is_running() for process in processes)
    assert leftovers(short_folder) == []
    assert (tmp_path / "history.db").is_file()


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("weights")
def test_with_two_workers_one_may_die(tmp_path: Path, clips: Path, redis_url: str) -> None:
    port = free_port()
    cameras = [{"id": "plaza", "source": str(clips / "plaza.mp4")}]
    site = write_site(tmp_path, cameras=cameras, dashboard={"port": port})
    with running_site(site, port, HEADCOUNT_REDIS_URL=redis_url) as running:
        second = subprocess.Popen(
            [sys.executable, "-m", "headcount", "worker", str(site)],
            env=environment(HEADCOUNT_REDIS_URL=redis_url),
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: _workers(redis_url) == 2, FIRST_READING_WITHIN_S, 0.2)
            wait_until(lambda: running.statuses() == {"plaza": "ok"}, 30, 0.2)
            running.worker().kill()
            seen = [running.statuses() for _ in wait_for_seconds(8)]
            assert all(status == {"plaza": "ok"} for status in seen)
        finally:
            second.terminate()
            second.wait(20)


def _workers(url: str) -> int:
    with connect(url) as client:
        return len(live_workers(client, Keys(), Clock(client).now_ms()))


def wait_for_seconds(seconds: int) -> Iterator[int]:
    """Once a second for so long: what is watched here is that nothing changes."""
    for second in range(seconds):
        yield second
        time.sleep(1)
