"""Live pictures: ``/live/{camera}.jpg`` and, for one camera's page, ``/live/{camera}.mjpg``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from core.clock import iso
from dashboard.answers import bad_request, not_found
from dashboard.overlay import Drawn, parse_layers
from dashboard.running import Dashboard
from dashboard.viewer import camera_of

DEFAULT_OVERLAY = "heads,map"
BOUNDARY = "frame"
REPEAT_AFTER_S = 5.0  # MJPEG: send the same picture again, so that a dead viewer is noticed


class LivePictures:
    """The handlers of the two routes."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/live/{camera}.jpg", self.picture),
            Route("/live/{camera}.mjpg", self.stream),
        ]

    def asked(self, request: Request) -> tuple[str, frozenset[str]]:
        """Camera and layers of a request.

        Raises:
            HTTPException: 404 for an unknown camera, 400 for an unknown layer.
        """
        camera = camera_of(request, self.dashboard, request.path_params["camera"]).id
        try:
            return camera, parse_layers(request.query_params.get("overlay", DEFAULT_OVERLAY))
        except ValueError as error:
            raise bad_request(str(error)) from None

    def picture(self, request: Request) -> Response:
        """The newest picture. ``seq`` in the query only tells URLs apart."""
        camera, layers = self.asked(request)
        drawn = self.dashboard.overlays.jpeg(camera, layers)
        if drawn is None:
            raise not_found(f"camera {camera!r} has no picture yet")
        headers = {
            "Cache-Control": "no-store",
            "X-Seq": str(drawn.seq),
            "X-Captured-At": iso(drawn.captured_at) or "",
        }
        return Response(drawn.jpeg, media_type=drawn.media_type, headers=headers)

    async def stream(self, request: Request) -> Response:
        """The pictures as they come, as Motion JPEG."""
        camera, layers = self.asked(request)
        media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        # An encoding of its own keeps the response from being buffered by compression.
        headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}
        if request.method == "HEAD":
            return Response(media_type=media_type, headers=headers)
        return StreamingResponse(
            self._frames(camera, layers), media_type=media_type, headers=headers
        )

    async def _frames(self, camera: str, layers: frozenset[str]) -> AsyncIterator[bytes]:
        values, sent = self.dashboard.values, None
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        with values.changes() as changed:
            while not values.stopping:
                changed.clear()
                drawn = await run_in_threadpool(self.dashboard.overlays.jpeg, camera, layers)
                repeat = loop.time() - sent_at >= REPEAT_AFTER_S
                if drawn is not None and (drawn.seq != sent or repeat):
                    sent, sent_at = drawn.seq, loop.time()
                    yield frame(drawn)
                try:
                    await asyncio.wait_for(changed.wait(), timeout=1)
                except TimeoutError:
                    continue


def frame(drawn: Drawn) -> bytes:
    """One part of a Motion JPEG stream."""
    kind, length = drawn.media_type, len(drawn.jpeg)
    head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + drawn.jpeg + b"\r\n"
