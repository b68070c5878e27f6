"""One connection to an MQTT broker that comes back by itself."""

from __future__ import annotations

import json
import secrets
import socket
import time
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from alerts.mqtt_discovery import notices_topic
from alerts.notices import Notice
from core.settings import MqttSettings

PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEP_ALIVE_S = 20
DELIVERED_WITHIN_S = 10.0
LOOK_EVERY_S = 0.1  # whether the broker has refused us
LONGEST_PAUSE_S = 30


def make_client(settings: MqttSettings) -> tuple[paho.Client, str, int]:
    """A client that is not connected yet, with its broker's host and port."""
    parts = urlsplit(settings.url)
    name = f"headcount-{socket.gethostname()}-{secrets.token_hex(3)}"
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
    if parts.username is not None:
        password = None if parts.password is None else unquote(parts.password)
        client.username_pw_set(unquote(parts.username), password)
    if parts.scheme == "mqtts":
        client.tls_set()
    client.connect_timeout = DELIVERED_WITHIN_S
    client.reconnect_delay_set(1, LONGEST_PAUSE_S)
    return client, parts.hostname or "localhost", parts.port or PORTS[parts.scheme]


def publish_notice(client: paho.Client, settings: MqttSettings, notice: Notice) -> str | None:
    """Publish a notice and wait until the broker has it; None, or what went wrong."""
    if not client.is_connected():
        return "not connected to the MQTT broker"
    info = client.publish(notices_topic(settings), encoded(notice_payload(notice)), qos=1)
    try:
        info.wait_for_publish(DELIVERED_WITHIN_S)
        delivered = info.is_published()
    except (RuntimeError, ValueError) as error:
        return f"the MQTT broker did not take it: {error}"
    return None if delivered else f"the MQTT broker did not confirm it in {DELIVERED_WITHIN_S:g} s"


def publish_once(settings: MqttSettings, notice: Notice) -> str | None:
    """Connect, publish one notice, disconnect; None, or what went wrong."""
    client, host, port = make_client(settings)
    refusals: list[str] = []

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refusals.append(str(reason))

    client.on_connect = connected
    try:
        client.connect(host, port, KEEP_ALIVE_S)
        # Queued by paho until the broker has answered.
        info = client.publish(notices_topic(settings), encoded(notice_payload(notice)), qos=1)
        client.loop_start()
        give_up = time.monotonic() + DELIVERED_WITHIN_S
        while not refusals and not info.is_published() and time.monotonic() < give_up:
            info.wait_for_publish(LOOK_EVERY_S)
        if info.is_published():
            return None
    except (OSError, ValueError, RuntimeError) as error:
        return f"the MQTT broker {host}:{port} cannot be reached: {error}"
    finally:
        client.disconnect()
        client.loop_stop()
    why = refusals[0] if refusals else f"did not confirm it in {DELIVERED_WITHIN_S:g} s"
    return f"the MQTT broker {host}:{port}: {why}"


def notice_payload(notice: Notice) -> dict[str, Any]:
    """A notice as it is published."""
    return {
        "event": notice.event,
        "level": notice.level,
        "camera": notice.camera or None,
        "zone": notice.zone,
        "title": notice.title,
        "body": notice.body,
        "key": notice.key,
    }


def encoded(payload: dict[str, Any]) -> bytes:
    """A payload as it goes over the wire."""
    return json.dumps(payload, ensure_ascii=False).encode()
