"""Taking and deleting still backgrounds: admins only, and written into the audit.

``POST`` and ``DELETE /api/v1/cameras/{camera}/background``; the set-up page does the same.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.audit import record_audit
from core.broker import BrokerError
from core.messages import Service
from core.roles import Viewer
from core.settings import CameraSettings
from dashboard.answers import conflict, not_found
from dashboard.running import Dashboard
from dashboard.stills import StillError
from dashboard.viewer import camera_of, viewer_of

TAKEN_WITHIN_S = 20.0


def take_background(dashboard: Dashboard, camera: CameraSettings, viewer: Viewer) -> None:
    """Have ingest take one picture of a camera, and keep it as its background.

    The picture travels through the broker once, in a reply that is deleted as it is read.

    Raises:
        StillError: the camera gives no picture, or it cannot be kept.
    """
    arguments = {"source": camera.source, "transport": camera.transport}
    try:
        reply = dashboard.ask(Service.INGEST, "probe", arguments, timeout_s=TAKEN_WITHIN_S)
    except (TimeoutError, BrokerError) as error:
        raise StillError(str(error)) from None
    if not reply.ok or not reply.payload:
        raise StillError(reply.error or "the camera gave no picture")
    dashboard.overlays.stills.keep(camera.id, reply.payload)
    _record(dashboard, viewer, "background taken", camera.id)


def remove_background(dashboard: Dashboard, camera: CameraSettings, viewer: Viewer) -> bool:
    """Delete a camera's background; whether there was one."""
    there = dashboard.overlays.stills.remove(camera.id)
    if there:
        _record(dashboard, viewer, "background deleted", camera.id)
    return there


def _record(dashboard: Dashboard, viewer: Viewer, action: str, camera: str) -> None:
    with dashboard.history.transaction() as connection:
        now = dashboard.values.now_ms()
        record_audit(connection, now, viewer.name, action, f"camera {camera}")


class Backgrounds:
    """The handlers."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def routes(self) -> list[BaseRoute]:
        path = "/api/v1/cameras/{camera}/background"
        return [
            Route(path, self.take, methods=["POST"]),
            Route(path, self.remove, methods=["DELETE"]),
        ]

    def take(self, request: Request) -> Response:
        camera = self._camera(request)
        try:
            take_background(self.dashboard, camera, viewer_of(request))
        except StillError as error:
            raise HTTPException(503, str(error)) from None
        return JSONResponse({"camera": camera.id, "background": True})

    def remove(self, request: Request) -> Response:
        camera = self._camera(request)
        if not remove_background(self.dashboard, camera, viewer_of(request)):
            raise not_found(f"camera {camera.id!r} has no background")
        return JSONResponse({"camera": camera.id, "background": False})

    def _camera(self, request: Request) -> CameraSettings:
        """The camera asked for, if it is one whose pictures are not shown.

        Raises:
            HTTPException: 404 or 409.
        """
        camera = camera_of(request, self.dashboard, request.path_params["camera"])
        if self.dashboard.site.pictures_of(camera) != "none":
            raise conflict(
                f"the pictures of camera {camera.id!r} are shown: it needs no background"
            )
        return camera
