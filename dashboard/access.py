"""Who may ask: one ASGI middleware outside everything, Streamlit's own routes included.

With ``access.login: off`` the dashboard listens on loopback only, where two attacks remain, both
through the browser of somebody who sits at the machine: a web page whose name was re-pointed to
127.0.0.1 (DNS rebinding), and a web page that sends requests to it (CSRF, cross-site WebSockets).
The first is refused by the Host header, the second by the Origin header.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Access:
    """Lets a request through, or answers it with 403 and ``{error}``.

    Args:
        app: what the middleware wraps.
        loopback: the dashboard listens on loopback, so only loopback names are valid hosts.
    """

    def __init__(self, app: ASGIApp, *, loopback: bool) -> None:
        self.app = app
        self.loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        problem = self.problem(scope)
        if problem is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": problem})
        else:
            await JSONResponse({"error": problem}, status_code=403)(scope, receive, send)

    def problem(self, scope: Scope) -> str | None:
        """Why the request is refused, as one sentence, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.loopback and host_name(host) not in LOOPBACK_NAMES:
            return f"Host {host!r} is not this dashboard; it answers on loopback names only"
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        origin = headers.get("origin")
        if changes and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return f"Origin {origin!r} is not this dashboard"
        return None


def host_name(host: str) -> str:
    """The name in a Host header, without its port; empty when it is malformed.

    >>> host_name("localhost:8501"), host_name("[::1]:8501"), host_name("a@b")
    ('localhost', '::1', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises ValueError when it is no number
    except ValueError:
        return ""
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return ""
    return (parts.hostname or "").rstrip(".")
