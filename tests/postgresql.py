"""A real PostgreSQL in a private folder, with a new empty database for each test that asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

UNPRIVILEGED = "postgres"  # root must not run the server
START_LIMIT_S = 60


class NoPostgresqlError(RuntimeError):
    """PostgreSQL cannot be run here; the text says why."""


class PostgresqlServer:
    """A running server that listens on a unix socket only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)

    def url(self, database: str) -> str:
        return f"postgresql://headcount@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        name = f"history_{next(self._numbers)}"
        with psycopg.connect(
            host=str(self.folder), user="headcount", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Starts a server, and removes it and its folder at the end.

    Raises:
        NoPostgresqlError: its programs, psycopg or a user to run it as are missing.
    """
    programs = _programs()
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise NoPostgresqlError("the Python package psycopg is not installed") from None
    # Not below pytest's folder, which only its owner may enter; and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="hc-pg-"))
    as_user: dict[str, Any] = {"cwd": folder}
    try:
        if os.geteuid() == 0:
            as_user |= _unprivileged(folder)
        data = folder / "data"
        kind = ("-U", "headcount", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        _run([programs / "initdb", "-D", data, *kind], as_user)
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
        start = [programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options]
        _run([*start, "-w", "-t", str(START_LIMIT_S), "start"], as_user)
        try:
            yield PostgresqlServer(folder)
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], as_user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise NoPostgresqlError("PostgreSQL is not installed (on Debian: apt install postgresql)")
    return found[-1].parent


def _unprivileged(folder: Path) -> dict[str, Any]:
    try:
        shutil.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    except LookupError:
        raise NoPostgresqlError(
            f"root must not run PostgreSQL, and there is no user {UNPRIVILEGED}"
        ) from None
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}


def _run(command: list[str | Path], as_user: dict[str, Any]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the server inherits it: a pipe would never end
        stderr=subprocess.PIPE if "initdb" in str(command[0]) else subprocess.DEVNULL,
        timeout=2 * START_LIMIT_S,
        check=False,
        **as_user,
    )
    if done.returncode:
        said = (done.stderr or b"").decode(errors="replace").strip()
        raise RuntimeError(f"{command[0]} failed with {done.returncode}: {said}")
