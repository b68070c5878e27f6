"""What Prometheus and health checks read."""

from __future__ import annotations

import subprocess

from core.messages import ALERTS_GROUP, Reason
from dashboard.metrics_processes import parse_name
from tests.dashboard.conftest import RunningDashboard
from tests.dashboard.scraping import Scrape, scraped
from tests.promtool import installed
from tests.waiting import wait_until

BOUNDED = {
    "camera", "channel", "configuration", "device", "kind", "level", "model", "outcome", "process",
    "reason", "service", "sha", "shard", "status", "unit", "version", "zone",
}  # fmt: skip


def with_one_dashboard(found: Scrape) -> Scrape | None:
    """What was scraped, once that of an earlier test, if it had another, has fallen silent."""
    return found if found.get("headcount_processes", service="dashboard") == 1 else None


def test_live_values_and_every_process_are_there(fed: RunningDashboard) -> None:
    found = wait_until(lambda: with_one_dashboard(scraped(fed.http)))
    assert found is not None

    assert found.get("headcount_camera_ok", camera="hall") == 1
    assert found.get("headcount_cameras", status="ok") == 2
    assert found.get("headcount_camera_people", camera="hall") == 12
    place = {"camera": "hall", "zone": "floor"}
    assert found.get("headcount_people", **place) == 12
    assert found.get("headcount_people_low", **place) == 9
    assert found.get("headcount_people_high", **place) == 16
    assert found.get("headcount_density_people_per_m2", **place) == 4.2
    assert found.get("headcount_worst_density_people_per_m2", **place) == 6.3
    assert found.get("headcount_level", **place) == 2
    thresholds = {"watch": 3, "warning": 4, "critical": 5}
    for level, value in thresholds.items():
        assert found.get("headcount_level_threshold", level=level, **place) == value
    assert (found.get("headcount_reading_age_seconds", camera="hall") or 9) < 3
    assert found.get("headcount_reading_latency_seconds", camera="hall") == 0
    assert found.get("headcount_reading_model_seconds", camera="hall") == 0.08
    assert found.get("headcount_camera_reconnects_total", camera="hall") == 2
    assert found.get("headcount_camera_drops_total", camera="hall") == 3
    assert found.get("headcount_inference_seconds_total", service="worker") == 12.5
    assert found.get("headcount_worker_frames_total", service="worker", camera="hall") == 7
    assert found.get("headcount_worker_capacity_frames_per_second") == 2.5
    assert found.get("headcount_model_info", model="tiny", device="cpu") == 1
    for service in ("ingest", "worker", "alerts", "dashboard"):
        assert found.get("headcount_processes", service=service) == 1
        assert found.get("headcount_process_up", service=service) == 1
        assert (found.get("headcount_process_start_time_seconds", service=service) or 0) > 1e9
    assert found.all("headcount_build_info") == [1]


def test_an_unknown_camera_has_no_count_not_even_zero(fed: RunningDashboard) -> None:
    fed.feeder.offline["hall"] = (Reason.OFFLINE, "")

    def blind() -> Scrape | None:
        found = scraped(fed.http)
        return found if found.get("headcount_camera_ok", camera="hall") == 0 else None

    found = wait_until(blind)
    assert found is not None

    assert found.get("headcount_camera_unknown", camera="hall", reason="offline") == 1
    assert found.get("headcount_cameras", status="unknown", reason="offline") == 1
    for name in ("people", "people_low", "density_people_per_m2", "level", "camera_people"):
        assert found.all(f"headcount_{name}", camera="hall") == []
    assert found.get("headcount_people", camera="gate") == 4


def test_incidents_and_notices_are_counted(told: RunningDashboard) -> None:
    def both() -> Scrape | None:
        found = scraped(told.http)
        crowd = found.get("headcount_incidents_open", kind="crowd", level="warning")
        return found if crowd == 2 else None

    found = wait_until(both)
    assert found is not None

    assert found.get("headcount_incidents_unacknowledged", kind="crowd", level="warning") == 1
    assert found.get("headcount_incidents_open", kind="crowd", level="critical") == 0
    assert found.get("headcount_incidents_open", kind="worker", level="warning") == 0
    assert found.get("headcount_outbox_pending", channel="guard") == 2
    assert found.get("headcount_outbox_failing", channel="guard") == 1
    assert 90 <= (found.get("headcount_outbox_oldest_age_seconds", channel="guard") or 0) < 120
    assert found.get("headcount_notifications", outcome="failing") == 1


def test_broker_and_history_tell_what_they_hold(fed: RunningDashboard) -> None:
    stream = fed.feeder.keys.readings(0)
    fed.feeder.client.xgroup_create(stream, ALERTS_GROUP, id="0")
    try:
        found = wait_until(lambda: with_backlog(scraped(fed.http)))
        assert found is not None
        assert found.get("headcount_broker_up") == 1
        assert (found.get("headcount_broker_memory_bytes") or 0) > 100_000
        assert found.get("headcount_broker_memory_limit_bytes") == 256 * 2**20
        assert found.get("headcount_frames_waiting", camera="hall") == 0
        assert found.get("headcount_history_up") == 1
        assert (found.get("headcount_history_size_bytes") or 0) > 10_000
        assert (found.get("headcount_history_disk_free_bytes") or 0) > 0

        # Read but not stored is behind as well; only what is acknowledged is done with.
        group = (ALERTS_GROUP, "owner")
        fed.feeder.client.xreadgroup(*group, {stream: ">"}, count=1)
        assert (scraped(fed.http).get("headcount_alerts_backlog_seconds", shard="0") or 0) > 0
    finally:
        fed.feeder.client.xgroup_destroy(stream, ALERTS_GROUP)
    assert scraped(fed.http).all("headcount_alerts_backlog_seconds") == []


def with_backlog(found: Scrape) -> Scrape | None:
    return found if found.get("headcount_alerts_backlog_seconds", shard="0") else None


def test_prometheus_finds_no_fault_with_names_and_texts(told: RunningDashboard) -> None:
    found = scraped(told.http)
    names = [family.name for family in found.families]

    assert len(names) == len(set(names))
    assert all(family.documentation for family in found.families)
    for family in found.families:
        for sample in family.samples:
            assert sample.labels.keys() <= BOUNDED, sample

    checked = subprocess.run(
        [installed("promtool"), "check", "metrics"],
        input=found.text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout


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
