import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from core.broker import BrokerError, connect
from core.commands import CommandListener, send_command
from core.messages import Command, Keys, Reply, Service
from tests.restartable_broker import RestartableBroker
from tests.waiting import wait_until

KEYS = Keys()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.commands._BLOCK_MS", 50)


def listener(url: str, **handlers: Callable[[Command], Reply]) -> CommandListener:
    return CommandListener(url, KEYS, Service.INGEST, handlers)


def ask(client: redis.Redis, kind: str, timeout_s: float = 5.0) -> Reply:
    return send_command(client, KEYS, Service.INGEST, kind, {"a": "b"}, b"\xff\x00", timeout_s)


def test_a_command_and_its_reply_carry_arguments_and_binary_values(
    redis_url: str, redis_client: redis.Redis
) -> None:
    def probe(command: Command) -> Reply:
        result = {"arguments": command.arguments}
        return Reply(id=command.id, ok=True, result=result, payload=command.payload)

    with listener(redis_url, probe=probe) as service:
        assert service.wait_until_ready(5)
        reply = ask(redis_client, "probe")
    assert reply.ok
    assert reply.result == {"arguments": {"a": "b"}}
    assert reply.payload == b"\xff\x00"


def test_nobody_answering_is_said_in_one_sentence(redis_client: redis.Redis) -> None:
    with pytest.raises(TimeoutError, match=r"no ingest process answered .*'probe' in 0.2 s"):
        ask(redis_client, "probe", 0.2)


def test_a_failing_handler_answers_without_its_password_and_the_next_command_works(
    redis_url: str, redis_client: redis.Redis
) -> None:
    def fail(command: Command) -> Reply:
        raise OSError("cannot open rtsp://admin:hunter2@camera/live")

    with listener(redis_url, probe=fail, ping=lambda c: Reply(id=c.id, ok=True)) as service:
        assert service.wait_until_ready(5)
        reply = ask(redis_client, "probe")
        assert (reply.ok, reply.error) == (False, "cannot open rtsp://***@camera/live")
        assert ask(redis_client, "ping").ok


def test_an_unknown_command_is_answered_with_the_known_ones(
    redis_url: str, redis_client: redis.Redis
) -> None:
    with listener(redis_url, probe=lambda c: Reply(id=c.id, ok=True)) as service:
        assert service.wait_until_ready(5)
        reply = ask(redis_client, "dance")
    assert not reply.ok
    assert "'dance'; known: probe" in reply.error


@pytest.mark.parametrize(("kind", "times"), [("probe", 1), ("reload", 2)])
def test_one_of_two_processes_answers_but_both_reload(
    redis_url: str, redis_client: redis.Redis, kind: str, times: int
) -> None:
    calls: list[str] = []

    def answer(command: Command) -> Reply:
        calls.append(command.id)
        return Reply(id=command.id, ok=True)

    with listener(redis_url, **{kind: answer}) as one, listener(redis_url, **{kind: answer}) as two:
        assert one.wait_until_ready(5)
        assert two.wait_until_ready(5)
        assert ask(redis_client, kind).ok
        wait_until(lambda: len(calls) == times)
    assert len(calls) == times


def test_a_slow_command_does_not_hold_up_the_next(
    redis_url: str, redis_client: redis.Redis
) -> None:
    release = threading.Event()

    def slow(command: Command) -> Reply:
        release.wait(10)
        return Reply(id=command.id, ok=True)

    with listener(redis_url, slow=slow, quick=lambda c: Reply(id=c.id, ok=True)) as service:
        assert service.wait_until_ready(5)
        waiting = threading.Thread(target=ask, args=(redis_client, "slow", 10.0))
        waiting.start()
        assert ask(redis_client, "quick").ok
        release.set()
        waiting.join()


def test_commands_from_before_the_listener_are_not_carried_out(
    redis_url: str, redis_client: redis.Redis
) -> None:
    calls: list[str] = []

    def answer(command: Command) -> Reply:
        calls.append(command.kind)
        return Reply(id=command.id, ok=True)

    with pytest.raises(TimeoutError):
        ask(redis_client, "old", 0.05)
    with listener(redis_url, old=answer, new=answer) as service:
        assert service.wait_until_ready(5)
        assert ask(redis_client, "new").ok
    assert calls == ["new"]


def test_an_unreadable_command_is_passed_over(redis_url: str, redis_client: redis.Redis) -> None:
    with listener(redis_url, probe=lambda c: Reply(id=c.id, ok=True)) as service:
        assert service.wait_until_ready(5)
        redis_client.xadd(KEYS.commands(Service.INGEST), {"v": "99"})
        assert ask(redis_client, "probe").ok


def test_a_listener_answers_again_after_the_broker_was_restarted(tmp_path: Path) -> None:
    with (
        RestartableBroker(tmp_path) as broker,
        connect(broker.url) as client,
        listener(broker.url, probe=lambda c: Reply(id=c.id, ok=True)),
    ):
        wait_until(lambda: answered(client))
        broker.stop()
        broker.start()
        wait_until(lambda: answered(client))


def answered(client: redis.Redis) -> bool:
    try:
        return ask(client, "probe", 0.3).ok
    except TimeoutError:
        return False


def test_an_absent_broker_is_said_in_one_sentence() -> None:
    with connect("redis://user:hunter2@127.0.0.1:1") as client:
        started = time.monotonic()
        with pytest.raises(BrokerError, match="the broker cannot be used") as caught:
            ask(client, "probe")
    assert time.monotonic() - started < 5
    assert "hunter2" not in str(caught.value)
