"""What a camera's state is and when to try again: pure, with time handed in.

    CONNECTING --first frame--> LIVE --no frame for stall_timeout--> STALLED --frame--> LIVE
        |                        |                                     |
        +------failure-----------+--------------> OFFLINE <------------+      LIVE --end--> ENDED

While a camera is being tried again it stays OFFLINE (or STALLED) with the reason of its last
failure, so that ``since`` says how long it has been away.
"""

from __future__ import annotations

import random
from enum import StrEnum

from core.messages import CameraState, Reason

KILL_GRACE_S = 2.0  # how long a native call may overrun its own timeout
STEADY_S = 10.0  # a connection that held for so long starts the backoff anew


class Backoff:
    """Waits between attempts: 1, 2, 4, then 8 s; up to 30 s once the outage has lasted 10 minutes.

    A camera that comes back within ten minutes is therefore tried within 8 s of its return. Each
    wait is shortened at random by up to a quarter, so that cameras of one switch do not all
    knock together. A refused password waits 30 s from the start: cameras lock accounts.
    """

    FIRST_S = 1.0
    SOON_CAP_S = 8.0
    SOON_FOR_S = 600.0
    CAP_S = 30.0

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._since: float | None = None

    def wait_s(self, now: float, reason: Reason) -> float:
        """Seconds until the next attempt, after one more failure at ``now``."""
        if self._since is None:
            self._since = now
        lasting = now - self._since >= self.SOON_FOR_S
        cap = self.CAP_S if lasting else self.SOON_CAP_S
        wait = min(cap, self.FIRST_S * 2.0 ** min(self._failures, 10))
        if reason is Reason.UNAUTHORISED:
            wait = self.CAP_S
        self._failures += 1
        return wait * self._rng.uniform(0.75, 1.0)

    def reset(self) -> None:
        self._failures = 0
        self._since = None


class Action(StrEnum):
    """What the supervisor of a camera has to do."""

    CONNECT = "connect"  # begin an attempt, then call `started`
    KILL = "kill"  # the child's native call is blocked; the failure is already noted


class _Phase(StrEnum):
    WAITING = "waiting"
    OPENING = "opening"
    PLAYING = "playing"
    DONE = "done"


class CameraMachine:
    """The state of one camera. All times are seconds on one monotonic clock.

    Args:
        stall_timeout_s: no frame for so long is a stall.
        now: when it begins; the first attempt is due at once.
        rng: for the jitter of the backoff.
    """

    def __init__(self, stall_timeout_s: float, now: float, rng: random.Random) -> None:
        self.state = CameraState.CONNECTING
        self.reason: Reason | None = Reason.CONNECTING
        self.detail = ""
        self.warning = ""
        self.since = now
        self.last_frame: float | None = None
        self.reconnects = 0
        self._stall_timeout_s = stall_timeout_s
        self._backoff = Backoff(rng)
        self._phase = _Phase.WAITING
        self._due = now  # WAITING: the next attempt; OPENING: its end at the latest
        self._sign = now  # PLAYING: last sign of life
        self._live_since: float | None = None  # of this connection
        self._was_live = False

    def started(self, now: float, limit_s: float) -> None:
        """An attempt has begun, which may take ``limit_s`` until `opened`."""
        self._phase = _Phase.OPENING
        self._due = now + limit_s
        self._live_since = None

    def opened(self, now: float) -> None:
        """The source is open; its first frame is on its way."""
        self._phase = _Phase.PLAYING
        self._sign = now

    def frame(
        self, now: float, reason: Reason | None = None, detail: str = "", warning: str = ""
    ) -> None:
        """A frame was decoded.

        Args:
            reason: why its picture cannot be used; None where it can.
            warning: what is wrong with a picture that can be used.
        """
        self._phase = _Phase.PLAYING
        self._sign = self.last_frame = now
        if self._live_since is None:
            self._live_since = now
            self.reconnects += self._was_live
            self._was_live = True
        if now - self._live_since >= STEADY_S:
            self._backoff.reset()
        self._set(now, CameraState.LIVE, reason, detail, warning)

    def alive(self, now: float) -> None:
        """The child lives without a new frame: it waits for workers, or for a file's next frame."""
        self._sign = now

    def failed(self, now: float, reason: Reason, detail: str) -> None:
        """The attempt or the connection has ended."""
        self._phase = _Phase.WAITING
        self._due = now + self._backoff.wait_s(now, reason)
        if reason is Reason.TIMEOUT and self._live_since is not None:
            self._set(now, CameraState.STALLED, Reason.STALLED, detail)
        else:
            self._set(now, CameraState.OFFLINE, reason, detail)
        self._live_since = None

    def ended(self, now: float) -> None:
        """A file that is played once has reached its end."""
        self._phase = _Phase.DONE
        self._set(now, CameraState.ENDED, Reason.ENDED, "The file has been played to its end.")

    def tick(self, now: float) -> Action | None:
        """What is due at ``now``; call it a few times a second."""
        if self._phase is _Phase.WAITING:
            return Action.CONNECT if now >= self._due else None
        if self._phase is _Phase.OPENING and now >= self._due:
            self.failed(now, Reason.TIMEOUT, "The attempt to connect was blocked and was stopped.")
            return Action.KILL
        if self._phase is _Phase.PLAYING:
            return self._check_stall(now)
        return None

    def _check_stall(self, now: float) -> Action | None:
        silent = now - self._sign
        if silent < self._stall_timeout_s:
            return None
        if self._live_since is not None:
            detail = f"No picture for {self._stall_timeout_s:g} s."
            self._set(now, CameraState.STALLED, Reason.STALLED, detail)
        if silent < self._stall_timeout_s + KILL_GRACE_S:
            return None
        detail = f"No picture for {silent:.0f} s, and the connection was blocked."
        self.failed(now, Reason.TIMEOUT, detail)
        return Action.KILL

    def _set(
        self,
        now: float,
        state: CameraState,
        reason: Reason | None,
        detail: str,
        warning: str = "",
    ) -> None:
        # Away for another reason is still away; live with a picture of use, or without, is not.
        if state is not self.state or (state is CameraState.LIVE and reason is not self.reason):
            self.since = now
        self.state, self.reason, self.detail, self.warning = state, reason, detail, warning
