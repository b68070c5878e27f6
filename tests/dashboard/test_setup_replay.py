"""What levels under edit would have raised, on a real history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.history import History, write_raw
from core.history_replay import write_snapshot
from core.site_file import LoadedSite
from dashboard.running import Dashboard
from dashboard.setup_replay import replay
from dashboard.setup_zones import drafts
from tests.conftest import MakeSite
from tests.waiting import wait_until

NOW = 1_800_000_000_000
LEVELS = {"unit": "persons", "watch": 20, "warning": 60}
CROWD = [10] * 60 + [50] * 60 + [10] * 120  # people, one reading a second


@pytest.fixture
def loaded(make_site: MakeSite, tmp_path: Path) -> LoadedSite:
    zone = {"id": "all", "levels": LEVELS}
    return make_site(tmp_path, cameras=[{"id": "gate", "source": "rtsp://x/", "zones": [zone]}])


@pytest.fixture
def dashboard(loaded: LoadedSite) -> Iterator[Dashboard]:
    history = History.open(loaded.site.history.url)
    values = SimpleNamespace(now_ms=lambda: NOW)
    parts = SimpleNamespace(history=history, loaded=loaded, site=loaded.site, values=values)
    yield cast(Dashboard, parts)
    history.close()


def remember(history: History, people: list[int]) -> None:
    """Store a zone's values, the last one now."""
    start = NOW - 1000 * len(people)
    with history.transaction() as connection:
        write_snapshot(connection, "gate", "all", start, {}, scene=True)
        write_raw(
            connection,
            [
                {
                    "camera": "gate",
                    "zone": "all",
                    "at": start + 1000 * (second + 1),
                    "seq": second,
                    "count": float(count),
                    "low": 0.95 * count,
                    "high": 1.05 * count,
                    "smoothed": float(count),
                    "density": None,
                    "level": "normal",
                }
                for second, count in enumerate(people)
            ],
        )


def result(dashboard: Dashboard, **changes: Any) -> dict[str, Any]:
    """What is said of the zone with changed levels, when the replay is through."""
    camera = dashboard.site.camera("gate")
    draft = drafts(camera)[0]
    draft["levels"] |= changes

    def done() -> dict[str, Any] | None:
        found = replay(dashboard, camera, draft, None)
        assert found is not None
        return None if found["pending"] else found

    return wait_until(done, every_s=0.05)


def test_levels_are_tried_on_what_was_stored(dashboard: Dashboard) -> None:
    remember(dashboard.history, CROWD)

    raised = result(dashboard)
    assert re.fullmatch(r"Incidents since .+: 1\. Raised at the time: 0\.", raised["sentence"])
    assert "Watch, peak 50 people" in raised["incidents"][0]

    assert "Warning" in result(dashboard, warning=40)["incidents"][0]
    assert result(dashboard, watch=55)["incidents"] == []


def test_a_zone_without_a_past_says_so(dashboard: Dashboard) -> None:
    assert result(dashboard)["sentence"] == "Nothing of this zone is stored yet."


def test_what_cannot_be_told_from_the_past_is_said(dashboard: Dashboard) -> None:
    camera = dashboard.site.camera("gate")
    draft = drafts(camera)[0]

    moved = replay(dashboard, camera, {**draft, "polygon": [[0, 0], [1, 0], [1, 1]]}, None)
    assert moved is not None
    assert "outline" in moved["sentence"]
    new = replay(dashboard, camera, {**draft, "id": "new"}, None)
    assert new is not None
    assert "no past" in new["sentence"]
    assert replay(dashboard, camera, {**draft, "levels": None}, None) is None
