"""Who gets in while login is off: loopback names only, and no other site's page."""

from __future__ import annotations

import httpx
import pytest

from dashboard.access import host_name
from tests.dashboard.conftest import RunningDashboard


def ask(dashboard: RunningDashboard, host: str, path: str = "/api/v1/cameras") -> httpx.Response:
    return dashboard.http.get(path, headers={"Host": host})


@pytest.mark.parametrize("path", ["/api/v1/cameras", "/", "/_stcore/health", "/live/hall.jpg"])
def test_a_name_that_was_pointed_at_loopback_is_refused(
    dashboard: RunningDashboard, path: str
) -> None:
    answer = ask(dashboard, "evil.example", path)

    assert answer.status_code == 403
    assert "evil.example" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:8501", "LOCALHOST"])
def test_loopback_names_are_answered(dashboard: RunningDashboard, host: str) -> None:
    assert ask(dashboard, host).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_another_sites_page_cannot_change_anything(
    dashboard: RunningDashboard, origin: str
) -> None:
    number = dashboard.feeder.incident()

    answer = dashboard.http.post(
        f"/api/v1/incidents/{number}/ack", json={}, headers={"Origin": origin}
    )

    assert answer.status_code == 403
    incidents = dashboard.http.get("/api/v1/incidents").json()
    assert next(each for each in incidents if each["id"] == number)["acknowledged_at"] is None


def test_the_dashboards_own_page_can(dashboard: RunningDashboard) -> None:
    number = dashboard.feeder.incident()

    answer = dashboard.http.post(
        f"/api/v1/incidents/{number}/ack", json={}, headers={"Origin": dashboard.address}
    )

    assert answer.status_code == 200


def test_another_sites_page_cannot_open_the_pages_websocket(dashboard: RunningDashboard) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": "https://evil.example",
    }

    assert dashboard.http.get("/_stcore/stream", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8501", "localhost"),
        ("[::1]:8501", "::1"),
        ("localhost.", "localhost"),
        ("user@localhost", ""),
        ("localhost/../x", ""),
        ("localhost:port", ""),
        ("", ""),
    ],
)
def test_host_names(header: str, name: str) -> None:
    assert host_name(header) == name
