"""``/metrics`` for Prometheus and ``/healthz`` for whoever restarts things."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.roles import Viewer
from dashboard.metrics_cameras import (
    camera_metrics,
    gauge,
    stream_metrics,
    threshold_metrics,
    zone_metrics,
)
from dashboard.metrics_processes import counter_metrics, process_metrics
from dashboard.metrics_stores import (
    broker_metrics,
    history_metrics,
    incident_metrics,
    notice_metrics,
)
from dashboard.running import Dashboard
from dashboard.viewer import viewer_of


class LiveCollector(Collector):
    """Reads everything that a viewer may see, at the moment Prometheus asks."""

    def __init__(self, dashboard: Dashboard, viewer: Viewer) -> None:
        self.dashboard = dashboard
        self.viewer = viewer

    def collect(self) -> Iterator[Metric]:
        dashboard, viewer = self.dashboard, self.viewer
        values, live, site = dashboard.values, dashboard.live, dashboard.site
        now = values.now_ms()
        shown = [value for value in values.cameras() if viewer.may_see(value.id)]
        cameras = [camera for camera in site.cameras if viewer.may_see(camera.id)]
        yield self._build()
        yield from camera_metrics(shown, now)
        yield from zone_metrics(shown)
        yield from threshold_metrics(cameras, site.site.zone, now)
        yield from stream_metrics(cameras, live)
        if live.broker_ok:  # else who lives is not known
            heartbeats = live.heartbeats()
            yield from process_metrics(heartbeats)
            yield from counter_metrics(heartbeats, viewer)
        yield from broker_metrics(dashboard, viewer)
        yield from history_metrics(dashboard)
        yield from incident_metrics(dashboard, viewer)
        yield from notice_metrics(dashboard)

    def _build(self) -> Metric:
        labels = ("version", "configuration")
        family = gauge("build_info", "1, with what this dashboard runs.", labels)
        family.add_metric([version("headcount"), self.dashboard.loaded.version], 1)
        return family


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
