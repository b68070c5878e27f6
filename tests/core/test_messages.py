from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from core.follow import read_back
from core.messages import Frame, Keys, Message, MessageError, Reading, Service
from tests.core.messages_of import heartbeat, picture, reading, state


def as_bytes(fields: dict[Any, Any]) -> dict[bytes, bytes]:
    return {name.encode(): value for name, value in fields.items()}


@pytest.mark.parametrize(
    "message",
    [
        reading(crowd_map=b"\x89PNG\x00\xff", crowd_map_peak=0.25),
        reading(),
        state(detail="wrong password — 비밀번호"),
        heartbeat(Service.WORKER, counters={'drops_total{camera="a"}': 2.0}),
        picture(jpeg=bytes(range(256))),
        Frame(camera="a", seq=1, captured_at=2, width=3, height=4, jpeg=b"\x00"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_comes_out_of_a_stream_as_it_went_in(
    redis_client: redis.Redis, message: Message
) -> None:
    redis_client.xadd("stream", message.to_fields())
    ((_, _, fields),) = read_back(redis_client, "stream", count=1)
    assert type(message).from_fields(fields) == message


@given(
    st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), max_size=20),
    st.none() | st.binary(max_size=50),
)
def test_heads_and_maps_survive_exactly(
    heads: list[tuple[float, float, float]], crowd_map: bytes | None
) -> None:
    sent = reading(heads=heads, crowd_map=crowd_map)
    assert Reading.from_fields(as_bytes(sent.to_fields())) == sent


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "wire version"),
        ({b"v": b"2", b"json": b"{}"}, "wire version b'2', expected 1"),
        ({b"v": b"1"}, "has no field 'json'"),
        ({b"v": b"1", b"json": b"{"}, "not readable as JSON"),
        ({b"v": b"1", b"json": b"[]"}, "not readable as JSON"),
        ({b"v": b"1", b"json": b"\xff"}, "not readable as JSON"),
        ({b"v": b"1", b"json": b"{}"}, "camera: Field required"),
    ],
)
def test_what_is_no_message_is_refused_with_its_reason(
    fields: dict[bytes, bytes], why: str
) -> None:
    with pytest.raises(MessageError, match=why):
        Reading.from_fields(fields)


def test_a_newer_writers_extra_field_is_passed_over() -> None:
    fields = as_bytes(reading().to_fields())
    fields[b"json"] = fields[b"json"][:-1] + b',"mood":"calm"}'
    fields[b"thermal"] = b"\x00"
    assert Reading.from_fields(fields) == reading()


@given(st.text("abcdefgh-0123", min_size=1), st.integers(1, 64))
def test_all_keys_of_a_camera_share_its_shards_hash_tag(camera: str, shards: int) -> None:
    keys = Keys(shards)
    shard = keys.shard(camera)
    assert 0 <= shard < shards
    for key in (keys.frames(camera), keys.pictures(camera), keys.readings(shard)):
        assert f"{{{shard}}}" in key
