from __future__ import annotations

from typing import Any

import pytest

from core.settings import Site
from core.site_changes import SiteChanges, applicable, changes

SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]


def a_site(gate: dict[str, Any] | None = None, **sections: Any) -> Site:
    cameras = [
        {"id": "gate", "source": "rtsp://a/live", **(gate or {})},
        {"id": "hall", "source": "hall.mp4"},
    ]
    return Site.model_validate({"cameras": cameras, **sections})


def test_the_same_site_has_no_changes() -> None:
    assert changes(a_site(), a_site()) == SiteChanges()


def test_cameras_that_come_and_go() -> None:
    new = Site.model_validate(
        {"cameras": [{"id": "hall", "source": "hall.mp4"}, {"id": "yard", "source": "0"}]}
    )

    assert changes(a_site(), new) == SiteChanges(added=("yard",), removed=("gate",))


@pytest.mark.parametrize(
    "change",
    [{"name": "Gate 1"}, {"zones": [{"id": "floor", "polygon": SQUARE}]}, {"age_limit": 2}],
)
def test_a_zone_or_a_name_never_restarts_a_stream(change: dict[str, Any]) -> None:
    assert changes(a_site(), a_site(change)) == SiteChanges(edited=("gate",))


@pytest.mark.parametrize(
    "change",
    [
        {"source": "rtsp://b/live"},
        {"fps": 2},
        {"transport": "udp"},
        {"stall_timeout": 5},
        {"play": {"repeat": False}},
    ],
)
def test_what_the_stream_is_played_with_restarts_it_and_no_other(change: dict[str, Any]) -> None:
    assert changes(a_site(), a_site(change)) == SiteChanges(replayed=("gate",))


def test_sections_that_take_effect_at_once() -> None:
    new = a_site(
        site={"name": "Station"},
        history={"keep": {"raw": "5d"}},
        alerts={"channels": [{"name": "room", "url": "json://127.0.0.1/"}]},
    )

    assert changes(a_site(), new) == SiteChanges(other=("site", "history", "alerts"))


def test_what_waits_for_the_next_start_is_said_in_one_sentence_and_stays_as_it_is() -> None:
    old = a_site()
    new = a_site(
        {"fps": 3},
        broker={"url": "redis://other/"},
        history={"url": "sqlite:///other.db", "keep": {"raw": "5d"}},
        dashboard={"port": 9000},
    )

    found = changes(old, new)
    assert found.waiting == ("broker", "history.url", "dashboard")
    assert found.waiting_sentence == (
        "The change of broker, history.url, dashboard takes effect when Headcount is started again."
    )
    applied = applicable(old, new)
    assert (applied.broker, applied.dashboard) == (old.broker, old.dashboard)
    assert applied.history.url == old.history.url
    assert applied.history.keep == new.history.keep
    assert applied.cameras == new.cameras
