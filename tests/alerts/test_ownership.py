"""One owner per shard, fenced by its epoch."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.ownership import Lease, LeaseLost, is_gone, process_identity
from core.history import History


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = History.open(f"sqlite:///{tmp_path}/history.db")
    yield opened
    opened.close()


def test_the_second_instance_stands_by_until_the_first_has_been_silent(history: History) -> None:
    first, second = Lease(0, "elsewhere/1/1", 8000), Lease(0, "elsewhere/2/1", 8000)
    with history.transaction() as connection:
        assert first.acquire(connection, 1000)
        assert not second.acquire(connection, 8999)
        first.renew(connection, 5000)
        assert not second.acquire(connection, 12_999)
        assert second.acquire(connection, 13_000)
        assert second.epoch == 2


def test_a_replaced_owner_cannot_write(history: History) -> None:
    first, second = Lease(0, "elsewhere/1/1"), Lease(0, "elsewhere/2/1")
    with history.transaction() as connection:
        first.acquire(connection, 0)
        second.acquire(connection, 60_000)
        with pytest.raises(LeaseLost):
            first.renew(connection, 60_001)
        second.renew(connection, 60_002)
    assert first.epoch is None


def test_an_owner_that_goes_leaves_no_wait(history: History) -> None:
    first, second = Lease(0, "elsewhere/1/1"), Lease(0, "elsewhere/2/1")
    with history.transaction() as connection:
        first.acquire(connection, 1000)
        first.release(connection)
        assert second.acquire(connection, 1001)


def test_shards_are_owned_one_by_one(history: History) -> None:
    with history.transaction() as connection:
        assert Lease(0, "elsewhere/1/1").acquire(connection, 0)
        assert Lease(1, "elsewhere/2/1").acquire(connection, 0)


def test_a_killed_process_of_this_host_is_not_waited_for(history: History) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from alerts.ownership import process_identity;"
            "print(process_identity(), flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    identity = child.stdout.readline().strip()
    with history.transaction() as connection:
        Lease(0, identity).acquire(connection, 1000)
        assert not Lease(0, process_identity()).acquire(connection, 1001)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert is_gone(identity)
        assert Lease(0, process_identity()).acquire(connection, 1002)


def test_this_process_and_one_elsewhere_are_not_gone() -> None:
    assert not is_gone(process_identity())
    assert not is_gone("another-host/1/1.00")
    assert not is_gone("nonsense")
