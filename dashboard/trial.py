"""``POST /api/v1/count``: a picture of a viewer's own, counted by a worker and kept nowhere."""

from __future__ import annotations

import re
import threading
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.broker import BrokerError
from core.messages import Service
from dashboard.answers import bad_request, only_known_query, read_body
from dashboard.running import Dashboard

MOST_MEGABYTES = 16
MOST = {"steps": 50, "samples": 16}  # S and K that a worker can give in a few seconds
ANSWER_WITHIN_S = 60.0
AT_ONCE = 2  # a worker counts cameras too


class Trial:
    """The handler of the route."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def routes(self) -> list[BaseRoute]:
        return [Route("/api/v1/count", self.count, methods=["POST"])]

    async def count(self, request: Request) -> Response:
        """Count the picture in the body with ``steps`` and ``samples`` of the query."""
        arguments = {"source": "picture"}
        only_known_query(request, MOST)
        for name, most in MOST.items():
            if name in request.query_params:
                arguments[name] = str(whole_number(request.query_params[name], name, most))
        too_large = HTTPException(413, f"the picture is larger than {MOST_MEGABYTES} MB")
        picture = await read_body(request, MOST_MEGABYTES * 1_000_000, too_large)
        if not picture:
            raise bad_request("the body must be a picture, JPEG or PNG")
        if not self._free.acquire(blocking=False):
            raise HTTPException(503, "other pictures are being counted; try again in a moment")
        try:
            result = await run_in_threadpool(self.ask, arguments, picture)
        finally:
            self._free.release()
        return JSONResponse(result)

    def ask(self, arguments: dict[str, str], picture: bytes) -> dict[str, Any]:
        """The worker's answer.

        Raises:
            HTTPException: 503, no worker answered; 400, it cannot count the picture.
        """
        try:
            reply = self.dashboard.ask(
                Service.WORKER, "count", arguments, picture, timeout_s=ANSWER_WITHIN_S
            )
        except (TimeoutError, BrokerError) as error:
            raise HTTPException(503, str(error)) from None
        if not reply.ok:
            raise bad_request(reply.error)
        return reply.result


def whole_number(text: str, name: str, most: int) -> int:
    """A number from 1 to ``most``.

    Raises:
        HTTPException: 400, it is none.
    """
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= most:
        raise bad_request(f"{name}={text[:20]!r}; allowed are 1 to {most}")
    return int(text)
