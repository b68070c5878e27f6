"""Values of every zone over MQTT, found by Home Assistant by itself (docs/mqtt.md).

Everything published is retained, so that whoever connects later knows it at once; while a camera
is blind its values are null and its availability is ``offline``. Of several instances of the alerts
service only the one that sends notices is connected.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import paho.mqtt.client as paho
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from alerts import mqtt_discovery as topics
from alerts.mqtt_connection import KEEP_ALIVE_S, encoded, make_client, publish_notice
from alerts.notices import Notice
from core.clock import iso
from core.heartbeat import HeartbeatSender
from core.history import History, incidents
from core.history_schema import zone_states
from core.live import LiveView
from core.redaction import redact
from core.settings import CameraSettings, MqttSettings, Site, Zone
from core.status import freshness_limit_s

LOOK_EVERY_S = 1.0
ONLINE, OFFLINE = b"online", b"offline"
SHOWN = ("camera", "zone", "at", "count", "low", "high", "density", "level")
NO_ROW: Mapping[str, Any] = {}

log = structlog.get_logger()


class MqttPublisher:
    """Publishes what changed, once a second; a thread between ``start`` and ``stop``.

    Args:
        view: of the broker, for the cameras' statuses.
        is_sender: whether this process sends the notices; else it stays away.
    """

    def __init__(
        self,
        site: Site,
        settings: MqttSettings,
        history: History,
        view: LiveView,
        heartbeat: HeartbeatSender,
        is_sender: Callable[[], bool],
    ) -> None:
        self._site, self._settings = site, settings
        self._history, self._view = history, view
        self._heartbeat, self._is_sender = heartbeat, is_sender
        self._announced = {
            topic: encoded(payload) for topic, payload in topics.discovery(site, settings).items()
        }
        self._client: paho.Client | None = None
        self._sent: dict[str, bytes] = {}
        self._fresh = threading.Event()  # connected anew, or Home Assistant was started
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye and disconnect."""
        self._stop.set()
        self._thread.join(timeout=10)

    def send(self, notice: Notice) -> str | None:
        """Publish a notice; None when the broker has it, or what went wrong."""
        client = self._client
        if client is None:
            return "not connected to the MQTT broker"
        return publish_notice(client, self._settings, notice)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self._look()
            except SQLAlchemyError as error:
                log.warning("history not read for MQTT", error=str(error))
        self._leave()

    def _look(self) -> None:
        if not self._is_sender():
            self._leave()
            return
        if self._client is None:
            self._client = self._connect()
        connected = self._client.is_connected()
        self._heartbeat.gauge("mqtt_connected", connected)
        if not connected or not (self._sent or self._fresh.is_set()):
            return  # or connected so recently that `_on_connect` has not been called yet
        if self._fresh.is_set():
            self._fresh.clear()
            self._sent = {}
            self._publish(self._announced)
            self._publish({topics.service_availability(self._settings): ONLINE})
        self._publish(self.values())

    def _connect(self) -> paho.Client:
        self._sent = {}
        client, host, port = make_client(self._settings)
        client.will_set(topics.service_availability(self._settings), OFFLINE, qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = self._on_message
        client.connect_async(host, port, KEEP_ALIVE_S)
        client.loop_start()
        return client

    def _leave(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected():
            topic = topics.service_availability(self._settings)
            client.publish(topic, OFFLINE, qos=1, retain=True).wait_for_publish(2)
        client.disconnect()
        client.loop_stop()

    def _publish(self, payloads: Mapping[str, bytes]) -> None:
        assert self._client is not None
        for topic, payload in payloads.items():
            if self._sent.get(topic) != payload:
                self._client.publish(topic, payload, qos=1, retain=True)
                self._sent[topic] = payload

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.warning("MQTT broker refuses the connection", why=str(reason))
            return
        log.info("connected to the MQTT broker")
        prefix = self._settings.discovery_prefix
        if prefix is not None:
            node = topics.node_id(self._settings)
            client.subscribe([(f"{prefix}/status", 0), (f"{prefix}/+/{node}/+/config", 0)])
        self._fresh.set()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.warning("MQTT broker lost, trying again", why=redact(str(reason)))

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        log.warning("MQTT broker cannot be reached, trying again")

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.topic == f"{self._settings.discovery_prefix}/status":
            if message.payload == ONLINE:
                self._fresh.set()
        elif message.retain and message.payload and message.topic not in self._announced:
            # Of a zone that the site no longer has: an empty payload makes it vanish.
            client.publish(message.topic, b"", qos=1, retain=True)

    def values(self) -> dict[str, bytes]:
        """Every topic with a value, as it is now.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the history cannot be read.
        """
        with self._history.snapshot() as connection:
            columns = (zone_states.c[name] for name in SHOWN)
            rows = connection.execute(select(*columns)).mappings().all()
            open_ones = incidents(connection, open_only=True)
        states = {(row["camera"], row["zone"]): row for row in rows}
        raised = {(row["camera"], row["zone"]): row for row in open_ones if row["kind"] == "crowd"}
        payloads: dict[str, bytes] = {}
        for camera in self._site.cameras:
            ok = self._camera(payloads, camera)
            for zone in camera.zones:
                place = (camera.id, zone.id)
                state: Mapping[str, Any] = NO_ROW
                if ok and place in states:
                    state = dict(states[place])
                topic = topics.zone_topic(self._settings, *place)
                payloads[topic] = encoded(self._zone(camera, zone, state))
                if zone.levels is not None:
                    topic = topics.incident_topic(self._settings, *place)
                    payloads[topic] = encoded(_incident(raised.get(place)))
        return payloads

    def _camera(self, payloads: dict[str, bytes], camera: CameraSettings) -> bool:
        """Whether the camera can be seen; its topics go into ``payloads``."""
        status = self._view.status(camera.id)
        reading = self._view.reading(camera.id) if status.ok else None
        payload = {
            "status": "ok" if status.ok else "unknown",
            "reason": None if status.reason is None else status.reason.value,
            "count": None if reading is None else round(reading.count, 1),
            "low": None if reading is None else round(reading.low, 1),
            "high": None if reading is None else round(reading.high, 1),
        }
        payloads[topics.camera_topic(self._settings, camera.id)] = encoded(payload)
        availability = topics.camera_availability(self._settings, camera.id)
        payloads[availability] = ONLINE if status.ok else OFFLINE
        return status.ok

    def _zone(self, camera: CameraSettings, zone: Zone, state: Mapping[str, Any]) -> dict[str, Any]:
        limit_ms = 1000 * (freshness_limit_s(camera) + 2 * LOOK_EVERY_S)
        if state and self._view.clock.now_ms() - state["at"] > limit_ms:
            state = NO_ROW
        numbers = {
            name: None if state.get(name) is None else round(state[name], digits)
            for name, digits in (("count", 1), ("low", 1), ("high", 1), ("density", 2))
        }
        level = state.get("level") if zone.levels is not None else None
        return {**numbers, "level": level, "at": iso(state.get("at"), "seconds")}


def _incident(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"state": "OFF"}
    return {
        "state": "ON",
        "id": row["id"],
        "level": row["level"],
        "peak_level": row["peak_level"],
        "peak": round(row["peak"], 2),
        "unit": row["unit"],
        "raised_at": iso(row["raised_at"], "seconds"),
        "acknowledged_by": row["acknowledged_by"],
    }
