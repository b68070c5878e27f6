"""What Prometheus and health checks read."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from core.messages import Reason
from dashboard.metrics import parse_name
from tests.dashboard.conftest import RunningDashboard
from tests.waiting import wait_until


def samples(dashboard: RunningDashboard) -> dict[tuple[str, str], float]:
    """Sample values by name and camera or service."""
    text = dashboard.http.get("/metrics").raise_for_status().text
    return {
        (sample.name, sample.labels.get("camera") or sample.labels.get("service", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_live_values_and_every_process_are_there(fed: RunningDashboard) -> None:
    found = wait_until(lambda: with_worker(samples(fed)))

    assert found["headcount_camera_ok", "hall"] == 1
    assert found["headcount_count", "hall"] == 12
    assert found["headcount_count_low", "hall"] == 9
    assert found["headcount_count_high", "hall"] == 16
    assert found["headcount_density", "hall"] == 4.2
    assert found["headcount_level", "hall"] == 2
    assert found["headcount_reading_age_seconds", "hall"] < 3
    assert found["headcount_camera_reconnects_total", "hall"] == 2
    assert found["headcount_camera_drops_total", "hall"] == 3
    assert found["headcount_inference_seconds_total", "worker"] == 12.5
    assert found["headcount_counted_total", "hall"] == 7
    for service in ("ingest", "worker", "alerts", "dashboard"):
        assert found["headcount_process_up", service] == 1


def with_worker(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    return found if ("headcount_process_up", "dashboard") in found else {}


def test_an_unknown_camera_has_no_count_not_even_zero(fed: RunningDashboard) -> None:
    fed.feeder.offline["hall"] = (Reason.OFFLINE, "")

    found = wait_until(lambda: blind(samples(fed)))

    assert ("headcount_count", "hall") not in found
    assert ("headcount_density", "hall") not in found
    assert ("headcount_level", "hall") not in found


def blind(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    return found if found["headcount_camera_ok", "hall"] == 0 else {}


def test_health_says_nothing_about_cameras(dashboard: RunningDashboard) -> None:
    answer = dashboard.http.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


def test_names_of_counters() -> None:
    assert parse_name("frames_total") == ("headcount_frames_total", {})
    assert parse_name('headcount_x{camera="a",b="c d"}') == (
        "headcount_x",
        {"camera": "a", "b": "c d"},
    )
    assert parse_name("no name") is None
