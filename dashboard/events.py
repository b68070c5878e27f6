"""``/api/v1/events``: one server-sent event stream of all values; the wall lives on it.

The first event, ``values`` with ``full: true``, carries every camera, the open incidents and the
counts of the last five minutes; later ones carry the cameras that changed, at most two events a
second. Without a change one goes out every five seconds, so that a client knows a dead connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from core.roles import Viewer
from dashboard.api import camera_json, incident_json
from dashboard.running import Dashboard
from dashboard.values import CameraValue
from dashboard.viewer import viewer_of

KEEP_ALIVE_S = 5.0
RECONNECT_MS = 2000


class Events:
    """The handler of the event stream."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def routes(self) -> list[BaseRoute]:
        return [Route("/api/v1/events", self.stream)]

    async def stream(self, request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=headers)
        events = self._events(viewer_of(request))
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def _events(self, viewer: Viewer) -> AsyncIterator[str]:
        values = self.dashboard.values
        revision, incidents = -1, -1
        yield f"retry: {RECONNECT_MS}\n\n"
        with values.changes() as changed:
            while not values.stopping:
                changed.clear()
                full = revision < 0
                revision, cameras = values.changed_since(revision)
                if full:  # of this moment, as the API gives them
                    cameras = values.cameras()
                seen = [value for value in cameras if viewer.may_see(value.id)]
                event = self.event(seen, full=full)
                if values.incidents_revision != incidents:
                    incidents = values.incidents_revision
                    event["incidents"] = [
                        incident_json(row)
                        for row in values.open_incidents
                        if viewer.may_see(row["camera"])
                    ]
                yield f"event: values\ndata: {json.dumps(event, separators=(',', ':'))}\n\n"
                try:
                    await asyncio.wait_for(changed.wait(), timeout=KEEP_ALIVE_S)
                except TimeoutError:
                    continue

    def event(self, cameras: list[CameraValue], *, full: bool) -> dict[str, Any]:
        """The data of one event; with ``full`` it has each camera's recent counts too."""
        values = self.dashboard.values
        now = values.now_ms()
        entries = [event_camera(value, now) for value in cameras]
        event: dict[str, Any] = {
            "now": now,
            "broker_ok": self.dashboard.live.broker_ok,
            "full": full,
            "config": self.dashboard.loaded.version,
            "cameras": entries,
        }
        if full:
            event["recent"] = {value.id: values.recent(value.id) for value in cameras}
        return event


def event_camera(value: CameraValue, now_ms: int) -> dict[str, Any]:
    """A camera in an event: as the API gives it, and what its picture's URL needs."""
    return {
        **camera_json(value, now_ms),
        "reading_at": value.reading_at,
        "picture_seq": value.picture_seq,
        "picture_at": value.picture_at,
    }
