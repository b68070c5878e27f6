"""Commands: a request to a service over its command stream, and the reply to it.

Every process of a service sees every command. ``reload`` is done by each of them; any other kind by
the one that claims it first and takes it off the stream: its arguments may hold the password of a
camera to probe. The sender takes the first reply.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import redis
import structlog

from core.broker import BrokerError, connect, connect_reader
from core.follow import Entry, StreamFollower, split_id
from core.messages import COMMANDS_KEPT, Command, Keys, MessageError, Reply, Service
from core.redaction import redact

FOR_EVERY_PROCESS = frozenset({"reload"})
REPLY_KEPT_S = 60
_BLOCK_MS = 500
_AT_ONCE = 4  # commands handled at the same time by one process
_LONGEST_PAUSE_S = 2.0

log = structlog.get_logger()

Handler = Callable[[Command], Reply]


def send_command(
    client: redis.Redis,
    keys: Keys,
    service: Service,
    kind: str,
    arguments: Mapping[str, str] | None = None,
    payload: bytes | None = None,
    timeout_s: float = 15.0,
) -> Reply:
    """Asks a service and waits for the answer, which may itself be an error (``ok`` is false).

    Raises:
        TimeoutError: nobody answered in time.
        BrokerError: the broker is away.
    """
    command = Command(
        id=secrets.token_hex(8), kind=kind, arguments=dict(arguments or {}), payload=payload
    )
    deadline = time.monotonic() + timeout_s
    try:
        stream = keys.commands(service)
        entry_id = client.xadd(stream, command.to_fields(), maxlen=COMMANDS_KEPT)
        while (left := deadline - time.monotonic()) > 0:
            # Redis takes 0 for "for ever" and rounds to milliseconds.
            key = keys.replies(command.id)
            first: Any = client.blpop([key], timeout=max(0.01, min(left, 2.0)))
            if first:
                rest: Any = client.lpop(key, 2)
                return _unpacked([first[1], *rest])
        if kind not in FOR_EVERY_PROCESS:
            client.xdel(stream, entry_id)  # nobody took it
    except (redis.RedisError, OSError) as error:
        raise BrokerError(f"the broker cannot be used: {redact(str(error))}") from None
    raise TimeoutError(f"no {service} process answered the command {kind!r} in {timeout_s:g} s")


def _packed(reply: Reply) -> list[bytes]:
    """A reply as three elements of its list: version, plain fields, binary value or nothing."""
    fields = reply.to_fields()
    return [fields["v"], fields["json"], fields.get("payload", b"")]


def _unpacked(elements: list[bytes]) -> Reply:
    version, plain, payload = elements
    fields = {b"v": version, b"json": plain}
    return Reply.from_fields(fields | ({b"payload": payload} if payload else {}))


class CommandListener:
    """Answers the commands of a service in threads while the context is open.

    Args:
        handlers: kind of command to what answers it. An exception becomes an error reply; handlers
            run at the same time as one another, up to four.
    """

    def __init__(
        self, url: str, keys: Keys, service: Service, handlers: Mapping[str, Handler]
    ) -> None:
        self._url = url
        self._keys = keys
        self._service = service
        self._handlers = dict(handlers)
        self._client = connect(url)
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="command")

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Whether commands sent from now on are seen; waits for it."""
        return self._ready.wait(timeout_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    def _run(self) -> None:
        pause_s = 0.1
        while not self._stop.is_set():
            try:
                with connect_reader(self._url) as reader:
                    follower = StreamFollower(reader, [self._keys.commands(self._service)])
                    self._ready.set()
                    pause_s = 0.1
                    while not self._stop.is_set():
                        for entry in follower.read(_BLOCK_MS):
                            self._accept(entry)
            except (redis.RedisError, OSError) as error:
                log.warning("commands cannot be received", error=str(error))
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _accept(self, entry: Entry) -> None:
        _, entry_id, fields = entry
        try:
            command = Command.from_fields(fields)
        except MessageError as error:
            log.warning("a command is not readable", error=str(error))
            return
        seconds, _ = self._client.time()
        if seconds - split_id(entry_id)[0] / 1000 > REPLY_KEPT_S:
            return  # whoever sent it has long given up
        if command.kind in FOR_EVERY_PROCESS or self._claim(command, entry_id):
            self._pool.submit(self._answer, command)

    def _claim(self, command: Command, entry_id: bytes) -> bool:
        key = f"{self._keys.replies(command.id)}:claim"
        if not self._client.set(key, b"1", nx=True, ex=REPLY_KEPT_S):
            return False
        self._client.xdel(self._keys.commands(self._service), entry_id)
        return True

    def _answer(self, command: Command) -> None:
        reply = self._handled(command)
        key = self._keys.replies(command.id)
        try:
            with self._client.pipeline() as pipeline:
                pipeline.rpush(key, *_packed(reply))
                pipeline.expire(key, REPLY_KEPT_S)
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            log.warning("a reply cannot be sent", kind=command.kind, error=str(error))

    def _handled(self, command: Command) -> Reply:
        handler = self._handlers.get(command.kind)
        if handler is None:
            known = ", ".join(sorted(self._handlers)) or "none"
            error = f"{self._service} does not know the command {command.kind!r}; known: {known}"
            return Reply(id=command.id, ok=False, error=error)
        try:
            return handler(command)
        except Exception as failure:
            # Whatever goes wrong, whoever asked gets an answer and the service lives on.
            log.exception("a command failed", kind=command.kind)
            text = redact(str(failure)) or type(failure).__name__
            return Reply(id=command.id, ok=False, error=text)
