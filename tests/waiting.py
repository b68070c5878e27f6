"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float = 30.0, every_s: float = 0.01) -> T:
    """The first true value of ``condition()``; fails the test after ``timeout_s``.

    Be patient: that costs nothing where all is well, and a busy machine is no defect.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s} s (last value: {value!r})")
        time.sleep(every_s)
