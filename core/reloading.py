"""Applying a changed site file while everything runs: the command `reload`, sent and answered.

Whoever publishes a configuration notes it in the history database and sends `reload` with its
version to each service. Each process reads the site file itself, because the history holds no
secrets, and tells in its heartbeats which version it runs.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import redis
import structlog

from core.broker import BrokerError
from core.commands import send_command
from core.config_versions import record
from core.heartbeat import HeartbeatSender
from core.history import History
from core.messages import Command, Keys, Reply, Service
from core.site_changes import applicable, changes
from core.site_file import LoadedSite, SiteFileError, load_site

ANSWER_WITHIN_S = 30.0
NEXT_ROUND_WITHIN_S = 25.0

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True)
class Published:
    """What the services made of a new configuration.

    Attributes:
        waiting: one sentence on what takes effect only at the next start, or empty.
        failures: one sentence per service that does not run it.
    """

    waiting: str
    failures: tuple[str, ...]


def publish(
    history: History,
    client: redis.Redis,
    keys: Keys,
    loaded: LoadedSite,
    by: str,
    at_ms: int,
    services: Sequence[Service] = tuple(Service),
) -> Published:
    """Note a configuration as the applied one and have the services run it.

    Args:
        loaded: as the site file holds it.
        by: who applies it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the history cannot be written; nothing was sent.
    """
    with history.transaction() as connection:
        record(connection, loaded, by, at_ms)
    with ThreadPoolExecutor(len(services)) as pool:
        replies = list(pool.map(lambda each: _ask(client, keys, each, loaded.version), services))
    waiting = {str(reply.result.get("waiting") or "") for reply in replies if reply.ok} - {""}
    failures = [
        f"{service} does not run this configuration: {reply.error}"
        for service, reply in zip(services, replies, strict=True)
        if not reply.ok
    ]
    return Published(" ".join(sorted(waiting)), tuple(failures))


def _ask(client: redis.Redis, keys: Keys, service: Service, version: str) -> Reply:
    arguments = {"version": version}
    try:
        return send_command(client, keys, service, "reload", arguments, timeout_s=ANSWER_WITHIN_S)
    except (TimeoutError, BrokerError) as error:
        return Reply(id="", ok=False, error=str(error))


class Reloads:
    """Answers `reload` for one process.

    Args:
        loaded: what it runs now.
        heartbeat: tells others which version that is.
        apply: makes the process run a new site; returns when it does. Never called twice at once.
    """

    def __init__(
        self, loaded: LoadedSite, heartbeat: HeartbeatSender, apply: Callable[[LoadedSite], None]
    ) -> None:
        self.loaded = loaded
        self._started_with = loaded.written
        self._heartbeat = heartbeat
        self._apply = apply
        self._lock = threading.Lock()

    def answer(self, command: Command) -> Reply:
        """Read the site file and run what it says, as far as that can be changed while running.

        Without the argument ``version`` whatever the file holds is applied.
        """
        with self._lock:
            try:
                new = load_site(self.loaded.path)
            except SiteFileError as error:
                return _refused(command, f"the site file is not valid: {error.problems[0]}")
            wanted = command.arguments.get("version", new.version)
            if new.version != wanted:
                return _refused(
                    command, f"the site file here is version {new.version}, not {wanted}"
                )
            waiting = changes(self._started_with, new.written).waiting_sentence
            if new.version != self.loaded.version:
                self._run(new)
            return Reply(id=command.id, ok=True, result={"version": wanted, "waiting": waiting})

    def _run(self, new: LoadedSite) -> None:
        found = changes(self.loaded.written, new.written)
        applied = dataclasses.replace(new, site=applicable(self.loaded.site, new.site))
        self._apply(applied)
        self.loaded = applied
        self._heartbeat.config_version = new.version
        told = {name: list(what) for name, what in dataclasses.asdict(found).items() if what}
        log.info("configuration applied", version=new.version, **told)


def _refused(command: Command, why: str) -> Reply:
    log.warning("configuration not applied", why=why)
    return Reply(id=command.id, ok=False, error=why)


class Rounds:
    """A service's work in rounds: a new site ends one round and begins the next.

    Args:
        stop: ends the service.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._taken = threading.Event()
        self._next: LoadedSite | None = None

    def begin_anew(self, loaded: LoadedSite) -> None:
        """End this round, and return when the next one has begun with ``loaded``.

        Raises:
            TimeoutError: the round takes too long to end; the next one begins when it has.
        """
        with self._lock:
            if self._stop.is_set():
                return
            self._next = loaded
            self._taken.clear()
            self._ended.set()
        if not self._taken.wait(NEXT_ROUND_WITHIN_S):
            raise TimeoutError("the service is busy; it takes the configuration over when it can")

    def sites(self, loaded: LoadedSite) -> Iterator[tuple[LoadedSite, threading.Event]]:
        """For each round its site, and an event that is set when the round is to end."""
        threading.Thread(target=self._end_with_stop, name="stop", daemon=True).start()
        while True:
            with self._lock:
                self._taken.set()
                if self._stop.is_set():
                    return
                loaded, self._next = self._next or loaded, None
                self._ended = threading.Event()
            yield loaded, self._ended

    def _end_with_stop(self) -> None:
        self._stop.wait()
        with self._lock:
            self._ended.set()
            self._taken.set()
