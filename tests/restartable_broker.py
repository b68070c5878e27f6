"""A real Redis that tests can stop and start again under the same address, empty each time."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Self

import redis

from core.broker import connect, find_server
from tests.waiting import wait_until


class RestartableBroker:
    """A context manager; it runs inside the block unless stopped.

    Args:
        folder: for its unix socket; a short path.
        executable: the server; by default the one that Headcount would start.
    """

    def __init__(self, folder: Path, executable: str | None = None) -> None:
        self._executable = executable or find_server()
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        options = {"port": "0", "unixsocket": str(self._socket), "save": "", "appendonly": "no"}
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen([self._executable, *flags], stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def stop(self) -> None:
        """Ends it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Leaves it connected but silent, as a hung machine would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            with connect(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
