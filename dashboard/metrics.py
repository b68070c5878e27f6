"""``/metrics`` for Prometheus and ``/healthz`` for whoever restarts things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.history_schema import outbox
from core.messages import Heartbeat
from core.roles import Viewer
from dashboard.running import Dashboard
from dashboard.values import LEVELS, CameraValue
from dashboard.viewer import viewer_of

PREFIX = "headcount_"
_NAMED = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?$")
_LABEL = re.compile(r'(?P<key>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)"')


def parse_name(text: str) -> tuple[str, dict[str, str]] | None:
    """Name and labels of a heartbeat's counter, or None when it is malformed.

    >>> parse_name('frames_total{camera="gate-1"}')
    ('headcount_frames_total', {'camera': 'gate-1'})
    """
    match = _NAMED.match(text)
    if match is None:
        return None
    name = match["name"] if match["name"].startswith(PREFIX) else PREFIX + match["name"]
    labels = {label["key"]: label["value"] for label in _LABEL.finditer(match["labels"] or "")}
    return name, labels


def heartbeat_metrics(heartbeats: Iterable[Heartbeat], viewer: Viewer) -> Iterator[Metric]:
    """What the processes count themselves, with the process in the labels."""
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    up = GaugeMetricFamily(
        "headcount_process_up", "Processes that are alive.", labels=["service", "process"]
    )
    offset = GaugeMetricFamily(
        "headcount_clock_offset_seconds",
        "The broker's clock minus the process's.",
        labels=["service", "process"],
    )
    for heartbeat in heartbeats:
        process = {"service": heartbeat.service.value, "process": heartbeat.id}
        up.add_metric(list(process.values()), 1)
        offset.add_metric(list(process.values()), heartbeat.clock_offset_ms / 1000)
        for text, value in heartbeat.counters.items():
            parsed = parse_name(text)
            if parsed is not None and viewer.may_see(parsed[1].get("camera")):
                samples.setdefault(parsed[0], []).append(({**parsed[1], **process}, value))
    yield up
    yield offset
    for name, rows in sorted(samples.items()):
        keys = sorted({key for labels, _ in rows for key in labels})
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(name, "Counted by the process itself.", labels=keys)
        for labels, value in rows:
            family.add_metric([labels.get(key, "") for key in keys], value)
        yield family


def camera_metrics(cameras: Iterable[CameraValue], now_ms: int) -> Iterator[Metric]:
    """What viewers see. A value that is unknown has no sample: never a 0."""
    ok = GaugeMetricFamily("headcount_camera_ok", "1 ok, 0 unknown.", labels=["camera"])
    age = GaugeMetricFamily(
        "headcount_reading_age_seconds", "Age of the last ok reading.", labels=["camera"]
    )
    count = GaugeMetricFamily("headcount_count", "People.", labels=["camera", "zone"])
    low = GaugeMetricFamily("headcount_count_low", "90 % interval.", labels=["camera", "zone"])
    high = GaugeMetricFamily("headcount_count_high", "90 % interval.", labels=["camera", "zone"])
    density = GaugeMetricFamily(
        "headcount_density", "Persons per square metre.", labels=["camera", "zone"]
    )
    level = GaugeMetricFamily(
        "headcount_level", "0 normal, 1 watch, 2 warning, 3 critical.", labels=["camera", "zone"]
    )
    for camera in cameras:
        ok.add_metric([camera.id], camera.status == "ok")
        seconds = camera.age_s(now_ms)
        if seconds is not None:
            age.add_metric([camera.id], seconds)
        for zone in camera.zones:
            values = (
                (count, zone.count),
                (low, zone.low),
                (high, zone.high),
                (density, zone.density),
                (level, None if zone.level is None else LEVELS.index(zone.level)),
            )
            for family, value in values:
                if value is not None:
                    family.add_metric([camera.id, zone.id], value)
    yield from (ok, age, count, low, high, density, level)


class LiveCollector(Collector):
    """Reads everything that a viewer may see, at the moment Prometheus asks."""

    def __init__(self, dashboard: Dashboard, viewer: Viewer) -> None:
        self.dashboard = dashboard
        self.viewer = viewer

    def collect(self) -> Iterator[Metric]:
        values, live = self.dashboard.values, self.dashboard.live
        cameras = [value for value in values.cameras() if self.viewer.may_see(value.id)]
        yield from camera_metrics(cameras, values.now_ms())
        yield from heartbeat_metrics(live.heartbeats(), self.viewer)
        yield from self._states()
        incidents = GaugeMetricFamily(
            "headcount_incidents_open", "Open incidents.", labels=["kind", "level"]
        )
        tally: dict[tuple[str, str], int] = {}
        for row in values.open_incidents:
            if not self.viewer.may_see(row["camera"]):
                continue
            key = (str(row["kind"]), str(row["level"]))
            tally[key] = tally.get(key, 0) + 1
        for (kind, level), number in tally.items():
            incidents.add_metric([kind, level], number)
        yield incidents
        yield from self._notifications()

    def _states(self) -> Iterator[Metric]:
        kinds = {
            "frames": CounterMetricFamily(
                "headcount_camera_frames", "Frames captured.", labels=["camera"]
            ),
            "drops": CounterMetricFamily(
                "headcount_camera_drops", "Frames never counted.", labels=["camera"]
            ),
            "reconnects": CounterMetricFamily(
                "headcount_camera_reconnects", "Connections made again.", labels=["camera"]
            ),
        }
        for camera in self.dashboard.site.cameras:
            state = self.dashboard.live.state(camera.id)
            for name, family in kinds.items():
                if state is not None and self.viewer.may_see(camera.id):
                    live = self.dashboard.live
                    number = live.drops(camera.id) if name == "drops" else getattr(state, name)
                    family.add_metric([camera.id], number)
        yield from kinds.values()

    def _notifications(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "headcount_notifications", "Notifications by what became of them.", labels=["outcome"]
        )
        for outcome, number in notification_tally(self.dashboard).items():
            family.add_metric([outcome], number)
        yield family


def notification_tally(dashboard: Dashboard) -> dict[str, int]:
    """Notifications sent, dropped, failing (tried in vain) and waiting; empty without history."""
    sent, dropped = outbox.c.sent_at.is_not(None), outbox.c.dropped_at.is_not(None)
    pending = ~sent & ~dropped
    rules = {
        "sent": sent,
        "dropped": dropped,
        "failing": pending & (outbox.c.attempts > 0),
        "waiting": pending & (outbox.c.attempts == 0),
    }
    try:
        with dashboard.history.snapshot() as connection:
            return {
                name: connection.execute(
                    select(func.count()).select_from(outbox).where(rule)
                ).scalar_one()
                for name, rule in rules.items()
            }
    except SQLAlchemyError:
        return {}


def problems(dashboard: Dashboard) -> list[str]:
    """What is wrong with the dashboard itself, one sentence each; says nothing about cameras."""
    found = []
    if dashboard.live.broker_trouble:
        found.append(dashboard.live.broker_trouble)
    if not dashboard.values.history_ok:
        found.append("the history database cannot be read")
    if not dashboard.values.alive:
        found.append("the live view has stopped; restart the dashboard")
    return found


class Metrics:
    """The handlers of the two routes."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def routes(self) -> list[BaseRoute]:
        return [Route("/healthz", self.health), Route("/metrics", self.metrics)]

    def health(self, _: Request) -> Response:
        found = problems(self.dashboard)
        if found:
            return JSONResponse({"status": "failing", "problems": found}, 503)
        return JSONResponse({"status": "ok"})

    def metrics(self, request: Request) -> Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(LiveCollector(self.dashboard, viewer_of(request)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
