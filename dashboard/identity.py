"""Who a cookie or a token belongs to, looked up for each request and for each run of a page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.access_settings import AccessSettings
from core.accounts import secret_hash, token_viewer
from core.clock import local_ms
from core.history import History
from core.roles import LOCAL, Viewer
from core.sessions import SEEN_EVERY_MS, Lifetime, delete_ended, session_viewer, touch_session

COOKIE = "headcount_session"
FRESH_S = 2.0  # an answer of the database counts so long: a removed user is out that soon
OUTAGE_S = 300.0  # and so long while the database is away, so that the wall does not go dark
MOST_REMEMBERED = 5000
CLEAN_EVERY_S = 3600.0

log = structlog.get_logger()


class AccountsAwayError(RuntimeError):
    """The database cannot say who this is, and it is too long since it did.

    Answered with 503 by `dashboard.service.application`.
    """


@dataclass(frozen=True)
class Credentials:
    """What a browser or a program shows of itself; a token goes before a cookie."""

    session: str | None = None
    token: str | None = None

    @property
    def by_cookie(self) -> bool:
        return self.token is None


@dataclass(frozen=True)
class _Known:
    viewer: Viewer
    asked_at: float  # monotonic


class Identities:
    """Answers who it is, with the answers of the last seconds at hand. Safe between threads.

    Args:
        access: the site's section `access`; a change of it waits for the next start.
    """

    def __init__(self, history: History, access: AccessSettings) -> None:
        self._history = history
        self.access = access
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self._clean_at = 0.0  # monotonic

    @property
    def login_off(self) -> bool:
        return self.access.login == "off"

    def remembered(self, credentials: Credentials) -> Viewer | None:
        """The viewer, where it need not be looked up now; None says nothing."""
        if self.login_off:
            return LOCAL
        known = self._recall(credentials)
        fresh = known is not None and time.monotonic() - known.asked_at < FRESH_S
        return known.viewer if known and fresh else None

    def viewer(self, credentials: Credentials, *, use: bool = True) -> Viewer | None:
        """Whose credentials these are, or None. It may ask the database.

        Args:
            use: a session counts as used now.

        Raises:
            AccountsAwayError: the database cannot be asked.
        """
        remembered = self.remembered(credentials)
        if remembered is not None:
            return remembered
        key = _key(credentials)
        if key is None:
            return None
        try:
            viewer = self._ask(credentials, use)
        except SQLAlchemyError as error:
            known = self._recall(credentials)
            if known is not None and time.monotonic() - known.asked_at < OUTAGE_S:
                return known.viewer
            log.warning("accounts cannot be read", error=str(error))
            raise AccountsAwayError("accounts cannot be read at the moment") from None
        with self._lock:
            self._known.pop(key, None)
            if viewer is not None:
                self._known[key] = _Known(viewer, time.monotonic())
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return viewer

    def forget(self, session: str) -> None:
        """Ask the database at the next look-up of a session that was ended."""
        with self._lock:
            self._known.pop(_key(Credentials(session=session)) or "", None)

    def lifetime(self) -> Lifetime:
        """How long sessions last."""
        idle_s, whole_s = self.access.idle_timeout, self.access.session_limit
        return Lifetime(round(idle_s * 1000), round(whole_s * 1000))

    def _recall(self, credentials: Credentials) -> _Known | None:
        key = _key(credentials)
        with self._lock:
            return None if key is None else self._known.get(key)

    def _ask(self, credentials: Credentials, use: bool) -> Viewer | None:
        now = local_ms()  # sessions must not depend on the broker
        with self._history.snapshot() as connection:
            if credentials.token is not None:
                return token_viewer(connection, credentials.token)
            session = credentials.session or ""
            found = session_viewer(connection, session, self.lifetime(), now)
        if found is None:
            return None
        viewer, seen_at = found
        if use and now - seen_at > SEEN_EVERY_MS:
            self._touch(session, now)
        return viewer

    def _touch(self, session: str, now: int) -> None:
        try:
            with self._history.transaction() as connection:
                touch_session(connection, session, now)
                if time.monotonic() >= self._clean_at:
                    delete_ended(connection, self.lifetime(), now)
                    self._clean_at = time.monotonic() + CLEAN_EVERY_S
        except SQLAlchemyError as error:
            log.warning("a session's use cannot be written down", error=str(error))


def _key(credentials: Credentials) -> str | None:
    """Under which a look-up is remembered; None for somebody who shows nothing."""
    if credentials.token is not None:
        return "token " + secret_hash(credentials.token)
    return "session " + secret_hash(credentials.session) if credentials.session else None
