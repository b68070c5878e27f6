"""Deliveries over real HTTP."""

import pytest

from alerts.channels import deliver, with_key
from alerts.notices import Notice
from tests.alerts.conftest import Receiver

NOTICE = Notice("[WARNING] Hall / all: 42 persons, raised", "line\nincident 4 change 2",
                "incident 4 change 2")  # fmt: skip


def test_a_webhook_gets_title_body_and_key(receiver: Receiver) -> None:
    assert deliver(receiver.url, NOTICE, "warning") is None
    assert receiver.titles == [NOTICE.title]
    assert receiver.notices[0]["message"] == NOTICE.body
    assert receiver.notices[0]["type"] == "warning"
    assert receiver.keys == ["incident 4 change 2"]


def test_a_refusal_is_an_error(receiver: Receiver) -> None:
    receiver.answer = 503
    error = deliver(receiver.url, NOTICE, "critical")
    assert error is not None
    assert "503" in error


@pytest.mark.parametrize("url", ["json://user:hunter2@127.0.0.1:1/hook", "not a url", "slack://x"])
def test_a_failure_is_told_without_secrets(url: str) -> None:
    error = deliver(url, NOTICE, "critical")
    assert error
    assert "hunter2" not in error


def test_the_key_is_added_where_the_scheme_has_headers() -> None:
    assert with_key("json://h/p", "incident 1 change 2") == (
        "json://h/p?+Idempotency-Key=incident%201%20change%202"
    )
    assert with_key("jsons://h/p?+X-A=1", "k").endswith("?+X-A=1&+Idempotency-Key=k")
    assert with_key("mailto://u:p@h", "k") == "mailto://u:p@h"
