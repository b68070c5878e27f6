"""A receiver of notices: a real HTTP server whose answers a test chooses."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import apprise
import pytest

from tests.restartable_broker import RestartableBroker


class Receiver:
    """Takes notices on ``url`` and remembers what it accepted.

    ``answer`` is the HTTP status it gives; every request is counted in ``attempts``.
    """

    def __init__(self, port: int = 0) -> None:
        self.answer = 200
        self.attempts = 0
        self.notices: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.gets: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.attempts += 1
                if receiver.answer == 200:
                    receiver.notices.append(json.loads(body))
                    receiver.keys.append(self.headers.get("Idempotency-Key"))
                self.send_response(receiver.answer)
                self.end_headers()

            def do_GET(self) -> None:
                receiver.gets.append(self.path)
                self.send_response(receiver.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        """An Apprise URL."""
        return f"json://127.0.0.1:{self.port}/hook"

    @property
    def titles(self) -> list[str]:
        return [notice["title"] for notice in self.notices]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[RestartableBroker]:
    with RestartableBroker(tmp_path) as broker:
        yield broker


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


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
