"""A broker of a test's own, a receiver of notices, and Apprise loaded once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import apprise
import pytest

from tests.receiver import Receiver
from tests.restartable_broker import RestartableBroker


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[RestartableBroker]:
    with RestartableBroker(tmp_path) as broker:
        yield broker


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _load_apprise() -> None:
    """Let Apprise load its plugins: one of them imports a module that Python 3.13 drops."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        apprise.Apprise.instantiate("json://127.0.0.1")


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's own loops look for their end often, too."""
    monkeypatch.setattr("alerts.shard.BLOCK_MS", 50)
    monkeypatch.setattr("alerts.evidence.LOOK_EVERY_S", 0.05)
