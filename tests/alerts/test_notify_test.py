"""One test notice to every channel."""

from pathlib import Path

from alerts.notify_test import send_test
from tests.conftest import MakeSite
from tests.receiver import Receiver


def test_every_channel_gets_one_and_failures_are_told(
    receiver: Receiver, make_site: MakeSite, tmp_path: Path
) -> None:
    loaded = make_site(
        tmp_path,
        site={"name": "Central Station", "timezone": "Asia/Seoul"},
        alerts={
            "channels": [
                {"name": "hook", "url": receiver.url, "min_level": "critical"},
                {"name": "gone", "url": "json://user:hunter2@127.0.0.1:1/hook"},
            ]
        },
    )
    results = send_test(loaded)
    assert results[0] == ("hook", True, None)
    name, ok, error = results[1]
    assert (name, ok) == ("gone", False)
    assert error
    assert "hunter2" not in error
    assert receiver.titles == ["[NORMAL] Central Station: all is well, test"]
    assert "KST" in receiver.notices[0]["message"]
