"""A network between a client and a server that loses an answer when a test says so."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self


class LossyNetwork:
    """A context manager that passes on to a server's unix socket what comes to ``url``.

    Args:
        folder: for its own unix socket; a short path.
        server: path of the server's.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "network.sock"))
        self._listener.listen()
        self.url = f"unix://{folder / 'network.sock'}"
        self._lose_holding = b""
        self.lost = threading.Event()

    def lose_answer_holding(self, part: bytes) -> None:
        """The next answer with this in it does not arrive, and its connection ends."""
        self.lost.clear()
        self._lose_holding = part

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the test is over
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for source, target, loses in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._carry, args=(source, target, loses), daemon=True
                ).start()

    def _carry(self, source: socket.socket, target: socket.socket, loses: bool) -> None:
        with source, target:
            while data := _received(source):
                if loses and self._lose_holding and self._lose_holding in data:
                    self._lose_holding = b""
                    self.lost.set()
                    break
                target.sendall(data)
            for each in (source, target):
                _end(each)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(1 << 20)
    except OSError:
        return b""


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
