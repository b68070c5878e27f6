"""The HTTP API's own description: ``/api/v1/openapi.json``, and ``/api/v1/docs`` for people."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.strict_yaml import parse
from dashboard.answers import DOCS_PATH
from dashboard.openapi_examples import Caller
from dashboard.openapi_page import openapi_page
from dashboard.running import Dashboard
from dashboard.viewer import viewer_of

FILE = Path(__file__).with_name("openapi.yaml")
OPENAPI_PATH = "/api/v1/openapi.json"


@cache
def document() -> dict[str, Any]:
    """The document as plain data; whoever changes it copies it first.

    Raises:
        ValueError: the file cannot be read by the strict loader.
    """
    read = parse(FILE.read_text("utf-8"))
    if read.faults:
        fault = read.faults[0]
        raise ValueError(f"{FILE}:{fault.line or read.line(fault.place)}: {fault.message}")
    value: dict[str, Any] = read.value
    return value


class Openapi:
    """The handlers of the two routes."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def routes(self) -> list[BaseRoute]:
        return [Route(OPENAPI_PATH, self.document), Route(DOCS_PATH, self.page)]

    def document(self, _: Request) -> Response:
        return JSONResponse(document())

    def page(self, request: Request) -> Response:
        """The document to read, with examples that work here as they stand."""
        viewer = viewer_of(request)
        seen = (each.id for each in self.dashboard.site.cameras if viewer.may_see(each.id))
        caller = Caller(
            address=str(request.base_url).rstrip("/"),
            camera=next(seen, None),
            with_token=not self.dashboard.identities.login_off,
        )
        return openapi_page(document(), OPENAPI_PATH, caller)
