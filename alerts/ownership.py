"""Who may write: one row of the history database per shard, with an epoch that fences old owners.

The row lives in the database and not in Redis, because Redis may be flushed. Every transaction of
an owner renews its row first; an owner that was replaced meanwhile finds its epoch gone and its
transaction is rolled back.
"""

from __future__ import annotations

import platform
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import Connection, insert, select, update

from core.history_schema import owners

LEASE_MS = 8_000
SENDER = -1  # the "shard" of the sender of notifications


class LeaseLost(RuntimeError):  # noqa: N818  (an event in the life of an owner, not a defect)
    """Another instance has taken over."""


class Lease:
    """The right to write for one shard.

    Args:
        shard: number of the shard, or `SENDER`.
        owner: this process, as `process_identity` names it.
        lease_ms: how long the right lasts after each renewal.
    """

    def __init__(self, shard: int, owner: str, lease_ms: int = LEASE_MS) -> None:
        self.shard = shard
        self.owner = owner
        self.epoch: int | None = None  # None: not held
        self._lease_ms = lease_ms

    def acquire(self, connection: Connection, now_ms: int) -> bool:
        """Take the row if it is free, has expired, or its owner's process is gone."""
        row = connection.execute(
            select(owners).where(owners.c.shard == self.shard).with_for_update()
        ).one_or_none()
        expires = now_ms + self._lease_ms
        if row is None:
            connection.execute(
                insert(owners).values(shard=self.shard, owner=self.owner, epoch=1, expires=expires)
            )
            self.epoch = 1
            return True
        if row.owner != self.owner and row.expires > now_ms and not is_gone(row.owner):
            self.epoch = None
            return False
        taken = connection.execute(
            update(owners)
            .where(owners.c.shard == self.shard, owners.c.epoch == row.epoch)
            .values(owner=self.owner, epoch=row.epoch + 1, expires=expires)
        )
        self.epoch = row.epoch + 1 if taken.rowcount == 1 else None
        return self.epoch is not None

    def renew(self, connection: Connection, now_ms: int) -> None:
        """Make sure that this process still owns the row; the first statement of a transaction.

        Raises:
            LeaseLost: it does not.
        """
        renewed = connection.execute(
            update(owners)
            .where(
                owners.c.shard == self.shard,
                owners.c.owner == self.owner,
                owners.c.epoch == self.epoch,
            )
            .values(expires=now_ms + self._lease_ms)
        )
        if renewed.rowcount != 1:
            self.epoch = None
            raise LeaseLost(f"another process has taken over shard {self.shard}")

    def release(self, connection: Connection) -> None:
        """Let a standby instance take over at once."""
        if self.epoch is None:
            return
        connection.execute(
            update(owners)
            .where(
                owners.c.shard == self.shard,
                owners.c.owner == self.owner,
                owners.c.epoch == self.epoch,
            )
            .values(expires=0)
        )
        self.epoch = None


def process_identity() -> str:
    """``host/pid/start``: unique, and tells another process on this host whether it still lives."""
    process = psutil.Process()
    return f"{_host()}/{process.pid}/{process.create_time():.2f}"


def is_gone(owner: str) -> bool:
    """Whether an owner was a process of this host that has ended: then no need to wait for it."""
    host, _, rest = owner.partition("/")
    pid, _, started = rest.partition("/")
    if host != _host() or not pid.isdecimal():
        return False
    try:
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return f"{process.create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _host() -> str:
    """This host, or this container on it: where process numbers mean the same."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{platform.node()} {namespace}".strip()
