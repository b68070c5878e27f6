"""Deletes evidence that is older than ``privacy.keep_evidence``, a little at a time."""

from __future__ import annotations

import time

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from alerts.evidence_folder import EvidenceFolder
from core.clock import Clock
from core.evidence import forget_evidence, old_evidence
from core.heartbeat import HeartbeatSender
from core.history import History
from core.history_schema import evidence

LOOK_EVERY_S = 60.0
DELETED_AT_ONCE = 200  # files
STRAYS_EVERY_S = 3600.0
YOUNGEST_STRAY_MS = 3_600_000  # a younger folder may be one that is being written

log = structlog.get_logger()


class EvidenceRetention:
    """What to delete, and when. Several instances of the service may do it at once."""

    def __init__(
        self,
        folder: EvidenceFolder,
        history: History,
        clock: Clock,
        heartbeat: HeartbeatSender,
    ) -> None:
        self._folder = folder
        self._history = history
        self._clock = clock
        self._heartbeat = heartbeat
        self._look_at = self._strays_at = 0.0  # monotonic

    def look(self, keep_s: float) -> None:
        """Once a minute delete some of what is too old; a failure is told and counted.

        Args:
            keep_s: how long evidence is kept, seconds.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        try:
            self.delete_old(keep_s)
            if now >= self._strays_at:
                self._strays_at = now + STRAYS_EVERY_S
                self.delete_strays(keep_s)
        except (OSError, SQLAlchemyError) as error:
            log.warning("old evidence not deleted", error=str(error))
            self._heartbeat.count("evidence_failed_total")

    def delete_old(self, keep_s: float) -> int:
        """Delete up to 200 files that are too old; returns how many.

        Raises:
            OSError: one of them cannot be deleted; those before it are.
            sqlalchemy.exc.SQLAlchemyError: the database is locked or away.
        """
        before = self._clock.now_ms() - round(keep_s * 1000)
        with self._history.snapshot() as connection:
            files = old_evidence(connection, before, DELETED_AT_ONCE)
        for file in files:
            self._folder.delete(file)
            with self._history.transaction() as connection:
                forget_evidence(connection, file)
        if files:
            incidents = sorted({file.incident for file in files})
            log.info("old evidence deleted", files=len(files), incidents=incidents)
            self._heartbeat.count("evidence_deleted_total", len(files))
        return len(files)

    def delete_strays(self, keep_s: float) -> None:
        """Delete old folders of which the database knows nothing.

        Raises:
            OSError: one of them cannot be deleted.
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        before = self._clock.now_ms() - max(round(keep_s * 1000), YOUNGEST_STRAY_MS)
        with self._history.snapshot() as connection:
            known = list(connection.execute(select(evidence.c.incident).distinct()).scalars())
        strays = self._folder.delete_strays(known, before)
        if strays:
            log.info("stray evidence deleted", folders=strays)
