"""Command lines that call the HTTP API, made from its OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import urlencode

STREAMS = ("text/event-stream", "multipart/x-mixed-replace")
FILES = {"image/jpeg": "picture.jpg"}  # to send


@dataclass(frozen=True)
class Caller:
    """Who would call, and from where.

    Attributes:
        address: of the dashboard, without a path.
        camera: id of one that the caller may see; None leaves the document's example.
        with_token: a login is needed.
    """

    address: str
    camera: str | None
    with_token: bool


def curl(
    path: str,
    method: str,
    operation: Mapping[str, Any],
    parameters: list[dict[str, Any]],
    caller: Caller,
) -> str:
    """A ``curl`` command that calls an operation with the examples of its parameters.

    Args:
        path: as in the document, such as ``/live/{camera}.jpg``.
        parameters: of the operation, without references.
    """
    options = []
    query = {}
    for parameter in parameters:
        name = parameter["name"]
        value = parameter.get("example")
        if name == "camera" and caller.camera is not None:
            value = caller.camera
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", str(value))
        elif value is not None:
            query[name] = value if isinstance(value, str) else json.dumps(value)
    if method != "get":
        options.append(f"-X {method.upper()}")
    if caller.with_token and operation.get("security") != []:
        options.append('-H "Authorization: Bearer $TOKEN"')
    options += _of_body(operation)
    options += _of_answer(operation)
    url = caller.address + path + (f"?{urlencode(query, safe=':,')}" if query else "")
    return " ".join(["curl", *options, quote(url)])


def _of_body(operation: Mapping[str, Any]) -> list[str]:
    """The options that send a body."""
    content = operation.get("requestBody", {}).get("content", {})
    for kind, body in content.items():
        header = f"-H {quote(f'Content-Type: {kind}')}"
        if "example" in body:
            return [header, f"-d {quote(json.dumps(body['example']))}"]
        return [header, f"--data-binary @{FILES[kind]}"]
    return []


def _of_answer(operation: Mapping[str, Any]) -> list[str]:
    """The options for answers that go on, and for those that are files."""
    kinds = list(operation["responses"]["200"].get("content", {}))
    options = ["-N"] if kinds[0] in STREAMS else []
    return [*options, "-O"] if kinds[0].startswith(("image/", "multipart/")) else options
