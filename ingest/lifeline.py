"""Binds a child process: to its parent, so that a parent that was killed leaves none behind, and to
a bounded memory, so that a hostile source takes no more than its own camera along."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_MOST_MEMORY = 3 * 2**30  # bytes of address space; 8K video with many references takes 1.5 GB


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def bound_memory() -> None:
    """Have allocations fail beyond `_MOST_MEMORY`, long before the machine has no more."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
