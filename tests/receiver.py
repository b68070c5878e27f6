"""A receiver of notices: a real HTTP server whose answers a test chooses."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Receiver:
    """A context manager that takes notices on ``url`` and remembers what it accepted.

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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
