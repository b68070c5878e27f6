"""The service's hold on a camera's child process: start, ask, read, kill."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from pydantic import ValidationError

from ingest.child_events import OPEN_LINE, Event, Job

ROOT = Path(__file__).resolve().parent.parent


def child_environment() -> dict[str, str]:
    """The environment in which ``python -P -m ingest...`` finds this very package."""
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *([path] if path else [])])}


class Child:
    """One run of ``ingest.camera``. Not thread-safe; start it from a thread that outlives it,
    because the kernel ends the child together with the thread that started it.

    Args:
        job: what the child is to play.
    """

    def __init__(self, job: Job) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ingest.camera"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._output = self._process.stdout.fileno()
        self._rest = b""
        self._finished = False
        self._write(job.model_dump_json().encode() + b"\n")

    @property
    def pid(self) -> int:
        return self._process.pid

    def open(self) -> None:
        """Ask for one attempt."""
        self._write(OPEN_LINE)

    def events(self, wait_s: float) -> list[Event]:
        """What the child has said, after waiting at most ``wait_s`` for it.

        A child that has ended is seen by `ended` afterwards.
        """
        if self._finished:
            time.sleep(wait_s)
            return []
        readable, _, _ = select.select([self._output], [], [], wait_s)
        if not readable:
            return []
        data = os.read(self._output, 65536)
        self._finished = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        events = []
        for line in lines:
            with contextlib.suppress(ValidationError):
                events.append(Event.model_validate_json(line))
        return events

    def ended(self) -> str | None:
        """How the child ended, or None while it runs."""
        if not self._finished:  # its last words may still be in the pipe
            return None
        code = self._process.wait()
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def ask_to_stop(self) -> None:
        """Close its stdin; it ends within a second."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def stop(self, within_s: float) -> None:
        """End it, by force if it takes longer than ``within_s``, and release its pipes."""
        self.ask_to_stop()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.stop(0)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # it has ended, which `ended` will tell
            self._stdin.write(data)
