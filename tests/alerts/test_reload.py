"""A site file that changes while incidents are open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from core.commands import send_command
from core.history_schema import incidents, zone_states
from core.messages import Heartbeat, Keys, Reply, Service
from core.site_file import load_site
from tests.alerts.test_service import LEVELS, Site, running
from tests.conftest import MakeSite
from tests.receiver import Receiver
from tests.waiting import wait_until

KEYS = Keys()
LEFT = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]


def camera(*zones: dict[str, Any], name: str = "gate-1") -> dict[str, Any]:
    return {"id": name, "source": f"rtsp://127.0.0.1:9/{name}", "zones": list(zones)}


def reload(site: Site, *cameras: dict[str, Any], **sections: Any) -> Reply:
    """Write the site file anew and have it applied."""
    path = site.loaded.path
    path.write_text(json.dumps({"cameras": list(cameras), **sections}))
    arguments = {"version": load_site(path).version}
    return send_command(site.client, KEYS, Service.ALERTS, "reload", arguments, timeout_s=40)


@pytest.fixture
def site(make_site: MakeSite, tmp_path: Path, redis_client: redis.Redis) -> Site:
    loaded = make_site(tmp_path, cameras=[camera({"id": "all", "levels": LEVELS})])
    return Site(loaded, redis_client)


def zone_row(site: Site, zone: str) -> Any:
    return next((row for row in site.rows(zone_states) if row.zone == zone), None)


def test_an_open_incident_and_its_smoothing_go_on_and_a_new_zone_is_counted(
    site: Site, redis_url: str
) -> None:
    with running(site.loaded, redis_url):
        site.publish([10] * 5 + [50] * 20)
        site.wait_done()

        reply = reload(
            site, camera({"id": "all", "levels": LEVELS}, {"id": "left", "polygon": LEFT})
        )

        assert reply.ok, reply.error
        site.publish([10])
        site.wait_done()
        wait_until(lambda: zone_row(site, "left") is not None)
        (incident,) = site.rows(incidents)
        assert (incident.level, incident.cleared_at) == ("warning", None)
        assert zone_row(site, "all").smoothed > 10.05  # begun anew it would be 10


def test_new_levels_decide_at_once(site: Site, redis_url: str) -> None:
    with running(site.loaded, redis_url):
        site.publish([10] * 5 + [50] * 20)
        site.wait_done()
        assert [row.level for row in site.rows(incidents)] == ["warning"]

        levels = {"unit": "persons", "watch": 20, "warning": 30, "critical": 45}
        assert reload(site, camera({"id": "all", "levels": levels})).ok

        site.publish([50] * 20)
        site.wait_done()
        (incident,) = site.rows(incidents)
        assert (incident.level, incident.cleared_at) == ("critical", None)


def test_a_zone_that_is_gone_closes_its_incident(site: Site, redis_url: str) -> None:
    with running(site.loaded, redis_url):
        site.publish([10] * 5 + [50] * 20)
        site.wait_done()

        assert reload(site, camera({"id": "left", "polygon": LEFT})).ok

        wait_until(lambda: site.rows(incidents)[0].cleared_at is not None)


def test_an_incident_in_another_unit_is_closed(site: Site, redis_url: str) -> None:
    with running(site.loaded, redis_url):
        site.publish([10] * 5 + [50] * 20)
        site.wait_done()
        polygon = [[0.3, 0.3], [0.7, 0.3], [0.95, 0.95], [0.05, 0.95]]
        ground = {"picture": polygon, "metres": [[0, 0], [8, 0], [8, 12], [0, 12]]}

        assert reload(site, camera({"id": "all", "polygon": polygon, "ground": ground})).ok

        wait_until(lambda: site.rows(incidents)[0].cleared_at is not None)
        site.publish([50] * 10)
        site.wait_done()
        (incident,) = site.rows(incidents)
        assert (incident.unit, incident.peak_level) == ("persons", "warning")
        assert zone_row(site, "all").level == "normal"


def test_a_new_channel_hears_of_what_comes(site: Site, redis_url: str, receiver: Receiver) -> None:
    with running(site.loaded, redis_url):
        site.publish([10] * 5)
        site.wait_done()
        channels = [{"name": "hook", "url": receiver.url}]

        assert reload(
            site, camera({"id": "all", "levels": LEVELS}), alerts={"channels": channels}
        ).ok

        site.publish([50] * 20)
        wait_until(lambda: receiver.titles)
        version = load_site(site.loaded.path).version
        wait_until(lambda: heartbeat(site).config_version == version)


def heartbeat(site: Site) -> Heartbeat:
    entries = site.client.xrevrange(KEYS.heartbeats(), count=1)
    return Heartbeat.from_fields(entries[0][1])
