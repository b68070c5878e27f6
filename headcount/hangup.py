"""SIGHUP: the services take over what the site file says now, as after an edit in the dashboard."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.broker import connect
from core.clock import Clock
from core.history import History, HistoryError
from core.messages import Keys, Service
from core.reloading import publish
from core.site_file import LoadedSite, SiteFileError, load_site
from headcount.failures import InputError

BY = "SIGHUP"  # who applied the configuration, in the list of versions

log = structlog.get_logger(__name__)


class ReloadOnHangup:
    """Reloads on SIGHUP between entering and leaving the context, in the main thread.

    A terminal that is closed sends the same signal; then ``stop`` is set instead.

    Args:
        running: the site as it was started.
        url: of the broker.
        services: which are told.
    """

    def __init__(
        self,
        running: LoadedSite,
        url: str,
        stop: threading.Event,
        services: Sequence[Service] = tuple(Service),
    ) -> None:
        self._running = running
        self._url = url
        self._stop = stop
        self._services = services
        self._had_terminal = _has_terminal()
        self._lock = threading.Lock()
        self._before: signal._HANDLER = signal.SIG_DFL

    def __enter__(self) -> ReloadOnHangup:
        self._before = signal.signal(signal.SIGHUP, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGHUP, self._before)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._had_terminal and not _has_terminal():
            self._stop.set()
            return
        threading.Thread(target=self._reload, name="reload", daemon=True).start()

    def _reload(self) -> None:
        with self._lock:
            try:
                reload_site(self._running, self._url, self._services)
            except (SiteFileError, InputError) as error:
                log.error("configuration not applied", why=str(error))  # noqa: TRY400
            except (SQLAlchemyError, HistoryError) as error:
                log.error("configuration not applied: no history", why=str(error))  # noqa: TRY400


def reload_site(running: LoadedSite, url: str, services: Sequence[Service]) -> None:
    """Have services run what the site file says now.

    Raises:
        SiteFileError, InputError: `headcount check` refuses it; nothing changes.
        SQLAlchemyError, HistoryError: the history cannot be written; nothing changes.
    """
    from headcount.check import require_usable  # most services never need what it loads

    new = load_site(running.path)
    require_usable(new.path, new.written)
    history = History.open(running.site.history.url)
    try:
        with connect(url) as client:
            now_ms = Clock(client).now_ms()
            keys = Keys(running.site.broker.shards)
            published = publish(history, client, keys, new, BY, now_ms, services)
    finally:
        history.close()
    log.info("configuration published", version=new.version)
    if published.waiting:
        log.warning(published.waiting)
    for failure in published.failures:
        log.warning(failure)


def _has_terminal() -> bool:
    """Whether this process has a terminal that is open."""
    try:
        os.close(os.open(Path("/dev/tty"), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
