"""What Home Assistant is told so that it finds every zone by itself. Pure: settings in, topics out.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

from typing import Any

from core.settings import CameraSettings, MqttSettings, Site, Zone

EVENTS = (
    "raised",
    "escalated",
    "eased",
    "approaching",
    "reminder",
    "unseen",
    "cleared",
    "test",
)
Payloads = dict[str, dict[str, Any]]  # topic to payload


def service_availability(mqtt: MqttSettings) -> str:
    """``online`` while the alerts service is connected, else ``offline`` (the last will)."""
    return f"{mqtt.topic}/availability"


def camera_availability(mqtt: MqttSettings, camera: str) -> str:
    """``online`` while the camera's status is ok, else ``offline``."""
    return f"{mqtt.topic}/{camera}/availability"


def camera_topic(mqtt: MqttSettings, camera: str) -> str:
    """The camera's status and count."""
    return f"{mqtt.topic}/{camera}/state"


def zone_topic(mqtt: MqttSettings, camera: str, zone: str) -> str:
    """The zone's count, density and level."""
    return f"{mqtt.topic}/{camera}/{zone}/state"


def incident_topic(mqtt: MqttSettings, camera: str, zone: str) -> str:
    """Whether the zone has an open incident."""
    return f"{mqtt.topic}/{camera}/{zone}/incident"


def notices_topic(mqtt: MqttSettings) -> str:
    """Each notice, once, not retained."""
    return f"{mqtt.topic}/notices"


def node_id(mqtt: MqttSettings) -> str:
    """What tells this site's announcements from another's."""
    return mqtt.topic.replace("/", "_")


def discovery(site: Site, mqtt: MqttSettings) -> Payloads:
    """Every announcement, by its topic; empty where `discovery_prefix` is null."""
    if mqtt.discovery_prefix is None:
        return {}
    announced: Payloads = {}
    for camera in site.cameras:
        _camera(announced, mqtt, camera)
        for zone in camera.zones:
            _zone(announced, mqtt, camera, zone)
    notices = {
        "name": "Notices",
        "state_topic": notices_topic(mqtt),
        "event_types": list(EVENTS),
        "value_template": (
            "{{ {'event_type': value_json.event, 'title': value_json.title,"
            " 'level': value_json.level} | tojson }}"
        ),
        "device": {
            "identifiers": [node_id(mqtt)],
            "name": site.site.name,
            "manufacturer": "Headcount",
        },
    }
    _add(announced, mqtt, "event", "notices", notices)
    return announced


def _camera(announced: Payloads, mqtt: MqttSettings, camera: CameraSettings) -> None:
    common = {"state_topic": camera_topic(mqtt, camera.id), "device": _device(mqtt, camera)}
    count = {
        **common,
        **_where_ok(mqtt, camera.id),
        **_measurement("people"),
        "name": "People",
        "value_template": "{{ value_json.count }}",
        "icon": "mdi:account-group",
    }
    status = {
        **common,
        "name": "Status",
        "value_template": "{{ value_json.reason or value_json.status }}",
        "json_attributes_topic": camera_topic(mqtt, camera.id),
        "icon": "mdi:cctv",
    }
    _add(announced, mqtt, "sensor", f"{camera.id}_count", count)
    _add(announced, mqtt, "sensor", f"{camera.id}_status", status)


def _zone(announced: Payloads, mqtt: MqttSettings, camera: CameraSettings, zone: Zone) -> None:
    place = f"{camera.id}_{zone.id}"
    common = {
        "state_topic": zone_topic(mqtt, camera.id, zone.id),
        "device": _device(mqtt, camera),
        **_where_ok(mqtt, camera.id),
    }
    count = {
        **common,
        **_measurement("people"),
        "name": f"{zone.title} people",
        "value_template": "{{ value_json.count }}",
        "json_attributes_topic": common["state_topic"],
        "icon": "mdi:account-group",
    }
    _add(announced, mqtt, "sensor", f"{place}_count", count)
    if zone.ground is not None:
        density = {
            **common,
            **_measurement("people/m²"),
            "name": f"{zone.title} density",
            "value_template": "{{ value_json.density }}",
            "icon": "mdi:account-group",
        }
        _add(announced, mqtt, "sensor", f"{place}_density", density)
    if zone.levels is None:
        return
    level = {
        **common,
        "name": f"{zone.title} level",
        "value_template": "{{ value_json.level }}",
        "device_class": "enum",
        "options": ["normal", "watch", "warning", "critical"],
    }
    # An incident stays open while its camera is blind, so only the service decides here.
    incident = {
        "state_topic": incident_topic(mqtt, camera.id, zone.id),
        "device": _device(mqtt, camera),
        "name": f"{zone.title} incident",
        "value_template": "{{ value_json.state }}",
        "device_class": "safety",
        "json_attributes_topic": incident_topic(mqtt, camera.id, zone.id),
    }
    _add(announced, mqtt, "sensor", f"{place}_level", level)
    _add(announced, mqtt, "binary_sensor", f"{place}_incident", incident)


def _add(
    announced: Payloads, mqtt: MqttSettings, component: str, name: str, payload: dict[str, Any]
) -> None:
    node = node_id(mqtt)
    availability = {"availability": [{"topic": service_availability(mqtt)}]}
    unique = {"unique_id": f"{node}_{name}", "object_id": f"{node}_{name}"}
    topic = f"{mqtt.discovery_prefix}/{component}/{node}/{name}/config"
    announced[topic] = {**availability, **unique, **payload}


def _where_ok(mqtt: MqttSettings, camera: str) -> dict[str, Any]:
    """A blind camera makes its values unavailable, never 0."""
    topics = (service_availability(mqtt), camera_availability(mqtt, camera))
    return {"availability": [{"topic": topic} for topic in topics], "availability_mode": "all"}


def _measurement(unit: str) -> dict[str, Any]:
    return {
        "unit_of_measurement": unit,
        "state_class": "measurement",
        "suggested_display_precision": 1,
    }


def _device(mqtt: MqttSettings, camera: CameraSettings) -> dict[str, Any]:
    return {
        "identifiers": [f"{node_id(mqtt)}_{camera.id}"],
        "name": camera.title,
        "manufacturer": "Headcount",
        "via_device": node_id(mqtt),
    }
