"""Deliveries over real HTTP and SMTP."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from alerts.channels import deliver, with_key
from alerts.notices import Notice
from tests.receiver import Receiver

NOTICE = Notice("[WARNING] Hall / all: 42 persons, raised", "line\nincident 4 change 2",
                "incident 4 change 2", level="critical")  # fmt: skip
WARNING = replace(NOTICE, level="warning")


def test_a_webhook_gets_title_body_and_key(receiver: Receiver) -> None:
    assert deliver(receiver.url, WARNING) is None
    assert receiver.titles == [NOTICE.title]
    assert receiver.notices[0]["message"] == NOTICE.body
    assert receiver.notices[0]["type"] == "warning"
    assert receiver.keys == ["incident 4 change 2"]


def test_a_refusal_is_an_error(receiver: Receiver) -> None:
    receiver.answer = 503
    error = deliver(receiver.url, NOTICE)
    assert error is not None
    assert "503" in error


@pytest.mark.parametrize("url", ["json://user:hunter2@127.0.0.1:1/hook", "not a url", "slack://x"])
def test_a_failure_is_told_without_secrets(url: str) -> None:
    error = deliver(url, NOTICE)
    assert error
    assert "hunter2" not in error


def test_the_key_is_added_where_the_scheme_has_headers() -> None:
    assert with_key("json://h/p", "incident 1 change 2") == (
        "json://h/p?+Idempotency-Key=incident%201%20change%202"
    )
    assert with_key("jsons://h/p?+X-A=1", "k").endswith("?+X-A=1&+Idempotency-Key=k")
    assert with_key("mailto://u:p@h", "k") == "mailto://u:p@h"


def test_a_webhook_gets_the_picture_and_mqtt_by_apprise_none(
    receiver: Receiver, tmp_path: Path
) -> None:
    picture = tmp_path / "warning-picture.jpg"
    picture.write_bytes(b"\xff\xd8 picture")
    assert deliver(receiver.url, WARNING, picture) is None
    (attached,) = receiver.notices[0]["attachments"]
    assert attached["filename"] == "warning-picture.jpg"
    assert base64.b64decode(attached["base64"]) == b"\xff\xd8 picture"
    assert receiver.titles == [NOTICE.title]


class Mailbox(socketserver.StreamRequestHandler):
    """Speaks enough SMTP to take one message and keep it in the server's `messages`."""

    def handle(self) -> None:
        self.say("220 sink")
        while line := self.rfile.readline().decode().strip():
            command = line[:4].upper()
            if command == "DATA":
                self.say("354 go on")
                body = b""
                while (each := self.rfile.readline()) != b".\r\n":
                    body += each
                message = email.message_from_bytes(body, policy=email.policy.default)
                self.server.messages.append(message)  # type: ignore[attr-defined]
            self.say({"QUIT": "221 bye"}.get(command, "250 ok"))
            if command == "QUIT":
                return

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mailbox() -> Iterator[tuple[int, list[EmailMessage]]]:
    """The port of an SMTP server and the messages that it took."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        messages: list[EmailMessage] = []
        server.messages = messages  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1], messages
        finally:
            server.shutdown()
            thread.join()


def test_a_mail_has_title_body_key_and_picture(tmp_path: Path) -> None:
    picture = tmp_path / "critical-picture.jpg"
    picture.write_bytes(b"\xff\xd8 picture")
    with mailbox() as (port, messages):
        url = f"mailto://127.0.0.1:{port}?from=headcount@site.example&to=guard@site.example&mode=insecure"
        assert deliver(url, NOTICE, picture) is None
    (message,) = messages
    assert message["Subject"] == NOTICE.title
    assert "guard@site.example" in message["To"]
    body = message.get_body(("plain",))
    assert body is not None
    assert "incident 4 change 2" in body.get_content()
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "critical-picture.jpg"
    assert attached.get_content() == b"\xff\xd8 picture"
