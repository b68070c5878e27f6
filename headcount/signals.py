"""From signals to a stop event, and a life tied to the supervisor's."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from types import FrameType

SUPERVISOR_VARIABLE = "HEADCOUNT_SUPERVISOR"  # process id of the supervisor that started us
STOP_WITHIN_S = 15.0
_PR_SET_PDEATHSIG = 1


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a process that then does not end is ended hard.

    Call it in the main thread.
    """
    stop = threading.Event()

    def end_hard() -> None:
        os._exit(1)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            timer = threading.Timer(STOP_WITHIN_S, end_hard)
            timer.daemon = True
            timer.start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


def tie_to_supervisor() -> None:
    """Where a supervisor started this process: get SIGTERM when it dies, however it dies."""
    supervisor = os.environ.get(SUPERVISOR_VARIABLE)
    if supervisor is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(supervisor):  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)
