"""MQTT on a real mosquitto, with the whole alerts service behind it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import redis

from alerts.mqtt import LOOK_EVERY_S, MqttPublisher
from alerts.mqtt_discovery import discovery
from alerts.notify_test import send_test
from core.messages import CameraState, Heartbeat, Keys, Service, State
from core.site_file import LoadedSite
from tests.alerts.mosquitto import Mosquitto, listening, mosquitto
from tests.alerts.readings import reading
from tests.alerts.test_service import running
from tests.conftest import MakeSite
from tests.waiting import wait_until

__all__ = ["mosquitto"]

CAMERA = {
    "id": "gate-1",
    "name": "Gate 1",
    "source": "rtsp://127.0.0.1:9/gate",
    "zones": [
        {
            "id": "floor",
            "name": "Floor",
            "polygon": [[0.1, 0.3], [0.9, 0.3], [0.9, 0.9], [0.1, 0.9]],
            "ground": {
                "picture": [[0.3, 0.3], [0.7, 0.3], [0.95, 0.95], [0.05, 0.95]],
                "metres": [[0, 0], [8, 0], [8, 12], [0, 12]],
            },
            "levels": {"unit": "persons", "warning": 40},
        },
        {"id": "all"},
    ],
}


@pytest.fixture
def loaded(make_site: MakeSite, tmp_path: Path, mosquitto: Mosquitto) -> LoadedSite:
    return make_site(tmp_path, cameras=[CAMERA], alerts={"mqtt": {"url": mosquitto.url}})


class Site:
    """Plays ingest and a worker."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.at = time.time_ns() // 1_000_000 - 20_000

    def say(self, people: float) -> None:
        now = time.time_ns() // 1_000_000
        for service in (Service.INGEST, Service.WORKER):
            beat = Heartbeat(
                service=service, id=service, at=now, started_at=now, version="0", config_version="0"
            )
            self.client.xadd(Keys().heartbeats(), beat.to_fields())
        state = State(camera="gate-1", at=now, state=CameraState.LIVE, since=now, last_frame_at=now)
        self.client.xadd(Keys().states(0), state.to_fields())
        while self.at < now:
            fields = reading("gate-1", self.at, people, heads=[(0.5, 0.6, people)]).to_fields()
            self.client.xadd(Keys().readings(0), fields)
            self.at += 1000


def test_home_assistant_finds_every_zone_and_sees_its_values_incident_and_notice(
    loaded: LoadedSite, mosquitto: Mosquitto, redis_client: redis.Redis, redis_url: str
) -> None:
    site = Site(redis_client)
    with listening(mosquitto) as heard:
        stale = "homeassistant/sensor/headcount/gone_floor_count/config"
        heard.client.publish(stale, b"{}", qos=1, retain=True).wait_for_publish(5)
        with running(loaded, redis_url):

            def shown(condition: str) -> bool:
                site.say(50)
                return heard.json("headcount/gate-1/floor/incident").get("state") == condition

            wait_until(lambda: shown("ON"), 20, every_s=0.3)
            wait_until(lambda: heard.notices)
            wait_until(lambda: heard.json("headcount/gate-1/floor/state")["level"] == "warning")
            zone = heard.json("headcount/gate-1/floor/state")
            assert zone["count"] == pytest.approx(50, abs=0.2)
            assert zone["low"] < zone["count"] < zone["high"]
            assert zone["density"] > 0
            assert heard.json("headcount/gate-1/all/state")["level"] is None
            assert heard.json("headcount/gate-1/state")["status"] == "ok"
            assert heard.topics["headcount/gate-1/availability"] == b"online"
            assert heard.topics["headcount/availability"] == b"online"
            incident = heard.json("headcount/gate-1/floor/incident")
            assert (incident["level"], incident["unit"]) == ("warning", "persons")
            (notice,) = heard.notices
            assert notice["title"] == "[WARNING] Gate 1 / Floor: 50 persons, raised"
            assert notice["key"] == f"incident {incident['id']} change 1"
            assert notice["key"] in notice["body"]
            assert (notice["event"], notice["camera"], notice["zone"]) == (
                "raised", "gate-1", "floor",
            )  # fmt: skip
            wait_until(lambda: heard.topics[stale] == b"")  # a zone that is gone vanishes
            # Ingest and the worker fall silent: values become unknown, never 0.
            wait_until(lambda: heard.topics["headcount/gate-1/availability"] == b"offline", 20)
            wait_until(lambda: heard.json("headcount/gate-1/floor/state")["count"] is None)
            assert heard.json("headcount/gate-1/floor/incident")["state"] == "ON"
        wait_until(lambda: heard.topics["headcount/availability"] == b"offline")
    with listening(mosquitto) as later:
        mqtt = loaded.site.alerts.mqtt
        assert mqtt is not None
        announced = discovery(loaded.site, mqtt)
        wait_until(lambda: announced.keys() <= later.retained)
        for topic, payload in announced.items():
            assert later.json(topic) == payload
        assert "headcount/notices" not in later.retained


