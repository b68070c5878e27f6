"""``/api/v1/incidents/{id}/evidence/{name}``: picture, crowd map, heads and clip of an incident.

A name is looked up in the database and never put into a path, so there is nothing to escape from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from core.evidence import evidence_of, find_evidence
from dashboard.answers import can_be_stored, incident_number, not_found
from dashboard.running import Dashboard
from dashboard.viewer import require_incident, viewer_of


class Evidence:
    """The handler of the route."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def routes(self) -> list[BaseRoute]:
        return [Route("/api/v1/incidents/{id}/evidence/{name}", self.file)]

    def file(self, request: Request) -> Response:
        """The file; players may ask for a part of a clip.

        Raises:
            HTTPException: 404, the viewer can see no such file.
        """
        incident, name = incident_number(request), request.path_params["name"]
        with self.dashboard.history.snapshot() as connection:
            require_incident(connection, viewer_of(request), incident)
            file = find_evidence(connection, incident, name) if can_be_stored(name) else None
        if file is None:
            raise not_found(f"incident {incident} has no evidence of the name {name!r}")
        path = file.path(Path(self.dashboard.site.evidence.dir))
        if not path.is_file():
            raise not_found(f"{name} of incident {incident} is not in the folder of evidence here")
        etag = f'"{file.sha256}"'
        # Asked again each time, since who may see it can change; sent only if the browser lacks it.
        headers = {"Cache-Control": "private, no-cache", "ETag": etag}
        if etag in known_tags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return FileResponse(path, media_type=file.media_type, headers=headers)


def known_tags(if_none_match: str) -> list[str]:
    """The tags in a header ``If-None-Match``, as a server would have sent them.

    >>> known_tags('"a", W/"b"')
    ['"a"', '"b"']
    """
    return [each.strip().removeprefix("W/") for each in if_none_match.split(",")]


def with_evidence(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Incidents with the addresses of their files as ``evidence``."""
    files = evidence_of(connection, [row["id"] for row in rows])
    return [{**row, "evidence": [each.url for each in files.get(row["id"], [])]} for row in rows]
