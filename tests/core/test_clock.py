import time

import pytest
import redis

from core import clock
from core.broker import LocalBroker, connect
from core.clock import Clock


class ShiftedRedis(redis.Redis):
    """A real client whose server's clock is ahead by ``shift_s``."""

    shift_s = 0

    def time(self, **_: object) -> tuple[int, int]:
        seconds, microseconds = super().time()
        return seconds + self.shift_s, microseconds


@pytest.fixture
def shifted(redis_client: redis.Redis) -> ShiftedRedis:
    return ShiftedRedis(connection_pool=redis_client.connection_pool)


def test_without_a_broker_it_is_this_machines_clock() -> None:
    assert abs(Clock().now_ms() - time.time() * 1000) < 50
    assert abs(Clock().offset_ms) <= 1


def test_the_brokers_clock_is_followed(shifted: ShiftedRedis) -> None:
    shifted.shift_s = 3600
    ours = Clock(shifted)
    ahead = ours.now_ms() - time.time() * 1000
    assert 3_599_900 < ahead < 3_600_100
    assert 3_599_900 < ours.offset_ms < 3_600_100


def test_half_the_round_trip_is_taken_off(shifted: ShiftedRedis) -> None:
    class Slow(ShiftedRedis):
        def time(self, **_: object) -> tuple[int, int]:
            answer = super().time()
            time.sleep(0.2)  # the way back is slow: the answer is 200 ms old when it arrives
            return answer

    ours = Clock(Slow(connection_pool=shifted.connection_pool))
    assert abs(ours.now_ms() - time.time() * 1000 + 100) < 60


def test_it_is_measured_again_when_due(
    shifted: ShiftedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Clock(shifted)
    ours.now_ms()
    shifted.shift_s = 60
    assert abs(ours.now_ms() - time.time() * 1000) < 100
    monkeypatch.setattr(ours, "_due", 0.0)
    assert ours.now_ms() - time.time() * 1000 > 59_000


def test_a_correction_of_this_machines_clock_does_not_show(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Clock(redis_client)
    before = ours.now_ms()
    monkeypatch.setattr(clock, "local_ms", lambda: 0)
    assert 0 <= ours.now_ms() - before < 200


def test_an_outage_keeps_the_last_measurement_and_never_raises() -> None:
    with LocalBroker() as broker, connect(broker.url) as client:
        shifted = ShiftedRedis(connection_pool=client.connection_pool)
        shifted.shift_s = 60
        ours = Clock(shifted)
        ours.now_ms()
        broker.stop()
        ours._due = 0.0
        assert ours.now_ms() - time.time() * 1000 > 59_000
        with pytest.raises(redis.ConnectionError):
            ours.measure()


def test_a_clock_made_while_the_broker_is_away_starts_with_this_machines() -> None:
    with connect("unix:///nowhere/redis.sock") as client:
        assert abs(Clock(client).now_ms() - time.time() * 1000) < 1000