def test_values_come_after_the_announcements_though_the_client_says_late_that_it_is_connected(
    loaded: LoadedSite,
    mosquitto: Mosquitto,
    redis_client: redis.Redis,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_connect = MqttPublisher._on_connect

    def late(self: MqttPublisher, *args: Any) -> None:
        time.sleep(2.5 * LOOK_EVERY_S)  # paho is connected from before it calls this
        on_connect(self, *args)

    monkeypatch.setattr(MqttPublisher, "_on_connect", late)
    with listening(mosquitto) as heard:
        Site(redis_client).say(50)
        with running(loaded, redis_url):
            wait_until(lambda: "headcount/gate-1/floor/state" in heard.topics)
        order = list(heard.topics)
        before = order[: order.index("headcount/gate-1/floor/state")]
        assert "headcount/availability" in before
        assert any(topic.startswith("homeassistant/") for topic in before)


def test_a_broker_that_was_away_gets_everything_again_and_the_notice_late(
    loaded: LoadedSite, mosquitto: Mosquitto, redis_client: redis.Redis, redis_url: str
) -> None:
    site = Site(redis_client)
    mosquitto.stop()
    with running(loaded, redis_url):
        site.say(50)
        mosquitto.start()
        with listening(mosquitto) as heard:
            wait_until(lambda: heard.notices, 20)
            wait_until(lambda: heard.topics.get("headcount/availability") == b"online", 20)
            assert [notice["event"] for notice in heard.notices] == ["raised"]


def test_a_killed_service_leaves_its_last_will(mosquitto: Mosquitto, loaded: LoadedSite) -> None:
    from alerts.mqtt_connection import make_client
    from alerts.mqtt_discovery import service_availability

    mqtt = loaded.site.alerts.mqtt
    assert mqtt is not None
    with listening(mosquitto) as heard:
        client, host, port = make_client(mqtt)
        client.will_set(service_availability(mqtt), b"offline", qos=1, retain=True)
        client.connect(host, port)
        client.loop_start()
        wait_until(client.is_connected)
        client.loop_stop()
        client._sock_close()  # what the broker sees of a killed process
        wait_until(lambda: heard.topics.get("headcount/availability") == b"offline")


def test_notify_test_reaches_mqtt_and_says_why_it_does_not(
    make_site: MakeSite, tmp_path: Path, mosquitto: Mosquitto, loaded: LoadedSite
) -> None:
    with listening(mosquitto) as heard:
        assert send_test(loaded) == [("mqtt", True, None)]
        wait_until(lambda: heard.notices)
    assert heard.notices[0]["title"] == "[NORMAL] Headcount: all is well, test"
    wrong = make_site(
        tmp_path, alerts={"mqtt": {"url": mosquitto.url.replace("s3cret", "hunter2")}}
    )
    ((name, delivered, error),) = send_test(wrong)
    assert (name, delivered) == ("mqtt", False)
    assert error is not None
    assert "Not authorized" in error
    assert "hunter2" not in error
    mosquitto.stop()
    ((_, delivered, error),) = send_test(loaded)
    assert not delivered
    assert error is not None
    assert "cannot be reached" in error
    assert "s3cret" not in error


def test_discovery_can_be_off(make_site: MakeSite, tmp_path: Path) -> None:
    loaded = make_site(tmp_path, alerts={"mqtt": {"url": "mqtt://h", "discovery_prefix": None}})
    assert loaded.site.alerts.mqtt is not None
    assert discovery(loaded.site, loaded.site.alerts.mqtt) == {}
