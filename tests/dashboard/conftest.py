"""A real dashboard: the service in a process of its own, on a real Redis and a real database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import delete, insert

from core.broker import LocalBroker, connect
from core.history import History
from core.history_schema import incidents, outbox
from core.site_file import LoadedSite, load_site
from headcount.ports import free_port
from tests.dashboard.feeder import Feeder
from tests.dashboard.locked import Locked, locked_dashboard
from tests.waiting import wait_until

START_LIMIT_S = 30
SERVICE = """
import signal, sys, threading
from pathlib import Path
from core.site_file import load_site
from dashboard.service import run
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run(load_site(Path(sys.argv[1])), sys.argv[2], stop)
"""

SITE: dict[str, Any] = {
    "site": {"name": "Central Station", "timezone": "Asia/Seoul"},
    "cameras": [
        {
            "id": "hall",
            "name": "Main hall",
            "source": "rtsp://127.0.0.1:9/hall",
            "fps": 2,
            "age_limit": "1s",
            "zones": [
                {
                    "id": "floor",
                    "name": "Floor",
                    "polygon": [[0.1, 0.3], [0.9, 0.3], [0.9, 0.9], [0.1, 0.9]],
                    "ground": {
                        "picture": [[0.3, 0.3], [0.7, 0.3], [0.95, 0.95], [0.05, 0.95]],
                        "metres": [[0, 0], [8, 0], [8, 12], [0, 12]],
                    },
                }
            ],
        },
        {
            "id": "gate",
            "name": "Gate <1>",
            "source": "rtsp://127.0.0.1:9/gate",
            "fps": 2,
            "age_limit": "1s",
            "zones": [{"id": "all", "levels": {"unit": "persons", "watch": 10}}],
        },
        {"id": "spare", "source": "rtsp://127.0.0.1:9/spare"},
    ],
}


@dataclass
class RunningDashboard:
    """The service under test and what plays the other services."""

    address: str
    http: httpx.Client
    feeder: Feeder
    loaded: LoadedSite
    process: subprocess.Popen[bytes]

    def camera(self, camera: str) -> dict[str, Any]:
        """A camera as the API gives it now."""
        cameras = self.http.get("/api/v1/cameras").raise_for_status().json()
        return next(each for each in cameras if each["id"] == camera)


def write_site(folder: Path, port: int) -> LoadedSite:
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({**SITE, "dashboard": {"port": port}}, sort_keys=False))
    return load_site(path)


@contextmanager
def dashboard_process(loaded: LoadedSite, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service in a process of its own, ended by SIGTERM."""
    process = subprocess.Popen([sys.executable, "-c", SERVICE, str(loaded.path), url])
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(http: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the dashboard ended with {process.returncode}"
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """One dashboard for the whole folder; each test uses cameras and incidents of its own."""
    port = free_port()
    loaded = write_site(tmp_path_factory.mktemp("dashboard"), port)
    address = f"http://127.0.0.1:{port}"
    history = History.open(loaded.site.history.url)
    with (
        LocalBroker(memory_mb=256) as broker,
        connect(broker.url),
        httpx.Client(base_url=address, timeout=10) as http,
        dashboard_process(loaded, broker.url) as process,
    ):
        feeder = Feeder(broker.url, history, loaded.version)
        wait_until(lambda: answers(http, process), timeout_s=START_LIMIT_S, every_s=0.1)
        yield RunningDashboard(address, http, feeder, loaded, process)
        feeder.client.close()
    history.close()


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """A dashboard with `access.login: local`, with its users signed up."""
    with locked_dashboard(tmp_path_factory.mktemp("locked")) as running:
        yield running


@pytest.fixture
def fed(dashboard: RunningDashboard) -> Iterator[RunningDashboard]:
    """The dashboard while the hall has 12 people and the gate 4, and all services live."""
    feeder = Feeder(dashboard.feeder.url, dashboard.feeder.history, dashboard.loaded.version)
    feeder.counts = {"hall": 12.0, "gate": 4.0}
    feeder.levels = {("hall", "floor"): ("warning", 4.2), ("gate", "all"): ("normal", None)}
    with feeder.running():
        dashboard.feeder = feeder
        wait_until(lambda: shows(dashboard, "hall", 12, "warning"), every_s=0.05)
        wait_until(lambda: shows(dashboard, "gate", 4, "normal"), every_s=0.05)
        yield dashboard


@pytest.fixture
def told(fed: RunningDashboard) -> Iterator[RunningDashboard]:
    """The dashboard with open incidents and with notices that wait for a channel."""
    feeder = fed.feeder
    with feeder.history.transaction() as connection:  # those of earlier tests are not counted
        connection.execute(delete(incidents))
    number = feeder.incident()
    feeder.incident(acknowledged_at=feeder.clock.now_ms(), acknowledged_by="kim")
    notice = {
        "incident": number, "event": "raised", "channel": "guard", "level": "warning",
        "camera": "hall", "zone": "floor", "title": "", "body": "", "next_at": 0,
        "created_at": feeder.clock.now_ms() - 90_000,
    }  # fmt: skip
    rows = [
        {**notice, "change": change, "key": f"incident {number} change {change}", "attempts": tries}
        for change, tries in ((1, 3), (2, 0))
    ]
    with feeder.history.transaction() as connection:
        connection.execute(insert(outbox), rows)
    yield fed
    with feeder.history.transaction() as connection:
        connection.execute(delete(outbox))
        connection.execute(delete(incidents))


def shows(dashboard: RunningDashboard, camera: str, count: float, level: str) -> bool:
    """Whether camera and zone show this count and level."""
    value = dashboard.camera(camera)
    counts = {value["count"], value["zones"][0]["count"]}
    return counts == {count} and value["level"] == level
