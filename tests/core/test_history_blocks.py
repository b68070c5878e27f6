import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.history_blocks import LEVELS, RawValue, pack, unpack

NOON = 1_750_000_020_000
numbers = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(10**7), 10**7).map(lambda value: value / 1000),
    st.integers(0, 300).map(float),
)
values = st.builds(
    RawValue,
    at=st.integers(0, 2**45),
    seq=st.integers(-(2**60), 2**60),
    count=numbers,
    low=numbers,
    high=numbers,
    smoothed=numbers,
    density=st.none() | numbers,
    worst=st.none() | numbers,
    level=st.sampled_from(LEVELS),
)


def bits(value: RawValue) -> list[object]:
    """The value with its floats as bytes, since -0.0 == 0.0."""
    return [struct.pack("<d", part) if isinstance(part, float) else part for part in value]


@given(st.lists(values, min_size=1, max_size=70))
def test_what_comes_out_is_what_went_in_to_the_last_bit(rows: list[RawValue]) -> None:
    assert [bits(row) for row in unpack(pack(rows))] == [bits(row) for row in rows]


def test_a_minute_of_a_busy_zone_fits_in_a_kilobyte() -> None:
    chance, rows = random.Random(5), []
    for second in range(60):
        count = round(120 + 8 * math.sin(second / 9) + chance.gauss(0, 2), 3)
        smoothed = round(count + chance.gauss(0, 1), 3)
        at = NOON + second * 1000 + chance.randint(0, 40)
        low, high = round(count * 0.8, 3), round(count * 1.25, 3)
        rows.append(
            RawValue(at, second, count, low, high, smoothed, round(smoothed / 30, 3), None, "watch")
        )
    assert len(pack(rows)) < 1000


def test_an_empty_block_and_an_unknown_level_are_refused() -> None:
    row = RawValue(NOON, 1, 1.0, 0.0, 2.0, 1.0, None, None, "normal")
    with pytest.raises(ValueError, match="holds 1 to"):
        pack([])
    with pytest.raises(ValueError, match="dreadful"):
        pack([row._replace(level="dreadful")])


@pytest.mark.parametrize("block", [b"", b"\x01", b"\x01\x01\x00nonsense"])
def test_what_is_no_block_is_said_so(block: bytes) -> None:
    with pytest.raises(ValueError, match="no block of values"):
        unpack(block)


def test_a_block_of_a_newer_version_is_said_so() -> None:
    row = RawValue(NOON, 1, 1.0, 0.0, 2.0, 1.0, None, None, "normal")
    with pytest.raises(ValueError, match="format 9; this version knows 1"):
        unpack(b"\x09" + pack([row])[1:])
