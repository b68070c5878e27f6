"""How the HTTP API answers: JSON, and errors as ``{error: one sentence}``."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route

from core.week_settings import instant_ms

API_PREFIXES = ("/api", "/live", "/healthz", "/metrics")
DOCS_PATH = "/api/v1/docs"  # a page all the same
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
LARGEST_ID = 2**31 - 1  # that the database can be asked for
LAST_YEAR = 2199
LAST_MS = round(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp() * 1000)


def bad_request(sentence: str) -> HTTPException:
    return HTTPException(400, sentence)


def not_found(sentence: str) -> HTTPException:
    return HTTPException(404, sentence)


def conflict(sentence: str) -> HTTPException:
    return HTTPException(409, sentence)


def is_api(path: str) -> bool:
    """Whether programs ask for this path (they get JSON) rather than people.

    >>> is_api("/api/v1/cameras"), is_api("/api/v1/docs"), is_api("/system")
    (True, False, False)
    """
    return path.startswith(API_PREFIXES) and path != DOCS_PATH


async def http_error(request: Request, error: Exception) -> Response:
    """The answer to an `HTTPException`, ours or Starlette's."""
    if not isinstance(error, HTTPException):
        raise TypeError(f"{error!r} is no HTTPException")
    if is_api(request.url.path):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    return PlainTextResponse(error.detail, error.status_code, error.headers)


async def accounts_away(request: Request, error: Exception) -> Response:
    """The answer where the database cannot say who asks."""
    return await http_error(request, HTTPException(503, str(error)))


async def server_error(request: Request, _: Exception) -> Response:
    """The answer to any other exception; Starlette logs it."""
    sentence = "the dashboard failed to answer; its log says why"
    if is_api(request.url.path):
        return JSONResponse({"error": sentence}, 500)
    return PlainTextResponse(sentence, 500)


def fallback_routes(known: Sequence[BaseRoute]) -> list[BaseRoute]:
    """What answers under /api, /live and /auth when no route of ``known`` does: never a page."""

    async def answer(request: Request) -> Response:
        path = request.url.path
        allowed = {
            method
            for route in known
            if isinstance(route, Route) and route.matches(request.scope)[0] is Match.PARTIAL
            for method in route.methods or ()
        }
        if allowed:
            headers = {"Allow": ", ".join(sorted(allowed))}
            raise HTTPException(405, f"{request.method} is not possible at {path}", headers)
        raise not_found(f"there is nothing at {path}")

    return [
        Route(f"{prefix}{path}", answer, methods=METHODS)
        for prefix in ("/api", "/live", "/auth")
        for path in ("", "/{path:path}")
    ]


def only_known_query(request: Request, names: Collection[str]) -> None:
    """Refuse what the route would not look at: a filter with a typo must not seem to be one.

    Raises:
        HTTPException: 400, a query parameter is unknown or given twice.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in names:
            allowed = ", ".join(sorted(names))
            raise bad_request(f"there is no parameter {name!r}; allowed are {allowed}")
        if given.count(name) > 1:
            raise bad_request(f"the parameter {name} is given twice")


def incident_number(request: Request) -> int:
    """The incident that the path names.

    Raises:
        HTTPException: 404, there can be none of this number.
    """
    text = str(request.path_params["id"])
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > LARGEST_ID:
        raise not_found(f"there is no incident {text[:40]}")
    return int(text)


def query_instant(request: Request, name: str, zone: ZoneInfo) -> int | None:
    """The instant in a query parameter as ms UTC, or None when it is absent.

    A ``+`` that a program forgot to encode arrives as a space and is taken for what it was.

    Raises:
        HTTPException: 400, it is no instant, or not of the years 1970 to 2199.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        at_ms = instant_ms(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()), zone)
    except (ValueError, OverflowError):
        raise bad_request(
            f"{name}={text!r} is no ISO 8601 instant such as 2026-01-31T18:00:00Z"
        ) from None
    if not 0 <= at_ms < LAST_MS:
        raise bad_request(f"{name}={text!r} is not within the years 1970 to {LAST_YEAR}")
    return at_ms


def query_flag(request: Request, name: str) -> bool:
    """A query parameter that is true or false (the default).

    Raises:
        HTTPException: 400, it is neither.
    """
    text = request.query_params.get(name, "false")
    if text.lower() not in ("true", "false"):
        raise bad_request(f"{name}={text!r}; allowed are true and false")
    return text.lower() == "true"


def csv_answer(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], filename: str
) -> Response:
    """Rows as a CSV file to be saved; what is not known is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


async def read_body(request: Request, limit: int, refusal: HTTPException) -> bytes:
    """A request's body, read no further than one part beyond ``limit`` bytes.

    Raises:
        HTTPException: ``refusal``, it is longer.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise refusal
        parts.append(part)
    return b"".join(parts)


async def json_body(request: Request, keys: Collection[str], limit: int = 16_384) -> dict[str, Any]:
    """The JSON object in a request's body; an empty body is an empty object.

    Args:
        keys: that it may have.

    Raises:
        HTTPException: 400, it is no such JSON object, or longer than ``limit`` bytes.
    """
    body = await read_body(request, limit, bad_request(f"the body is longer than {limit} bytes"))
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_request("the body is no JSON") from None
    if not isinstance(value, dict):
        raise bad_request("the body must be a JSON object")
    for key in value:
        if key not in keys:
            raise bad_request(f"the body has no key {key!r}; allowed are {', '.join(sorted(keys))}")
    return value


def can_be_stored(text: str) -> bool:
    """Whether every database takes this text: it is UTF-8 and has no NUL in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
