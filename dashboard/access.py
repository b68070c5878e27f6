"""Who may ask: one ASGI middleware outside everything, Streamlit's own routes included.

It denies by default. Whoever shows no valid session (cookie) or token (``Authorization: Bearer``)
gets 401, or the login page where a browser opens a page; whose role is too low gets 403. What a
role may see of the cameras is up to the routes, which find the viewer in the request
(`dashboard.viewer.viewer_of`). Long answers and WebSockets end when the viewer's rights change.

Against other sites' pages in the same browser: what changes something by cookie needs our own
Origin, and on loopback a Host that is ours (a name that was pointed at 127.0.0.1 is not).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.access_settings import LOOPBACK_NAMES
from core.roles import Viewer
from core.settings import DashboardSettings
from dashboard.answers import API_PREFIXES, is_api
from dashboard.identity import COOKIE, AccountsAwayError, Credentials, Identities
from dashboard.lasting import Lasting
from dashboard.permissions import SAFE_METHODS, is_open, needed_role

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",  # with no-referrer a form's Origin would be "null"
}


class Access:
    """Lets a request through, or answers it with 401, 403 or the way to the login page.

    Args:
        app: what the middleware wraps.
        identities: says who somebody is.
        settings: the site's section `dashboard`.
    """

    def __init__(self, app: ASGIApp, identities: Identities, settings: DashboardSettings) -> None:
        self.app = app
        self.identities = identities
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        problem = self.foreign(scope)
        if problem is not None:
            await answer.refuse(403, problem, receive)
        elif is_open(scope["path"]):
            await self.app(scope, receive, answer.send)
        else:
            await self._let_in(scope, receive, answer)

    async def _let_in(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        credentials = credentials_of(HTTPConnection(scope))
        try:
            viewer = await identify(self.identities, credentials)
        except AccountsAwayError as error:
            await answer.refuse(503, str(error), receive)
            return
        if viewer is None:
            await answer.ask_for_login(receive)
            return
        problem = self.unsuitable(scope, viewer, credentials)
        if problem is not None:
            await answer.refuse(403, problem, receive)
            return
        scope["viewer"] = viewer

        async def same_rights() -> bool:
            try:
                return await identify(self.identities, credentials) == viewer
            except AccountsAwayError:
                return False

        await Lasting(self.app, same_rights)(scope, receive, answer.send)

    def foreign(self, scope: Scope) -> str | None:
        """Why the request comes from another site's page, as one sentence, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        on_loopback = self.settings.host in LOOPBACK_NAMES
        if on_loopback and host_name(host) not in own_names(self.settings):
            return f"Host {host!r} is not this dashboard; it answers on loopback names only"
        origin = headers.get("origin")
        if changes(scope) and origin is not None and not is_own(origin, host):
            return f"Origin {origin!r} is not this dashboard"
        return None

    def unsuitable(self, scope: Scope, viewer: Viewer, credentials: Credentials) -> str | None:
        """Why somebody who is known may not do this, as one sentence, or None."""
        needs_origin = changes(scope) and credentials.by_cookie and not self.identities.login_off
        if needs_origin and "origin" not in Headers(scope=scope):
            return "a change by cookie needs the Origin header; programs use a token"
        method = scope.get("method", "GET")
        role = needed_role(method, scope["path"])
        if not viewer.role.includes(role):
            return f"{method} {scope['path']} needs the role {role}; {viewer.name} is {viewer.role}"
        return None


class _Answer:
    """How a request is answered: with our headers, and as its kind demands."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            extra = dict(HEADERS)
            if self.scope["path"].startswith(API_PREFIXES):
                extra["Cache-Control"] = "no-store"
            message["headers"] = [
                *message["headers"],
                *(
                    (name.lower().encode(), value.encode())
                    for name, value in extra.items()
                    if name.lower().encode() not in present
                ),
            ]
        await self._send(message)

    async def refuse(self, status: int, sentence: str, receive: Receive) -> None:
        """The sentence as JSON; also to a WebSocket, which is then not opened."""
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        response = JSONResponse({"error": sentence}, status, headers)
        await self._respond(response, receive)

    async def ask_for_login(self, receive: Receive) -> None:
        """The login page where a person opens a page, else 401."""
        scope = self.scope
        path = scope["path"]
        opens_a_page = (
            scope["type"] == "http"
            and scope["method"] in ("GET", "HEAD")
            and "text/html" in Headers(scope=scope).get("accept", "")
            and not is_api(path)
            and not path.startswith("/_stcore")
        )
        if not opens_a_page:
            await self.refuse(401, "sign in, or send a token as Authorization: Bearer", receive)
            return
        query = scope["query_string"].decode("latin-1")
        target = quote(f"{path}?{query}" if query else path, safe="")
        response = RedirectResponse(f"/login?next={target}", 303, {"Cache-Control": "no-store"})
        await self._respond(response, receive)

    async def _respond(self, response: Response, receive: Receive) -> None:
        if self.scope["type"] == "websocket":
            await response(self.scope, receive, self._send)
        else:
            await response(self.scope, receive, self.send)


async def identify(identities: Identities, credentials: Credentials) -> Viewer | None:
    """Whose credentials these are, without keeping the event loop waiting.

    Raises:
        AccountsAwayError: the database cannot be asked.
    """
    remembered = identities.remembered(credentials)
    return remembered or await run_in_threadpool(identities.viewer, credentials)


def credentials_of(connection: HTTPConnection) -> Credentials:
    """What a request shows of its sender."""
    return credentials_from(connection.headers.get("authorization", ""), connection.cookies)


def credentials_from(authorization: str, cookies: Mapping[str, str]) -> Credentials:
    """The same, of an Authorization header (or an empty text) and of cookies."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return Credentials(token=token.strip())
    return Credentials(session=cookies.get(COOKIE))


def changes(scope: Scope) -> bool:
    """Whether a request can change something; a WebSocket can."""
    return scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS


def is_own(origin: str, host: str) -> bool:
    """Whether a page of this origin is ours, asked for under this Host."""
    return urlsplit(origin).netloc.lower() == host.lower() != ""


def own_names(settings: DashboardSettings) -> frozenset[str]:
    """The hosts that a dashboard on loopback answers to: its own, and its proxy's."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return LOOPBACK_NAMES | ({public} if public else set())


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
