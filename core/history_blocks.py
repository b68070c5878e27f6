"""A minute of a zone's values in a few hundred bytes, without losing a digit.

Readings of one minute resemble each other, so a block holds column after column, each as the
differences between neighbours, and is compressed. Values of at most six decimals become whole
numbers first; others stay 64-bit floats. What comes out is exactly what went in, so sums and
replays do not depend on whether a minute has been packed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.settings import LEVEL_NAMES

FORMAT = 1  # first byte of a block
LEVELS = ("normal", *LEVEL_NAMES)  # their places in this order are what a block holds
MOST_READINGS = 65_535  # in one block
_DECIMALS = (0, 1, 2, 3, 4, 6)
_EXACT = 2**53  # whole numbers up to here are exact as floats
_INTEGERS, _FLOAT, _EMPTY = 253, 254, 255  # instead of a number of decimals
_HEADER = struct.Struct("<BH")
_COLUMN = struct.Struct("<BBB")  # decimals, bytes of a number, whether some are missing
_COMPRESSION = 6


class RawValue(NamedTuple):
    """One value of a zone, of one reading."""

    at: int  # captured_at of the reading, ms UTC
    seq: int
    count: float  # type: ignore[assignment]  # people; hides tuple.count, which nobody calls
    low: float  # 90 % interval, people
    high: float
    smoothed: float  # the value that levels compare, in their unit
    density: float | None  # persons per m2; None without a calibration
    worst: float | None  # persons per m2 at the densest place; None where it is not measured
    level: str  # one of `LEVELS`


def pack(values: Sequence[RawValue]) -> bytes:
    """A block of at least one and at most 65,535 values, oldest first.

    Raises:
        ValueError: there are none or too many, or a level is not known.
    """
    if not 0 < len(values) <= MOST_READINGS:
        raise ValueError(f"a block holds 1 to {MOST_READINGS} values, not {len(values)}")
    columns = list(zip(*values, strict=True))
    for level in set(columns[-1]) - set(LEVELS):
        raise ValueError(f"level {level!r} is not known")
    levels = [LEVELS.index(level) for level in columns[-1]]
    body = b"".join(_pack_column(column) for column in (*columns[:-1], levels))
    return _HEADER.pack(FORMAT, len(values)) + zlib.compress(body, _COMPRESSION)


def unpack(block: bytes) -> list[RawValue]:
    """The values of a block, as they were packed.

    Raises:
        ValueError: it is no block, or of a format that this version does not know.
    """
    try:
        version, length = _HEADER.unpack_from(block)
        body = memoryview(zlib.decompress(block[_HEADER.size :]))
    except (struct.error, zlib.error) as error:
        raise ValueError(f"no block of values: {error}") from None
    if version != FORMAT:
        raise ValueError(f"a block of format {version}; this version knows {FORMAT}")
    columns: list[Sequence[Any]] = []
    for _ in RawValue._fields:
        column, body = _unpack_column(body, length)
        columns.append(column)
    columns[-1] = [LEVELS[place] for place in columns[-1]]
    return [RawValue(*row) for row in zip(*columns, strict=True)]


def _pack_column(column: Sequence[float | None]) -> bytes:
    given = [value for value in column if value is not None]
    if not given:
        return _COLUMN.pack(_EMPTY, 0, 0)
    partly = len(given) < len(column)
    mask = np.packbits([value is not None for value in column]).tobytes() if partly else b""
    decimals, numbers = _whole(given)
    if numbers is None:
        floats = np.asarray(given, dtype="<f8")
        return _COLUMN.pack(_FLOAT, 8, partly) + mask + _shuffled(floats.view("<i8"), 8)
    # The first number stands by itself, so that the others need fewer bytes.
    steps = np.diff(numbers)
    size = _bytes_needed(steps)
    head = _COLUMN.pack(decimals, size, partly) + mask
    return head + struct.pack("<q", int(numbers[0])) + _shuffled(steps, size)


def _whole(values: Sequence[float]) -> tuple[int, NDArray[np.int64] | None]:
    """The values as whole numbers, and by which power of ten; None where that is not exact."""
    if all(isinstance(value, int) for value in values):
        return _INTEGERS, np.asarray(values, dtype=np.int64)
    given = np.asarray(values, dtype=np.float64)
    for decimals in _DECIMALS:
        scaled = given * 10.0**decimals
        if not np.all(np.abs(scaled) < _EXACT):  # too large, or not finite
            break
        numbers = np.round(scaled).astype(np.int64)
        # Compared byte by byte: minus zero is not zero.
        if (numbers / 10.0**decimals).tobytes() == given.tobytes():
            return decimals, numbers
    return _FLOAT, None


def _bytes_needed(numbers: NDArray[np.int64]) -> int:
    largest = int(np.abs(numbers).max(initial=0))
    return next((size for size in (1, 2, 4) if largest < 2 ** (8 * size - 1)), 8)


def _shuffled(numbers: NDArray[np.int64], size: int) -> bytes:
    """The numbers in ``size`` bytes each, all first bytes first, then all second bytes ...

    Bytes of the same place resemble each other, which compresses better.
    """
    return numbers.astype(f"<i{size}").view(np.uint8).reshape(-1, size).T.tobytes()


def _unshuffled(data: memoryview, size: int) -> NDArray[np.int64]:
    table = np.frombuffer(data, np.uint8).reshape(size, -1).T
    return np.ascontiguousarray(table).view(f"<i{size}").ravel().astype(np.int64)


def _unpack_column(body: memoryview, length: int) -> tuple[list[Any], memoryview]:
    decimals, size, partly = _COLUMN.unpack_from(body)
    body = body[_COLUMN.size :]
    if decimals == _EMPTY:
        return [None] * length, body
    present = None
    if partly:
        end = -(-length // 8)
        present = np.unpackbits(np.frombuffer(body[:end], np.uint8), count=length).astype(bool)
        body = body[end:]
    given = length if present is None else int(present.sum())
    if decimals == _FLOAT:
        values = _unshuffled(body[: 8 * given], 8).view(np.float64).tolist()
        body = body[8 * given :]
    else:
        (first,) = struct.unpack_from("<q", body)
        end = 8 + size * (given - 1)
        steps = _unshuffled(body[8:end], size) if given > 1 else np.zeros(0, np.int64)
        numbers = np.cumsum(np.concatenate([np.array([first]), steps]))
        values = (numbers if decimals == _INTEGERS else numbers / 10.0**decimals).tolist()
        body = body[end:]
    if present is None:
        return values, body
    found = iter(values)
    return [next(found) if there else None for there in present], body
