"""A small OpenID Connect provider: discovery, code with PKCE, signed tokens, userinfo."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from headcount.ports import free_port
from tests.waiting import wait_until


@dataclass
class Provider:
    """Everybody who comes is `person`; what goes wrong can be chosen."""

    issuer: str
    client_id: str = "headcount"
    client_secret: str = "provider secret"
    person: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    signs_with_another_key: bool = False
    audience: str = "headcount"
    codes: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.metadata),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/keys", self.keys),
            Route("/userinfo", self.info),
        ]

    def metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    def authorize(self, request: Request) -> Response:
        query = parse_qs(request.url.query)
        code = secrets.token_urlsafe()
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"][0]})
        return RedirectResponse(f"{query['redirect_uri'][0]}?{back}")

    async def token(self, request: Request) -> Response:
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        asked = self.codes.pop(form["code"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        login = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        assert asked["code_challenge"] == [challenge]
        assert request.headers["authorization"] == f"Basic {login}"
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": self.audience, "iat": now, "exp": now + 60,
            "nonce": asked["nonce"][0], **self.person,
        }  # fmt: skip
        key = RSAKey.generate_key(2048) if self.signs_with_another_key else self.key
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    def info(self, _: Request) -> Response:
        return JSONResponse(self.userinfo)


@contextmanager
def running_provider() -> Iterator[Provider]:
    """One on a port of its own, until the end of the block."""
    port = free_port()
    provider = Provider(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(
        Starlette(routes=provider.routes()), port=port, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="provider")
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield provider
    finally:
        server.should_exit = True
        thread.join()
