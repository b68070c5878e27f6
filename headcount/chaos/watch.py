"""Watches a site under chaos as its users do: the API, the notices, the history, the processes."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import psutil
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from core.clock import local_ms
from core.history import History, HistoryError
from core.history_schema import incidents, outbox, zone_states
from core.messages import Keys, Reading
from headcount.chaos.record import (
    CameraSeen,
    IncidentGone,
    IncidentSeen,
    NoticeReceived,
    NoticeWritten,
    ProcessSeen,
    ReadingSeen,
    Record,
    StoredSeen,
)
from headcount.readings import ReadingsFollower

LOOK_EVERY_S = 0.5
PROCESSES_EVERY = 4  # looks
API_TIMEOUT_S = 5.0
SERVICES = ("ingest", "worker", "alerts", "dashboard")


class Receiver:
    """The other end of the notification channel; a context manager.

    ``before_answer`` is called once, with a notice taken and its answer not yet sent: the moment
    between sending and marking.
    """

    def __init__(self, record: Record) -> None:
        self.before_answer: Callable[[], None] | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers.get("Idempotency-Key")
                record.received.append(
                    NoticeReceived(local_ms(), key, str(body["title"]), str(body["message"]))
                )
                act, receiver.before_answer = receiver.before_answer, None
                if act is not None:
                    act()
                    return  # whoever sent it is gone
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver")

    @property
    def url(self) -> str:
        """The channel's Apprise URL."""
        return f"json://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def role_of(process: psutil.Process) -> str | None:
    """What a process below the supervisor does, or None for one that has just ended."""
    try:
        words = process.cmdline()
        parent = process.parent()
        above = parent.cmdline() if parent is not None else []
    except psutil.Error:
        return None
    if words and "redis-server" in words[0]:
        return "broker"
    if "headcount" in words:
        found = [word for word in words if word in SERVICES]
        return found[0] if found else None
    return "camera" if "ingest" in above else None


class Watch:
    """Fills a record from threads of its own while the context is open.

    Args:
        url: of the broker; ``api``: address of the dashboard.
        database: URL of the history.
        ending: set when the site is told to stop, and the API need not answer any more.
    """

    def __init__(
        self, record: Record, url: str, api: str, database: str, ending: threading.Event
    ) -> None:
        self._record = record
        self._api = api
        self._database = database
        self._ending = ending
        self._history: History | None = None
        self._incidents: dict[int, IncidentSeen] = {}  # as last recorded
        self._answered_at: float | None = None
        self._stop = threading.Event()
        self._follower = ReadingsFollower(url, Keys(), self._reading)
        self._threads = [
            threading.Thread(target=self._run, args=(look,), name=look.__name__, daemon=True)
            for look in (self._look_at_api, self._look_at_history, self._look_at_processes)
        ]

    def __enter__(self) -> Self:
        self._follower.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)
        self._follower.__exit__()
        if self._history is not None:
            self._history.close()

    def _run(self, look: Callable[[], None]) -> None:
        every_s = LOOK_EVERY_S
        if look == self._look_at_processes:
            every_s *= PROCESSES_EVERY
        while not self._stop.wait(every_s):
            look()

    def _reading(self, reading: Reading, _now_ms: int) -> None:
        self._record.readings.append(
            ReadingSeen(
                reading.camera,
                reading.seq,
                reading.captured_at,
                reading.published_at,
                reading.count,
            )
        )

    def _look_at_api(self) -> None:
        try:
            address = f"{self._api}/api/v1/cameras"
            with urllib.request.urlopen(address, timeout=API_TIMEOUT_S) as answer:  # noqa: S310
                cameras = json.load(answer)
        except (OSError, ValueError):
            if self._answered_at is not None and not self._ending.is_set():
                silent_s = time.monotonic() - self._answered_at
                self._record.silent_api_s = max(self._record.silent_api_s, silent_s)
            return
        self._answered_at = time.monotonic()
        at = local_ms()
        for camera in cameras:
            values = [camera["count"], camera["low"], camera["high"]]
            for zone in camera["zones"]:
                values += [zone["count"], zone["density"]]
            self._record.cameras.append(
                CameraSeen(
                    at,
                    camera["id"],
                    camera["status"],
                    camera["reason"],
                    tuple(values),
                    camera["age_s"],
                )
            )

    def _look_at_history(self) -> None:
        try:
            if self._history is None:
                self._history = History.open(self._database)
            with self._history.snapshot() as connection:
                self._take(connection)
        except (SQLAlchemyError, HistoryError):
            return  # locked; the next look is soon

    def _take(self, connection: Connection) -> None:
        at = local_ms()
        rows = connection.execute(
            select(
                incidents.c.id,
                incidents.c.kind,
                incidents.c.camera,
                incidents.c.raised_at,
                incidents.c.cleared_at,
            )
        )
        self._note_incidents({row.id: IncidentSeen(at, *row) for row in rows}, at)
        newest = select(zone_states.c.camera, func.max(zone_states.c.at)).group_by(
            zone_states.c.camera
        )
        self._record.stored += [StoredSeen(at, *row) for row in connection.execute(newest)]

    def _note_incidents(self, now: dict[int, IncidentSeen], at: int) -> None:
        """Keep what has changed: all incidents of each look would grow with the square of time."""
        for number, seen in now.items():
            before = self._incidents.get(number)
            if before is None or replace(before, at=at) != seen:
                self._record.incidents.append(seen)
                self._incidents[number] = seen
        for number in self._incidents.keys() - now.keys():
            self._record.gone.append(IncidentGone(at, number))
            del self._incidents[number]

    def _look_at_processes(self) -> None:
        at = local_ms()
        itself = psutil.Process()
        for process in (itself, *itself.children(recursive=True)):
            role = "supervisor" if process == itself else role_of(process)
            if role is None:
                continue
            try:
                with process.oneshot():
                    age_s = at / 1000 - process.create_time()
                    held = process.num_fds(), process.num_threads()
                    # This process also holds the record, which grows.
                    memory = 0.0 if process == itself else process.memory_info().rss / 2**20
            except psutil.Error:
                continue
            self._record.processes.append(ProcessSeen(at, role, process.pid, age_s, *held, memory))


def written_notices(database: str) -> list[NoticeWritten]:
    """The outbox as it is now."""
    history = History.open(database)
    try:
        with history.snapshot() as connection:
            rows = connection.execute(select(outbox).order_by(outbox.c.id)).all()
    finally:
        history.close()
    return [
        NoticeWritten(
            row.key,
            row.event,
            row.incident,
            row.sent_at is not None,
            row.dropped_at is not None,
            row.error,
        )
        for row in rows
    ]
