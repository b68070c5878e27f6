"""The one sender of notifications: outbox rows out through Apprise, at least once.

A row is marked as sent after its delivery, so a crash exactly between the two repeats one notice,
with the same key. Rules, in this order, for each row that is not settled yet:

- Notices of one incident leave a channel in their order; a channel that fails rests with growing
  pauses. Each channel has a thread, so that one which hangs keeps no other waiting.
- A clear is sent only where one of its incident's notices was.
- After a delivered notice the same zone and level are quiet on that channel for ``cooldown``. A
  notice that falls into that time waits, and is dropped if its level is over by then. A higher
  level has a quiet time of its own, so it passes at once.
- A notice older than a quarter of an hour is dropped when its level is over, one older than a day
  in any case, a reminder when somebody has acknowledged. What was dropped says so in its row, in
  the log and in the counters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from alerts.notices import Notice
from alerts.ownership import SENDER, Lease, LeaseLost
from alerts.reminders import REMINDER
from core.clock import Clock
from core.heartbeat import HeartbeatSender
from core.history import History
from core.history_schema import incidents, outbox
from core.settings import Channel

STALE_AFTER_MS = 15 * 60_000
GIVE_UP_AFTER_MS = 24 * 3600_000
LONGEST_PAUSE_S = 60.0
POLL_S = 1.0
RECORD_ATTEMPTS = 20
LEASE_MS = 60_000  # a delivery may take a while
LEVEL_EVENTS = ("raised", "escalated", "eased")
WITH_PICTURE = ("raised", "escalated", REMINDER)
ATTEMPTS_WITH_PICTURE = 3
UNSETTLED = (outbox.c.sent_at.is_(None), outbox.c.dropped_at.is_(None))

log = structlog.get_logger()


Send = Callable[[Channel, Notice, Path | None], str | None]


class Outbox:
    """Sends what is due; a thread of its own between ``start`` and ``stop``.

    Args:
        owner: this process (`alerts.ownership.process_identity`); one process sends at a time.
        send: delivers one notice, with a picture or without, to a channel; returns None or what
            went wrong.
        snapshot: the picture to attach, by incident and camera.
        remind: writes the reminders that are due.
    """

    def __init__(
        self,
        history: History,
        channels: list[Channel],
        clock: Clock,
        owner: str,
        heartbeat: HeartbeatSender,
        send: Send,
        snapshot: Callable[[int, str], Path | None] = lambda _incident, _camera: None,
        remind: Callable[[Connection, int], None] = lambda _connection, _now: None,
    ) -> None:
        self._history = history
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock
        self._lease = Lease(SENDER, owner, LEASE_MS)
        self._heartbeat = heartbeat
        self._send, self._snapshot, self._remind = send, snapshot, remind
        self._resting: dict[str, int] = {}  # channel to when it is tried again, ms UTC
        self._pool = ThreadPoolExecutor(len(channels) + 1, thread_name_prefix="notices")
        self._work: dict[str, Future[None]] = {}  # by channel
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=30)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_sender(self) -> bool:
        """Whether this process sends, rather than standing by."""
        return self._lease.epoch is not None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._heartbeat.progress("outbox")
            self._guard(self._begin_round)
            self._wake.wait(POLL_S)
            self._wake.clear()
        self._pool.shutdown()
        self._heartbeat.loop_ended("outbox")
        try:
            with self._history.transaction() as connection:
                self._lease.release(connection)
        except SQLAlchemyError as error:
            log.warning("sender's lease not released", error=str(error))

    def _guard(self, action: Callable[[], object]) -> None:
        """Do it; another sender, or a database that is away, ends it and not this one."""
        try:
            action()
        except LeaseLost as lost:
            log.warning("no longer the sender", why=str(lost))
        except SQLAlchemyError as error:
            log.warning("the outbox cannot be read or written", error=str(error))
            self._stop.wait(POLL_S)

    def _begin_round(self) -> None:
        """Give each channel what is due for it; one that is still at work keeps nobody waiting."""
        # Who is free is asked before the rows are read, so that none is read that is being sent.
        free = {name for name, work in self._work.items() if work.done()}
        for name in free:
            self._work.pop(name).result()  # raises what nobody expected
        groups: dict[str, list[Row[Any]]] = {}
        for row in self._due():
            groups.setdefault(row.channel, []).append(row)
        for name, rows in groups.items():
            if name not in self._work:
                settle = partial(self._settle_all, rows)
                self._work[name] = self._pool.submit(self._guard, settle)

    def send_due(self) -> int:
        """Settle every row that can be settled now; returns how many were delivered.

        Raises:
            LeaseLost: another process has become the sender.
            sqlalchemy.exc.SQLAlchemyError: the database is locked or away.
        """
        return self._settle_all(self._due())

    def _due(self) -> Sequence[Row[Any]]:
        """The rows that are not settled, oldest first; none while another process is the sender."""
        now = self._clock.now_ms()
        with self._history.transaction() as connection:
            if self._lease.epoch is not None:
                self._lease.renew(connection, now)
            elif not self._lease.acquire(connection, now):
                return []
            self._remind(connection, now)
            return connection.execute(select(outbox).where(*UNSETTLED).order_by(outbox.c.id)).all()

    def _settle_all(self, rows: Sequence[Row[Any]]) -> int:
        delivered = 0
        waiting: set[tuple[str, int]] = set()  # channel and incident with an earlier open notice
        for row in rows:
            if self._stop.is_set():
                break
            key = (row.channel, row.incident)
            if key in waiting:
                continue
            settled, sent = self._settle(row)
            delivered += sent
            if not settled:
                waiting.add(key)
        return delivered

    def _settle(self, row: Row[Any]) -> tuple[bool, bool]:
        """Whether the row is done with, and whether it was delivered."""
        now = self._clock.now_ms()
        channel = self._channels.get(row.channel)
        with self._history.transaction() as connection:
            self._lease.renew(connection, now)
            # The lease may have been lost and regained since the row was read.
            known = select(outbox.c.id).where(outbox.c.id == row.id, *UNSETTLED)
            if connection.execute(known).first() is None:
                return True, False
            useless = self._why_useless(connection, row, channel, now)
            cooling = channel is not None and self._is_cooling(connection, row, channel, now)
            if useless is not None:
                _mark(connection, row.id, dropped_at=now, error=useless)
        if useless is not None:
            log.info("notice dropped", channel=row.channel, key=row.key, why=useless)
            self._heartbeat.count("notifications_dropped_total")
            return True, False
        assert channel is not None
        if cooling or now < max(row.next_at, self._resting.get(channel.name, 0)):
            return False, False
        return self._deliver(row, channel)

    def _deliver(self, row: Row[Any], channel: Channel) -> tuple[bool, bool]:
        began = time.monotonic()
        level = "normal" if row.event == "cleared" else row.level
        notice = Notice(
            row.title, row.body, row.key, row.event, level, row.camera or "", row.zone or None
        )
        error = self._send(channel, notice, self._picture(row, channel))
        now = self._clock.now_ms()
        if error is None:
            self._resting.pop(channel.name, None)
            values: dict[str, Any] = {"sent_at": now, "error": None}
            log.info("notice sent", channel=row.channel, key=row.key, notice_event=row.event)
            self._heartbeat.count("notifications_sent_total")
        else:
            pause_ms = round(1000 * min(LONGEST_PAUSE_S, 2.0 ** min(row.attempts, 10)))
            self._resting[channel.name] = now + pause_ms
            values = {"next_at": now + pause_ms, "error": error}
            log.warning(
                "notice not delivered",
                channel=row.channel,
                key=row.key,
                error=error,
                attempt=row.attempts + 1,
                again_in_s=pause_ms / 1000,
                took_s=round(time.monotonic() - began, 1),
            )
            self._heartbeat.count("notifications_failed_total")
        self._record(row.id, attempts=row.attempts + 1, **values)
        return error is None, error is None

    def _picture(self, row: Row[Any], channel: Channel) -> Path | None:
        """What to attach. A notice that failed several times goes without: it matters more."""
        wanted = channel.snapshot and row.event in WITH_PICTURE
        if not wanted or row.attempts >= ATTEMPTS_WITH_PICTURE:
            return None
        return self._snapshot(row.incident, row.camera)

    def _record(self, row_id: int, **values: Any) -> None:
        """Write down the outcome; tried for long, since forgetting it repeats the notice."""
        for attempt in range(RECORD_ATTEMPTS):
            try:
                with self._history.transaction() as connection:
                    _mark(connection, row_id, **values)
                return
            except SQLAlchemyError:
                if attempt == RECORD_ATTEMPTS - 1:
                    raise
                self._stop.wait(POLL_S)

    def _why_useless(
        self, connection: Connection, row: Row[Any], channel: Channel | None, now: int
    ) -> str | None:
        if channel is None:
            return "its channel is no longer configured"
        age = now - row.created_at
        if age > GIVE_UP_AFTER_MS:
            return "older than a day"
        if row.event == "cleared":
            if self._was_heard(connection, row):
                return None
            return "none of its incident's notices was delivered"
        if row.event == REMINDER and not self._is_waited_for(connection, row):
            return "its incident was acknowledged or is over"
        # Another attempt under way may have reached the receiver, so only a notice that was never
        # tried, or one that is stale, is dropped because its level is over.
        stale = age > STALE_AFTER_MS
        cooling = row.attempts == 0 and self._is_cooling(connection, row, channel, now)
        if (stale or cooling) and self._is_over(connection, row):
            return "stale: its level is over" if stale else "its level was over within the cooldown"
        return None

    def _is_cooling(
        self, connection: Connection, row: Row[Any], channel: Channel, now: int
    ) -> bool:
        """Whether a notice of the same zone and level was delivered within the cooldown."""
        if row.event not in LEVEL_EVENTS:
            return False
        last = connection.execute(
            select(func.max(outbox.c.sent_at)).where(
                outbox.c.channel == row.channel,
                outbox.c.camera == row.camera,
                outbox.c.zone.is_not_distinct_from(row.zone),
                outbox.c.level == row.level,
                outbox.c.event.in_(LEVEL_EVENTS),
            )
        ).scalar()
        return last is not None and now < last + channel.cooldown * 1000

    def _is_over(self, connection: Connection, row: Row[Any]) -> bool:
        """Whether the incident has moved on from what the notice says."""
        incident = connection.execute(
            select(incidents.c.level, incidents.c.cleared_at).where(incidents.c.id == row.incident)
        ).one_or_none()
        if incident is None or incident.cleared_at is not None or incident.level != row.level:
            return True
        later = select(func.count()).where(
            outbox.c.channel == row.channel,
            outbox.c.incident == row.incident,
            outbox.c.change > row.change,
            outbox.c.event.in_(LEVEL_EVENTS),
        )
        return bool(connection.execute(later).scalar())

    def _is_waited_for(self, connection: Connection, row: Row[Any]) -> bool:
        """Whether the row's incident is open and nobody has acknowledged it."""
        open_ones = select(incidents.c.id).where(
            incidents.c.id == row.incident,
            incidents.c.cleared_at.is_(None),
            incidents.c.acknowledged_at.is_(None),
        )
        return connection.execute(open_ones).first() is not None

    def _was_heard(self, connection: Connection, row: Row[Any]) -> bool:
        sent = select(func.count()).where(
            outbox.c.channel == row.channel,
            outbox.c.incident == row.incident,
            outbox.c.sent_at.is_not(None),
        )
        return bool(connection.execute(sent).scalar())


def _mark(connection: Connection, row_id: int, **values: Any) -> None:
    connection.execute(update(outbox).where(outbox.c.id == row_id).values(**values))
