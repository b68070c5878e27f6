"""The HTTP API over a real server, a real broker and a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from core.history_schema import raw
from core.messages import Reason
from tests.dashboard.conftest import RunningDashboard
from tests.waiting import wait_until


def test_a_live_camera_has_count_interval_level_and_age(fed: RunningDashboard) -> None:
    hall = fed.camera("hall")

    assert (hall["id"], hall["name"], hall["status"], hall["reason"]) == (
        "hall",
        "Main hall",
        "ok",
        None,
    )
    assert (hall["count"], hall["low"], hall["high"]) == (12, 9, 16)
    assert 0 <= hall["age_s"] < 3
    assert hall["zones"] == [
        {
            "id": "floor",
            "count": 12,
            "low": 9,
            "high": 16,
            "density": 4.2,
            "worst_cell": 6.3,
            "level": "warning",
        }
    ]


def test_the_count_follows_the_readings(fed: RunningDashboard) -> None:
    fed.feeder.counts["gate"] = 33.0

    wait_until(lambda: fed.camera("gate")["count"] == 33)


def test_cameras_come_in_the_sites_order(dashboard: RunningDashboard) -> None:
    cameras = dashboard.http.get("/api/v1/cameras").json()

    assert [each["id"] for each in cameras] == ["hall", "gate", "spare"]


def test_a_camera_that_never_delivered_is_unknown_not_empty(fed: RunningDashboard) -> None:
    spare = fed.camera("spare")

    assert spare["status"] == "unknown"
    assert spare["reason"]
    assert spare["count"] is None
    assert spare["age_s"] is None
    assert spare["zones"] == [
        {"id": "all", **dict.fromkeys(("count", "low", "high", "density", "worst_cell", "level"))}
    ]


def test_an_offline_camera_is_unknown_with_its_reason_and_a_growing_age(
    fed: RunningDashboard,
) -> None:
    fed.feeder.offline["hall"] = (Reason.UNAUTHORISED, "the camera refuses user or password")

    hall = wait_until(lambda: unknown(fed, "hall", "unauthorised"))
    assert hall["detail"] == "the camera refuses user or password"
    assert hall["count"] is None
    assert hall["level"] is None
    assert hall["zones"][0]["level"] is None
    assert hall["zones"][0]["density"] is None
    assert hall["zones"][0]["worst_cell"] is None
    older = wait_until(lambda: fed.camera("hall")["age_s"] > hall["age_s"] + 0.5)
    assert older


def test_without_alerts_a_count_stays_and_its_level_goes(fed: RunningDashboard) -> None:
    fed.feeder.levels.clear()

    gate = wait_until(lambda: without_level(fed, "gate"), timeout_s=15)
    assert gate["status"] == "ok"
    assert gate["zones"][0]["count"] == 4
    assert without_level(fed, "hall")
    assert fed.camera("hall")["zones"][0]["count"] is None


def unknown(dashboard: RunningDashboard, camera: str, reason: str) -> dict[str, object] | None:
    value = dashboard.camera(camera)
    return value if value["status"] == "unknown" and value["reason"] == reason else None


def without_level(dashboard: RunningDashboard, camera: str) -> dict[str, list[dict[str, object]]]:
    value = dashboard.camera(camera)
    return value if value["zones"][0]["level"] is None else {}


def test_history_comes_with_gaps_as_nulls(dashboard: RunningDashboard) -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    seconds = [0, 1, 2, 12, 13]
    rows = [
        {
            "camera": "hall",
            "zone": "floor",
            "at": round((start + timedelta(seconds=second)).timestamp() * 1000),
            "seq": second,
            "count": 10.0 + second,
            "low": 8.0,
            "high": 14.0,
            "smoothed": 10.0,
            "density": 1.5,
            "level": "normal",
        }
        for second in seconds
    ]
    with dashboard.feeder.history.transaction() as connection:
        connection.execute(insert(raw), rows)

    query = {
        "camera": "hall",
        "zone": "floor",
        "from": "2026-03-01T21:00:00+09:00",
        "to": "2026-03-01T12:00:14Z",
        "step": "1s",
    }
    answer = dashboard.http.get("/api/v1/history", params=query).raise_for_status().json()

    assert set(answer[0]) == {
        "at",
        "count_mean",
        "count_max",
        "low",
        "high",
        "density_max",
        "unknown_share",
    }
    values = {each["at"][17:19]: each["count_mean"] for each in answer}
    assert [values[second] for second in ("00", "01", "02", "12", "13")] == [10, 11, 12, 22, 23]
    assert values["10"] is None
    assert answer[0]["at"].startswith("2026-03-01T12:00:00")
    assert datetime.fromisoformat(answer[0]["at"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({}, 400, "camera"),
        ({"camera": "nowhere"}, 404, "nowhere"),
        ({"camera": "hall", "zone": "roof"}, 404, "roof"),
        ({"camera": "hall", "step": "2s"}, 400, "allowed are 1s, 1m, 1h, 1d, auto"),
        ({"camera": "hall", "from": "yesterday"}, 400, "yesterday"),
        ({"camera": "hall", "from": "9999-99-99"}, 400, "9999-99-99"),
        ({"camera": "hall", "from": "2026-01-02", "to": "2026-01-01"}, 400, "before"),
        ({"camera": "hall", "from": "2020-01-01", "step": "1s"}, 400, "rows"),
        ({"camera": "hall", "from": "9999-12-30", "to": "9999-12-31"}, 400, "1970 to 2199"),
        ({"camera": "hall", "to": "0001-01-03"}, 400, "1970 to 2199"),
        ({"camera": "hall", "zones": "floor"}, 400, "no parameter 'zones'"),
        ({"camera": ["hall", "gate"]}, 400, "camera is given twice"),
    ],
)
def test_a_bad_history_query_says_what_is_wrong(
    dashboard: RunningDashboard, query: dict[str, str | list[str]], status: int, words: str
) -> None:
    answer = dashboard.http.get("/api/v1/history", params=query)

    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_incidents_are_listed_and_filtered(dashboard: RunningDashboard) -> None:
    now = dashboard.feeder.clock.now_ms()
    open_one = dashboard.feeder.incident(camera="gate", zone="all")
    closed = dashboard.feeder.incident(camera="gate", zone="all", cleared_at=now)

    def numbers(**query: str) -> set[int]:
        answer = dashboard.http.get("/api/v1/incidents", params=query).raise_for_status()
        return {each["id"] for each in answer.json()}

    assert {open_one, closed} <= numbers(camera="gate")
    assert open_one in numbers(open="true")
    assert closed not in numbers(open="true")
    assert not {open_one, closed} & numbers(camera="hall")
    assert not {open_one, closed} & numbers(to="2020-01-01T00:00:00Z")
    assert dashboard.http.get("/api/v1/incidents?open=perhaps").status_code == 400
    assert dashboard.http.get("/api/v1/incidents?opne=true").status_code == 400
    assert dashboard.http.get("/api/v1/incidents?camera=nowhere").status_code == 404


def test_an_incident_is_written_as_the_contract_says(dashboard: RunningDashboard) -> None:
    number = dashboard.feeder.incident(raised_at=1_767_225_600_000)

    incidents = dashboard.http.get("/api/v1/incidents").json()

    incident = next(each for each in incidents if each["id"] == number)
    assert incident == {
        "id": number,
        "kind": "crowd",
        "camera": "hall",
        "zone": "floor",
        "level": "warning",
        "peak_level": "critical",
        "unit": "persons/m2",
        "peak": 5.25,
        "raised_at": "2026-01-01T00:00:00.000Z",
        "cleared_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "note": None,
        "evidence": [],
    }


def test_an_incident_is_acknowledged_once(dashboard: RunningDashboard) -> None:
    number = dashboard.feeder.incident()
    path = f"/api/v1/incidents/{number}/ack"

    first = dashboard.http.post(path, json={"note": "Doors <opened>"})
    second = dashboard.http.post(path, json={"note": "too late"})

    assert first.status_code == 200
    assert second.status_code == 409
    assert str(number) in second.json()["error"]
    incidents = dashboard.http.get("/api/v1/incidents").json()
    incident = next(each for each in incidents if each["id"] == number)
    assert incident["note"] == "Doors <opened>"
    assert incident["acknowledged_by"] == "local"
    assert incident["acknowledged_at"] is not None


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'{"note": 7}',
        b'{"note": "%s"}' % (b"x" * 3000),
        b'{"nota": "Doors opened"}',
        b"[" * 16_000,
        b'{"note": "\\ud800"}',  # half of a character
        b'{"note": "\\u0000"}',  # which PostgreSQL does not take
        b"\xff",
    ],
)
def test_a_bad_acknowledgement_changes_nothing(dashboard: RunningDashboard, body: bytes) -> None:
    number = dashboard.feeder.incident()

    answer = dashboard.http.post(f"/api/v1/incidents/{number}/ack", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert dashboard.http.post(f"/api/v1/incidents/{number}/ack").status_code == 200


@pytest.mark.parametrize("number", ["999999", "0", "-1", "1e3", "9" * 11, "9" * 5000])
def test_an_incident_that_cannot_be_is_not_found(dashboard: RunningDashboard, number: str) -> None:
    acknowledged = dashboard.http.post(f"/api/v1/incidents/{number}/ack", json={})
    evidence = dashboard.http.get(f"/api/v1/incidents/{number}/evidence/clip.mp4")

    for answer in (acknowledged, evidence):
        assert answer.status_code == 404
        assert number[:11] in answer.json()["error"]


@pytest.mark.parametrize("query", ["steps=0", "samples=17", "steps=" + "1" * 5000, "step=1"])
def test_a_picture_is_counted_within_limits_only(dashboard: RunningDashboard, query: str) -> None:
    answer = dashboard.http.post(f"/api/v1/count?{query}", content=b"x")

    assert answer.status_code == 400
    assert "allowed are" in answer.json()["error"]
    assert len(answer.json()["error"]) < 100


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1/nothing", "/api/v2/cameras", "/live", "/live/hall.png"]
)
def test_unknown_paths_are_not_found_and_never_a_page(
    dashboard: RunningDashboard, path: str
) -> None:
    answer = dashboard.http.get(path)

    assert answer.status_code == 404
    assert path.rstrip("/") in answer.json()["error"]


def test_a_method_that_a_route_lacks_is_refused_in_json(dashboard: RunningDashboard) -> None:
    answer = dashboard.http.delete("/api/v1/cameras")
    two = dashboard.http.put("/api/v1/cameras/hall/background")

    assert answer.status_code == two.status_code == 405
    assert answer.json()["error"]
    assert answer.headers["allow"] == "GET, HEAD"
    assert two.headers["allow"] == "DELETE, POST"


def test_history_comes_as_a_csv_file_too(fed: RunningDashboard) -> None:
    query = {"camera": "hall", "zone": "floor", "step": "1m", "format": "csv"}
    answer = fed.http.get("/api/v1/history", params=query)

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="hall-floor.csv"'
    lines = answer.text.splitlines()
    assert lines[0].startswith("at,count_mean,count_max,low,high,density_max,unknown_share")
    assert len(lines) == 62  # the minutes of the last hour, and the one that is open
    assert fed.http.get("/api/v1/history", params={**query, "format": "xml"}).status_code == 400
