"""Long answers and WebSockets last only as long as the rights that they were opened with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RECHECK_S = 5.0


class Lasting:
    """Runs an application and tells it that its client has gone once the rights have.

    The client comes back by itself (an event stream, Streamlit's socket) and then gets what its new
    rights allow, or 401.

    Args:
        same_rights: whether the client may still do what it could at the beginning.
    """

    def __init__(self, app: ASGIApp, same_rights: Callable[[], Awaitable[bool]]) -> None:
        self._app = app
        self._same_rights = same_rights

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watched = _Watched(scope["type"], receive, send, self._same_rights)
        await self._app(scope, watched.receive, watched.send)
        await watched.finish()


class _Watched:
    """One connection: its messages in and out, with a look at the rights every few seconds."""

    def __init__(
        self, kind: str, receive: Receive, send: Send, same_rights: Callable[[], Awaitable[bool]]
    ) -> None:
        self._kind = kind
        self._receive = receive
        self._send = send
        self._same_rights = same_rights
        self._checked_at = time.monotonic()
        self._ended = False
        self._open = False  # an answer was begun and not finished

    async def receive(self) -> Message:
        """The client's next message, or that it has gone."""
        waiting = asyncio.ensure_future(self._receive())
        try:
            while not self._ended:
                left_s = self._checked_at + RECHECK_S - time.monotonic()
                done, _ = await asyncio.wait({waiting}, timeout=max(0.0, left_s))
                if time.monotonic() - self._checked_at >= RECHECK_S:
                    await self._check()
                elif done:
                    return waiting.result()
        finally:
            waiting.cancel()
        return {"type": f"{self._kind}.disconnect", "code": 1008}

    async def send(self, message: Message) -> None:
        """A message of the application; nothing is sent once the rights have ended."""
        if self._ended:
            return
        if message["type"] == "http.response.start":
            self._open = True
        elif message["type"] == "http.response.body":
            self._open = bool(message.get("more_body"))
        await self._send(message)

    async def finish(self) -> None:
        """End an answer that was broken off."""
        if self._ended and self._open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _check(self) -> None:
        self._checked_at = time.monotonic()
        if await self._same_rights():
            return
        self._ended = True
        if self._kind == "websocket":
            await self._send({"type": "websocket.close", "code": 1008, "reason": "signed out"})
