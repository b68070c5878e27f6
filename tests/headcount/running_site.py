"""A site that runs in a process of its own, for tests of the whole chain."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.headcount.conftest import environment

FIRST_READING_WITHIN_S = 60


class Running:
    """A site that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = psutil.Process(process.pid)
        self.port = port

    def get(self, route: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{route}", timeout=30) as answer:
            return json.loads(answer.read())

    def statuses(self) -> dict[str, str]:
        assert self.process.status() != psutil.STATUS_ZOMBIE, "the site has ended"
        try:
            return {camera["id"]: camera["status"] for camera in self.get("/api/v1/cameras")}
        except OSError:
            return {}

    def worker(self) -> psutil.Process:
        (worker,) = (child for child in self.process.children() if "worker" in child.cmdline())
        return worker


@contextmanager
def running_site(path: Path, port: int, **variables: str) -> Iterator[Running]:
    log = path.with_suffix(".log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "headcount", "run", str(path)],
        env=environment(**variables),
        stdout=log,
        stderr=log,
        text=True,
    )
    try:
        yield Running(process, port)
        process.send_signal(signal.SIGINT)
        assert process.wait(45) == 0, path.with_suffix(".log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()
        print(path.with_suffix(".log").read_text())
