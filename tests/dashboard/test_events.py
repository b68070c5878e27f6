"""The event stream that the wall lives on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from core.messages import Reason
from tests.dashboard.conftest import RunningDashboard


@contextmanager
def events(dashboard: RunningDashboard) -> Iterator[Iterator[dict[str, Any]]]:
    """The stream's events, as they come."""
    with dashboard.http.stream("GET", "/api/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def first_that(
    stream: Iterator[dict[str, Any]], condition: Callable[[dict[str, Any]], bool], limit: int = 60
) -> dict[str, Any]:
    for _ in range(limit):
        event = next(stream)
        if condition(event):
            return event
    raise AssertionError(f"no such event among {limit}")


def camera_in(event: dict[str, Any], camera: str) -> dict[str, Any]:
    return next((each for each in event["cameras"] if each["id"] == camera), {})


def test_the_first_event_has_everything(fed: RunningDashboard) -> None:
    with events(fed) as stream:
        event = next(stream)

    assert event["full"] is True
    assert event["broker_ok"] is True
    assert {each["id"] for each in event["cameras"]} == {"hall", "gate", "spare"}
    hall = camera_in(event, "hall")
    assert hall["count"] == 12
    assert hall["picture_seq"] > 0
    assert event["now"] - hall["reading_at"] < 5000
    newest_at, newest = event["recent"]["hall"][-1]
    assert event["now"] - newest_at < 10_000
    assert newest > 0
    assert "incidents" in event


def test_a_change_is_sent_and_what_did_not_change_is_not(fed: RunningDashboard) -> None:
    with events(fed) as stream:
        next(stream)
        fed.feeder.counts["hall"] = 41.0
        event = first_that(stream, lambda event: camera_in(event, "hall").get("count") == 41)

    assert event["full"] is False
    assert not camera_in(event, "spare")


def test_a_camera_that_goes_blind_is_sent_as_unknown(fed: RunningDashboard) -> None:
    with events(fed) as stream:
        next(stream)
        fed.feeder.offline["gate"] = (Reason.OFFLINE, "no answer")
        event = first_that(
            stream, lambda event: camera_in(event, "gate").get("status") == "unknown"
        )

    gate = camera_in(event, "gate")
    assert (gate["count"], gate["level"], gate["reason"]) == (None, None, "offline")


def test_a_new_incident_is_sent(fed: RunningDashboard) -> None:
    with events(fed) as stream:
        next(stream)
        number = fed.feeder.incident()
        event = first_that(stream, lambda event: "incidents" in event)

    assert number in {each["id"] for each in event["incidents"]}


def test_many_viewers_see_the_same(fed: RunningDashboard) -> None:
    with events(fed) as one, events(fed) as two, events(fed) as three:
        counts = [camera_in(next(stream), "gate")["count"] for stream in (one, two, three)]

    assert counts == [4, 4, 4]
