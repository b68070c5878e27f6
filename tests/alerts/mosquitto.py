"""A real mosquitto for tests, and a client that remembers what it hears."""

from __future__ import annotations

import getpass
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import NO_SKIP
from tests.waiting import wait_until

USER, PASSWORD = "headcount", "s3cret"


class Mosquitto:
    """A broker that asks for a password, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if program is None:
            message = "mosquitto is not installed"
            if NO_SKIP:
                pytest.fail(message)
            pytest.skip(message)
        self._program = program
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        passwords = folder / "passwords"
        make = shutil.which("mosquitto_passwd", path="/usr/bin:/usr/sbin")
        assert make is not None
        subprocess.run([make, "-b", "-c", str(passwords), USER, PASSWORD], check=True)
        (folder / "mosquitto.conf").write_text(
            # Started by root it would give its rights up, and with them the folder of the test.
            f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {passwords}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Subscribed to everything; `topics` holds the last payload of each topic."""

    def __init__(self) -> None:
        self.topics: dict[str, bytes] = {}
        self.notices: list[dict[str, Any]] = []
        self.retained: set[str] = set()
        self.subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(USER, PASSWORD)
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self.subscribed.set()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.topics[message.topic] = message.payload
        if message.retain:
            self.retained.add(message.topic)
        if message.topic.endswith("/notices"):
            self.notices.append(json.loads(message.payload))

    def json(self, topic: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.topics.get(topic) or b"{}")
        return value


@contextmanager
def listening(broker: Mosquitto) -> Iterator[Listener]:
    listener = Listener()
    listener.client.connect("127.0.0.1", broker.port)
    listener.client.loop_start()
    listener.client.subscribe("#", qos=1)
    assert listener.subscribed.wait(10)
    try:
        yield listener
    finally:
        listener.client.disconnect()
        listener.client.loop_stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.stop()
