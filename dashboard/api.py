"""The HTTP API under ``/api/v1``: cameras, history, incidents, acknowledgement."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core import history as history_queries
from core.audit import record_audit
from core.clock import iso
from core.history_series import VALUES
from core.roles import Viewer
from dashboard.answers import (
    bad_request,
    can_be_stored,
    conflict,
    csv_answer,
    incident_number,
    json_body,
    not_found,
    only_known_query,
    query_flag,
    query_instant,
)
from dashboard.evidence import with_evidence
from dashboard.running import Dashboard
from dashboard.values import CameraValue
from dashboard.viewer import camera_of, require_incident, viewer_of

STEPS = ("1s", "1m", "1h", "1d", "auto")
FORMATS = ("json", "csv")
HISTORY_QUERY = ("camera", "zone", "from", "to", "step", "format")
INCIDENTS_QUERY = ("open", "camera", "from", "to")
NOTE_LIMIT = 2000  # characters
DEFAULT_SPAN_MS = 3600 * 1000
INSTANTS = ("raised_at", "cleared_at", "acknowledged_at")


def camera_json(value: CameraValue, now_ms: int) -> dict[str, Any]:
    """A camera as ``GET /api/v1/cameras`` gives it."""
    age = value.age_s(now_ms)
    return {
        "id": value.id,
        "name": value.name,
        "status": value.status,
        "reason": value.reason,
        "detail": value.detail,
        "age_s": None if age is None else round(age, 2),
        "captured_at": iso(value.reading_at),
        "count": value.count,
        "low": value.low,
        "high": value.high,
        "level": value.level,
        "zones": [
            {
                "id": zone.id,
                "count": zone.count,
                "low": zone.low,
                "high": zone.high,
                "density": zone.density,
                "worst_cell": zone.worst_cell,
                "level": zone.level,
            }
            for zone in value.zones
        ],
    }


def incident_json(row: dict[str, Any]) -> dict[str, Any]:
    """An incident as ``GET /api/v1/incidents`` gives it."""
    plain = {name: value for name, value in row.items() if name != "change"}
    instants = {name: iso(row[name]) for name in INSTANTS}
    camera = row["camera"] or None  # the worker's incidents have none
    return {**plain, **instants, "camera": camera, "evidence": row.get("evidence", [])}


class Api:
    """The handlers; each answers from the one `Dashboard` of the process."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.zone = dashboard.site.site.zone

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/v1/cameras", self.cameras),
            Route("/api/v1/history", self.history),
            Route("/api/v1/incidents", self.incidents),
            Route("/api/v1/incidents/{id}/ack", self.acknowledge, methods=["POST"]),
        ]

    def cameras(self, request: Request) -> Response:
        values, viewer = self.dashboard.values, viewer_of(request)
        now = values.now_ms()
        seen = [value for value in values.cameras() if viewer.may_see(value.id)]
        return JSONResponse([camera_json(value, now) for value in seen])

    def history(self, request: Request) -> Response:
        only_known_query(request, HISTORY_QUERY)
        query = request.query_params
        if "camera" not in query:
            raise bad_request("camera=ID is needed")
        settings = camera_of(request, self.dashboard, query["camera"])
        zone = query.get("zone", settings.zones[0].id)
        if zone not in {each.id for each in settings.zones}:
            raise not_found(f"camera {settings.id!r} has no zone {zone!r}")
        step = query.get("step", "auto")
        if step not in STEPS:
            raise bad_request(f"step={step!r}; allowed are {', '.join(STEPS)}")
        form = query.get("format", "json")
        if form not in FORMATS:
            raise bad_request(f"format={form!r}; allowed are {', '.join(FORMATS)}")
        to_ms = query_instant(request, "to", self.zone)
        to_ms = self.dashboard.values.now_ms() if to_ms is None else to_ms
        from_ms = query_instant(request, "from", self.zone)
        from_ms = to_ms - DEFAULT_SPAN_MS if from_ms is None else from_ms
        if from_ms >= to_ms:
            raise bad_request("from must be before to")
        try:
            with self.dashboard.history.snapshot() as connection:
                rows = history_queries.history(
                    connection, settings.id, zone, from_ms, to_ms, step, self.zone.key
                )
        except ValueError as error:  # more rows than anybody can use
            raise bad_request(str(error)) from None
        shown = [{**row, "at": iso(row["at"])} for row in rows]
        if form == "csv":
            return csv_answer(shown, ("at", *VALUES), f"{settings.id}-{zone}.csv")
        return JSONResponse(shown)

    def incidents(self, request: Request) -> Response:
        only_known_query(request, INCIDENTS_QUERY)
        camera = request.query_params.get("camera")
        if camera is not None:
            camera_of(request, self.dashboard, camera)
        with self.dashboard.history.snapshot() as connection:
            rows = history_queries.incidents(
                connection,
                open_only=query_flag(request, "open"),
                camera=camera,
                cameras=viewer_of(request).cameras,
                from_ms=query_instant(request, "from", self.zone),
                to_ms=query_instant(request, "to", self.zone),
            )
            rows = with_evidence(connection, rows)
        return JSONResponse([incident_json(row) for row in rows])

    async def acknowledge(self, request: Request) -> Response:
        incident = incident_number(request)
        note = (await json_body(request, {"note"})).get("note", "")
        if not isinstance(note, str) or len(note) > NOTE_LIMIT or not can_be_stored(note):
            raise bad_request(f"note must be text of at most {NOTE_LIMIT} characters")
        viewer = viewer_of(request)
        done = await run_in_threadpool(acknowledge, self.dashboard, incident, note, viewer)
        if not done:
            raise conflict(f"incident {incident} is already acknowledged")
        return JSONResponse({"id": incident, "acknowledged_by": viewer.name, "note": note})


def acknowledge(dashboard: Dashboard, incident: int, note: str, viewer: Viewer) -> bool:
    """Acknowledge an incident; False when somebody did before.

    Raises:
        HTTPException: 404, the viewer can see none with this id.
    """
    now = dashboard.values.now_ms()
    with dashboard.history.transaction() as connection:
        require_incident(connection, viewer, incident)
        done = history_queries.acknowledge(connection, incident, viewer.name, note, now)
        if done:
            name = f"incident {incident}"
            record_audit(connection, now, viewer.name, "incident acknowledged", name, note)
    return done
