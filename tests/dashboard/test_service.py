"""Starting and stopping the service."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest

from dashboard.service import PortTakenError, run
from headcount.ports import free_port
from tests.dashboard.conftest import answers, dashboard_process, write_site
from tests.waiting import wait_until


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path, redis_url: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PortTakenError) as caught:
            run(write_site(tmp_path, port), redis_url, threading.Event())

    sentence = str(caught.value)
    assert f"dashboard.port: {port} is taken" in sentence
    assert "\n" not in sentence


def test_it_stops_promptly_although_viewers_are_connected(tmp_path: Path, redis_url: str) -> None:
    port = free_port()
    loaded = write_site(tmp_path, port)
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
        dashboard_process(loaded, redis_url) as process,
    ):
        wait_until(lambda: answers(http, process), timeout_s=30, every_s=0.1)
        with http.stream("GET", "/api/v1/events") as events:
            lines = events.iter_lines()
            assert next(lines).startswith("retry")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=8) == 0
