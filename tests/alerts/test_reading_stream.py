"""Readings from a real Redis: nothing lost, whatever vanishes."""

from pathlib import Path

import pytest
import redis

from alerts.reading_stream import ReadingStream
from core.broker import connect
from core.messages import ALERTS_GROUP, Keys
from tests.alerts.readings import reading
from tests.lossy_network import LossyNetwork
from tests.restartable_broker import RestartableBroker

KEYS = Keys()


def publish(client: redis.Redis, *counts: float, start: int = 0) -> None:
    for index, count in enumerate(counts):
        client.xadd(KEYS.readings(0), reading("gate", start + index * 1000, count).to_fields())


def counts(stream: ReadingStream) -> list[float]:
    entries = stream.read(100, 50)
    return [found.count for _, found in entries if found is not None]


def test_readings_published_before_the_first_start_are_read(
    redis_url: str, redis_client: redis.Redis
) -> None:
    publish(redis_client, 1, 2)
    stream = ReadingStream(redis_url, KEYS, 0)
    assert counts(stream) == [1, 2]
    publish(redis_client, 3, start=5000)
    assert counts(stream) == [3]
    stream.close()


def test_a_successor_begins_with_what_was_not_acknowledged(
    redis_url: str, redis_client: redis.Redis
) -> None:
    publish(redis_client, 1, 2, 3)
    crashed = ReadingStream(redis_url, KEYS, 0)
    entries = crashed.read(100, 50)
    crashed.acknowledge([entry_id for entry_id, _ in entries[:1]])
    crashed.close()
    publish(redis_client, 4, start=9000)
    successor = ReadingStream(redis_url, KEYS, 0)
    assert counts(successor) == [2, 3]
    assert counts(successor) == [4]
    successor.close()


def test_after_a_flush_the_group_is_made_again(redis_url: str, redis_client: redis.Redis) -> None:
    stream = ReadingStream(redis_url, KEYS, 0)
    publish(redis_client, 1)
    assert counts(stream) == [1]
    redis_client.flushall()
    publish(redis_client, 2, start=5000)
    assert counts(stream) == [2]
    assert redis_client.xinfo_groups(KEYS.readings(0))[0]["name"] == ALERTS_GROUP.encode()
    stream.close()


def test_an_unreadable_entry_is_reported_as_none_and_can_be_acknowledged(
    redis_url: str, redis_client: redis.Redis
) -> None:
    redis_client.xadd(KEYS.readings(0), {"v": "1", "json": "{"})
    publish(redis_client, 5)
    stream = ReadingStream(redis_url, KEYS, 0)
    entries = stream.read(100, 50)
    assert [found and found.count for _, found in entries] == [None, 5]
    stream.acknowledge([entry_id for entry_id, _ in entries])
    assert redis_client.xpending(KEYS.readings(0), ALERTS_GROUP)["pending"] == 0
    stream.close()


def test_entries_trimmed_while_pending_do_not_stop_the_stream(
    redis_url: str, redis_client: redis.Redis
) -> None:
    publish(redis_client, 1, 2)
    crashed = ReadingStream(redis_url, KEYS, 0)
    crashed.read(100, 50)
    crashed.close()
    redis_client.xtrim(KEYS.readings(0), maxlen=1, approximate=False)
    successor = ReadingStream(redis_url, KEYS, 0)
    entries = successor.read(100, 50)
    assert [found and found.count for _, found in entries] == [None, 2]
    successor.close()


def test_a_broker_that_comes_back_empty_is_read_on(own_broker: RestartableBroker) -> None:
    stream = ReadingStream(own_broker.url, KEYS, 0)
    with connect(own_broker.url) as client:
        publish(client, 1)
    assert counts(stream) == [1]
    own_broker.stop()
    with pytest.raises((redis.RedisError, OSError)):
        stream.read(100, 50)
    own_broker.start()
    with connect(own_broker.url) as client:
        publish(client, 2)
    assert counts(stream) == [2]
    stream.close()


def test_readings_whose_answer_was_lost_come_before_later_ones(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """Else they would be older than the last of their camera, and be left out."""
    with LossyNetwork(tmp_path, redis_url.removeprefix("unix://")) as network:
        stream = ReadingStream(network.url, KEYS, 0)
        publish(redis_client, 1)
        assert counts(stream) == [1]
        publish(redis_client, 2, start=5000)
        network.lose_answer_holding(b"captured_at")
        with pytest.raises((redis.RedisError, OSError)):
            stream.read(100, 50)
        assert network.lost.is_set()
        publish(redis_client, 3, start=9000)
        assert counts(stream) == [1, 2]  # neither was acknowledged
        assert counts(stream) == [3]
        stream.close()
