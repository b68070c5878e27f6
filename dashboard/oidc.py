"""Signing in at an OpenID Connect provider: ``/auth/login`` and ``/auth/callback``.

Authlib does the protocol: discovery, state, nonce, PKCE, the token and its signature. What is kept
between the two routes travels in the signed cookie of the server's session middleware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from core.access_settings import OidcRole, OidcSettings
from core.roles import Role, Viewer
from dashboard.answers import not_found
from dashboard.language import chosen_language
from dashboard.login import Login, own_path
from dashboard.login_page import login_page
from dashboard.running import Dashboard
from dashboard.text import say

FOLLOWING = "headcount_next"  # in the server's session: where to go on to
EVERYBODY = "*"
LONGEST_NAME = 128
PATIENCE_S = 10.0  # with the provider
# What a provider that is away, or answers what it should not, makes of Authlib.
PROVIDER_ERRORS = (
    httpx.HTTPError,
    AuthlibBaseError,
    JoseError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
)

log = structlog.get_logger("audit")


class Oidc:
    """The handlers."""

    def __init__(self, dashboard: Dashboard, login: Login) -> None:
        self.dashboard = dashboard
        self.login = login
        self._settings: OidcSettings | None = None
        self._client: Any = None

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/auth/login", self.begin),
            Route("/auth/callback", self.callback),
        ]

    async def begin(self, request: Request) -> Response:
        """On to the provider."""
        client = self._provider()
        request.session[FOLLOWING] = own_path(request.query_params.get("next", "/"))
        try:
            response: Response = await client.authorize_redirect(request, self._back(request))
        except PROVIDER_ERRORS as error:
            log.warning("the identity provider cannot be used", error=str(error))
            return self._failed(request, "login.provider_away", 503)
        return response

    async def callback(self, request: Request) -> Response:
        """Back from the provider: who is it, and what may they do?"""
        client = self._provider()
        following = own_path(request.session.pop(FOLLOWING, "/"))
        try:
            claims = await self._claims(client, request)
        except PROVIDER_ERRORS as error:
            log.warning("sign-in failed at the provider", error=f"{type(error).__name__}: {error}")
            return self._failed(request, "login.provider_failed", 401)
        settings = self._require_settings()
        viewer = viewer_of_claims(claims, settings)
        if viewer is None:
            name = name_of(claims, settings)
            log.info("sign-in without a role", who=name)
            return self._failed(request, "login.not_allowed", 403, name=name)
        try:
            return await run_in_threadpool(
                self.login.begin, request, viewer, following, local=False
            )
        except SQLAlchemyError as error:
            log.warning("accounts cannot be read", error=str(error))
            return self._failed(request, "login.away", 503)

    async def _claims(self, client: Any, request: Request) -> dict[str, Any]:
        """What the provider says of a person; of its userinfo only what the token lacks."""
        token = await client.authorize_access_token(request)
        claims = dict(token["userinfo"])
        metadata = await client.load_server_metadata()
        groups = self._require_settings().groups_claim
        if claim(claims, groups) is None and metadata.get("userinfo_endpoint"):
            more = dict(await client.userinfo(token=token))
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return claims

    def _provider(self) -> Any:
        """The client of the provider that the site names now.

        Raises:
            HTTPException: 404, this site has none.
        """
        settings = self._require_settings()
        if settings != self._settings:
            oauth = OAuth()
            oauth.register(
                "provider",
                server_metadata_url=f"{settings.issuer}/.well-known/openid-configuration",
                client_id=settings.client_id,
                client_secret=settings.client_secret,
                client_kwargs={
                    "scope": settings.scope,
                    "code_challenge_method": "S256",
                    "timeout": PATIENCE_S,
                },
            )
            self._client, self._settings = oauth.create_client("provider"), settings
        return self._client

    def _require_settings(self) -> OidcSettings:
        access = self.dashboard.identities.access
        if access.login != "oidc" or access.oidc is None:
            raise not_found("there is no identity provider here")
        return access.oidc

    def _back(self, request: Request) -> str:
        """Where the provider sends the browser back to: register this address there."""
        origin = self.dashboard.site.dashboard.public_url or str(request.base_url).rstrip("/")
        return f"{origin}/auth/callback"

    def _failed(self, request: Request, words: str, status: int, **values: str) -> Response:
        problem = say(words, chosen_language(request.cookies), **values)
        return login_page(request, self.dashboard, "/", problem=problem, status=status)


def viewer_of_claims(claims: Mapping[str, Any], settings: OidcSettings) -> Viewer | None:
    """Who it is and what they may do by the first rule that fits, or None where none does."""
    rule = fitting_rule(groups_of(claims, settings.groups_claim), settings.roles)
    if rule is None:
        return None
    cameras = None if rule.cameras is None else frozenset(rule.cameras)
    return Viewer(name_of(claims, settings), Role(rule.role), cameras)


def fitting_rule(groups: Sequence[str], rules: Sequence[OidcRole]) -> OidcRole | None:
    """The first rule for one of these groups, or for everybody."""
    return next((rule for rule in rules if rule.group == EVERYBODY or rule.group in groups), None)


def groups_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """The groups in a claim, which may be a list or one text."""
    value = claim(claims, name)
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by name, or by path as in ``realm_access.roles``; None where there is none."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def name_of(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    """The name that is shown and written into the audit."""
    name = claim(claims, settings.name_claim) or claims["sub"]
    return str(name)[:LONGEST_NAME]
