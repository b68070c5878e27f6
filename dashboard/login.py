"""Signing in and out: ``/login``, ``/auth/logout``, ``/auth/session``."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.accounts import AccountError, account_name, password_hash_of
from core.audit import record_audit
from core.clock import local_ms
from core.passwords import is_password
from core.roles import Role, Viewer
from core.sessions import begin_session, end_session
from dashboard.access import credentials_of
from dashboard.answers import bad_request, not_found, read_body
from dashboard.identity import COOKIE, AccountsAwayError, Credentials
from dashboard.language import COOKIE as LANGUAGE_COOKIE
from dashboard.language import LANGUAGES, chosen_language
from dashboard.login_limits import LoginLimits
from dashboard.login_page import login_page, signed_in_page
from dashboard.running import Dashboard
from dashboard.text import say

LARGEST_FORM = 8192  # bytes
YEAR_S = 31_536_000

log = structlog.get_logger("audit")


class Login:
    """The handlers; also what OpenID Connect uses to begin a session."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.limits = LoginLimits()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/login", self.show),
            Route("/login", self.sign_in, methods=["POST"]),
            Route("/auth/logout", self.sign_out, methods=["POST"]),
            Route("/auth/session", self.session),
        ]

    def show(self, request: Request) -> Response:
        """The form, or who is signed in and the way out."""
        following = own_path(request.query_params.get("next", "/"))
        language = request.query_params.get("language")
        if language in LANGUAGES:
            back = RedirectResponse(f"/login?{urlencode({'next': following})}", 303)
            back.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, samesite="lax")
            return back
        try:
            viewer = self._viewer(request)
        except AccountsAwayError:
            problem = say("login.away", chosen_language(request.cookies))
            return login_page(request, self.dashboard, following, problem=problem, status=503)
        if self.dashboard.identities.login_off:
            return RedirectResponse(following, 303)
        if viewer is not None:
            return signed_in_page(request, self.dashboard, viewer)
        return login_page(request, self.dashboard, following)

    async def sign_in(self, request: Request) -> Response:
        """Check name and password, slower after failures."""
        if self.dashboard.identities.access.login != "local":
            raise not_found("nobody signs in with a password here")
        form = await read_form(request)
        following, name = own_path(form.get("next", "/")), form.get("name", "")
        language = chosen_language(request.cookies)
        address = request.client.host if request.client else ""
        account = known_as(name)
        wait_s = math.ceil(self.limits.attempt(account or name[:64], address))
        if wait_s > 0:
            log.info("sign-in refused", who=name[:64], address=address, wait_s=wait_s)
            problem = say("login.wait", language, seconds=wait_s)
            headers = {"Retry-After": str(wait_s)}
            return login_page(
                request, self.dashboard, following,
                problem=problem, name=name, status=429, headers=headers,
            )  # fmt: skip
        try:
            right = await run_in_threadpool(self._is_right, account, form.get("password", ""))
            if right and account is not None:
                self.limits.succeeded(account, address)
                viewer = Viewer(account, Role.VIEWER)  # the role is read with each look-up
                return await run_in_threadpool(self.begin, request, viewer, following, local=True)
        except SQLAlchemyError as error:
            log.warning("accounts cannot be read", error=str(error))
            problem = say("login.away", language)
            return login_page(
                request, self.dashboard, following, problem=problem, name=name, status=503
            )
        log.info("sign-in failed", who=name[:64], address=address)
        problem = say("login.wrong", language)
        return login_page(
            request, self.dashboard, following, problem=problem, name=name, status=401
        )

    def begin(
        self, request: Request, viewer: Viewer, following: str, *, local: bool
    ) -> RedirectResponse:
        """A session of a new name (whatever the browser had is ended), and on to the page."""
        old = request.cookies.get(COOKIE)
        address = request.client.host if request.client else ""
        with self.dashboard.history.transaction() as connection:
            if old:
                end_session(connection, old)
            session = begin_session(connection, viewer, local_ms(), local=local)
            record_audit(connection, local_ms(), viewer.name, "signed in", detail=f"from {address}")
        if old:
            self.dashboard.identities.forget(old)
        response = RedirectResponse(following, 303, {"Cache-Control": "no-store"})
        response.set_cookie(
            COOKIE,
            session,
            max_age=self.dashboard.identities.lifetime().whole_ms // 1000,
            httponly=True,
            samesite="lax",
            secure=is_encrypted(request, self.dashboard),
        )
        return response

    def sign_out(self, request: Request) -> Response:
        """End the session of this browser.

        Raises:
            AccountsAwayError: the database cannot be used; the session goes on.
        """
        session = request.cookies.get(COOKIE)
        if session:
            self._end(session, self._viewer(request))
            self.dashboard.identities.forget(session)
        response = RedirectResponse("/login", 303, {"Cache-Control": "no-store"})
        response.delete_cookie(COOKIE)
        return response

    def session(self, request: Request) -> Response:
        """Whether this browser is signed in; asking does not count as use.

        Raises:
            AccountsAwayError: nobody knows.
        """
        viewer = self.dashboard.identities.viewer(credentials_of(request), use=False)
        answer: dict[str, Any] = {"signed_in": viewer is not None}
        if viewer is not None:
            answer |= {"name": viewer.name, "role": viewer.role.value}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def _end(self, session: str, viewer: Viewer | None) -> None:
        try:
            with self.dashboard.history.transaction() as connection:
                end_session(connection, session)
                if viewer is not None:
                    record_audit(connection, local_ms(), viewer.name, "signed out")
        except SQLAlchemyError as error:
            log.warning("a session cannot be ended", error=str(error))
            raise AccountsAwayError("sessions cannot be ended at the moment") from None

    def _viewer(self, request: Request) -> Viewer | None:
        session = Credentials(session=request.cookies.get(COOKIE))
        return self.dashboard.identities.viewer(session)

    def _is_right(self, account: str | None, password: str) -> bool:
        """Takes as long for a name that nobody has."""
        stored = None
        if account is not None:
            with self.dashboard.history.snapshot() as connection:
                stored = password_hash_of(connection, account)
        return is_password(stored, password)


def known_as(name: str) -> str | None:
    """The account of a name that was typed, or None for what can be no name."""
    try:
        return account_name(name)
    except AccountError:
        return None


def own_path(text: str) -> str:
    """A path of this dashboard to go on to; ``/`` for what would lead elsewhere.

    >>> own_path("/camera?camera=gate"), own_path("//evil.example"), own_path("https://e.example")
    ('/camera?camera=gate', '/', '/')
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    plain = all(" " < character != "\\" for character in text)
    leads_here = text.startswith("/") and not text.startswith("//")
    if parts.scheme or parts.netloc or not plain or not leads_here or len(text) > 2000:
        return "/"
    return "/" if parts.path.startswith(("/login", "/auth/")) else text


def is_encrypted(request: Request, dashboard: Dashboard) -> bool:
    """Whether the browser came by https, so that the cookie must not travel otherwise."""
    public = f"https://{request.headers.get('host', '').lower()}"
    return request.url.scheme == "https" or dashboard.site.dashboard.public_url == public


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, each once.

    Raises:
        HTTPException: 400, it is too long or no form.
    """
    too_long = bad_request(f"the form is longer than {LARGEST_FORM} bytes")
    body = await read_body(request, LARGEST_FORM, too_long)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        raise bad_request("the body is no form") from None
    return {name: values[0] for name, values in fields.items()}
