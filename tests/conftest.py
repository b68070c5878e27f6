"""Fixtures that every room's tests share: a real Redis, the research data, a site file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest
import redis
import yaml
from playwright.sync_api import Browser

from core.broker import LocalBroker, connect
from core.site_file import LoadedSite, load_site
from tests.chromium import chromium
from tests.postgresql import NoPostgresqlError, PostgresqlServer, postgresql_server

REPOSITORY = Path(__file__).parent.parent
# A busy machine is no defect, so no example has a deadline.
hypothesis.settings.register_profile("headcount", deadline=None)
hypothesis.settings.load_profile("headcount")

NO_SKIP = os.environ.get("HEADCOUNT_NO_SKIP") == "1"


@pytest.fixture(scope="session")
def _broker() -> Iterator[LocalBroker]:
    with LocalBroker(memory_mb=256) as broker:
        yield broker


@pytest.fixture(autouse=True)
def _readers_stop_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of the broker in this process look for their end often: it saves a second a test."""
    monkeypatch.setattr("core.live._BLOCK_MS", 50)
    monkeypatch.setattr("core.commands._BLOCK_MS", 50)


@pytest.fixture
def redis_url(_broker: LocalBroker) -> str:
    """URL of an empty, real Redis on a private unix socket.

    One server serves the whole run; a test that stops its broker starts a `LocalBroker` itself.
    """
    with connect(_broker.url) as client:
        client.flushall()
    return _broker.url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of `redis_url`."""
    with connect(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The research data beside the repository; skips without it, fails under HEADCOUNT_NO_SKIP."""
    folder = (REPOSITORY / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        message = f"the research data is not at {folder}"
        if NO_SKIP:
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A running PostgreSQL; skips where it cannot be run, fails under HEADCOUNT_NO_SKIP."""
    try:
        with postgresql_server() as server:
            yield server
    except NoPostgresqlError as error:
        if NO_SKIP:
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new history database without tables; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database()


class MakeSite(Protocol):
    """``make_site(folder, **sections)``: writes ``folder/site.yaml`` and loads it."""

    def __call__(self, folder: Path, **sections: Any) -> LoadedSite: ...


@pytest.fixture
def make_site() -> MakeSite:
    """A site of one RTSP camera ``gate-1``, with any section of the site file replaced.

    >>> make_site(tmp_path, cameras=[{"id": "hall", "source": "hall.mp4"}])
    """

    def make(folder: Path, **sections: Any) -> LoadedSite:
        cameras: Mapping[str, Any] = {"id": "gate-1", "source": "rtsp://127.0.0.1:9/gate"}
        path = folder / "site.yaml"
        path.write_text(yaml.safe_dump({"cameras": [cameras], **sections}, sort_keys=False))
        return load_site(path)

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser, for one file of tests."""
    with chromium() as started:
        yield started
