"""Incidents in the history: maintenance that holds back, trends, how long it lasted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from alerts.evaluation import CameraZones
from alerts.incidents import IncidentBook
from alerts.outages import Outage
from core.history import History
from core.history_schema import incidents, outbox
from core.settings import CameraSettings, Site
from tests.alerts.readings import reading

BEGIN = 1_760_000_400_000  # 2025-10-09 09:00 UTC, a Thursday
LEVELS = {"unit": "persons", "warning": 40, "critical": 80}


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = History.open(f"sqlite:///{tmp_path / 'history.db'}")
    yield opened
    opened.close()


def site(levels: dict[str, Any] | None = None, **alerts: Any) -> Site:
    camera = {"id": "gate-1", "name": "Gate 1", "source": "rtsp://127.0.0.1:9/gate"}
    zones = [{"id": "all", "levels": {**LEVELS, **(levels or {})}}]
    channels = [{"name": "hook", "url": "json://127.0.0.1:9", "min_level": "watch"}]
    return Site.model_validate(
        {
            "site": {"timezone": "Europe/Berlin"},
            "cameras": [{**camera, "zones": zones}],
            "alerts": {"channels": channels, **alerts},
        }
    )


def play(history: History, of: Site, counts: list[float], width: float = 0.05) -> None:
    """One reading a second through the rules and into the history."""
    zones, book = CameraZones(of.cameras[0], of), IncidentBook(of)
    with history.transaction() as connection:
        for second, count in enumerate(counts):
            at = BEGIN + 1000 * second
            low, high = count * (1 - width), count * (1 + width)
            for result in zones.evaluate(reading("gate-1", at, count, low=low, high=high), at):
                for event in result.events:
                    book.crowd_event(
                        connection, of.cameras[0], result.zone, event, result.value, at
                    )


def rows(history: History, table: Any) -> list[Any]:
    with history.snapshot() as connection:
        return list(connection.execute(select(table)).all())


def test_a_clear_says_how_long_it_lasted(history: History) -> None:
    play(history, site(), [50.0] * 206 + [10.0] * 60)
    raised, cleared = rows(history, outbox)
    assert (raised.event, cleared.event) == ("raised", "cleared")
    assert "It lasted 4 min." in cleared.body
    assert "Probable" not in raised.body


def test_a_notice_of_a_density_says_how_dense_the_densest_place_is(history: History) -> None:
    of = site()
    ground = {
        "picture": [[0.2, 0.5], [0.8, 0.5], [0.95, 0.95], [0.05, 0.95]],
        "metres": [[0, 0], [12, 0], [12, 8], [0, 8]],
    }
    zone = {"id": "all", "polygon": ground["picture"], "ground": ground}
    camera = CameraSettings.model_validate({"id": "gate-1", "source": "0", "zones": [zone]})
    of = of.model_copy(update={"cameras": [camera]})
    play(history, of, [400.0] * 20)  # all in one place, on 96 m2
    (raised,) = rows(history, outbox)
    assert "4.2 persons/m2" in raised.title
    assert "Densest place: " in raised.body


def test_a_trend_is_told_without_an_incident_and_says_how_soon(history: History) -> None:
    play(history, site(), [20.0] * 200 + [20 + 0.1 * second for second in range(150)])
    assert rows(history, incidents) == []
    (told,) = rows(history, outbox)
    assert (told.event, told.level, told.incident) == ("approaching", "warning", None)
    assert told.title.startswith("[WARNING] Gate 1 / all: ")
    assert told.title.endswith("persons, approaching")
    assert "At this rate warning is reached in " in told.body
    assert told.body.splitlines()[-1] == told.key
    assert told.key.startswith("trend gate-1/all ")


def test_a_trend_within_an_incident_is_one_of_its_changes(history: History) -> None:
    play(history, site(), [45.0] * 200 + [45 + 0.15 * second for second in range(200)])
    (incident,) = rows(history, incidents)
    raised, told = rows(history, outbox)
    assert (raised.event, told.event, told.level) == ("raised", "approaching", "critical")
    assert told.key == f"incident {incident.id} change 2"
    assert incident.level == "warning"


def test_a_trend_can_be_switched_off(history: History) -> None:
    growing = [20.0] * 200 + [20 + 0.1 * second for second in range(150)]
    play(history, site({"approaching": "0s"}), growing)
    assert rows(history, outbox) == []


def test_a_probable_breach_says_so(history: History) -> None:
    play(history, site({"top_by": "upper"}), [70.0] * 30, width=0.25)
    (raised,) = rows(history, outbox)
    assert raised.title.startswith("[CRITICAL]")
    assert "Probable: the upper end of the interval is at critical." in raised.body


def test_in_maintenance_no_crowd_is_raised(history: History) -> None:
    # 11:00 in Berlin is the beginning of the readings.
    window = {"cameras": ["gate-1"], "days": ["thu"], "start": "10:30", "end": "11:05"}
    play(history, site(maintenance=[window]), [50.0] * 300)
    assert rows(history, incidents) == []
    play(history, site(maintenance=[{**window, "days": ["fri"]}]), [50.0] * 300)
    assert len(rows(history, incidents)) == 1


def test_a_clear_in_maintenance_is_written_and_told_to_nobody(history: History) -> None:
    at = datetime.fromtimestamp(BEGIN / 1000 + 60, UTC).isoformat()
    window = {"start": at, "end": "2025-10-09T12:00"}
    play(history, site(maintenance=[window]), [50.0] * 60 + [10.0] * 60)
    (incident,) = rows(history, incidents)
    assert incident.cleared_at is not None
    raised, cleared = rows(history, outbox)
    assert raised.dropped_at is None
    assert cleared.dropped_at is not None
    assert cleared.error == "held back: maintenance"


def test_an_offline_camera_is_raised_when_its_maintenance_is_over(history: History) -> None:
    window = {"start": "2025-10-09T10:00", "end": "2025-10-09T11:05"}
    of = site(maintenance=[{**window, "cameras": ["gate-1"]}])
    book = IncidentBook(of)
    outage = Outage("gate-1", True, "offline", "no route to host")
    with history.transaction() as connection:
        assert not book.outage(connection, outage, BEGIN)
    assert rows(history, incidents) == []
    with history.transaction() as connection:
        assert book.outage(connection, outage, BEGIN + 5 * 60_000)
    assert [row.kind for row in rows(history, incidents)] == ["camera"]


def test_maintenance_of_a_camera_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no camera 'gate-2'"):
        site(maintenance=[{"cameras": ["gate-2"], "start": "10:00", "end": "11:00"}])
