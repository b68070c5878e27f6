"""Which frames of a stream are counted, and when: pure, with time handed in."""

from __future__ import annotations


class Sampler:
    """Picks ``fps`` frames a second from a faster stream, evenly on average.

    >>> sampler = Sampler(fps=2)
    >>> [time for time in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0) if sampler.pick(time)]
    [0.0, 0.6, 1.0]
    """

    def __init__(self, fps: float) -> None:
        self._period = 1 / fps
        self._due: float | None = None

    def pick(self, time_s: float) -> bool:
        """Whether to count the frame at ``time_s``; times must not run backwards."""
        if self._due is not None and time_s < self._due - 1e-6:
            return False
        late = self._due is None or time_s - self._due >= self._period
        self._due = (time_s if late or self._due is None else self._due) + self._period
        return True


class Pacer:
    """Plays a recording in real time: says how long to wait before each frame.

    A recording that falls more than ``LATE_S`` behind (a machine that is too slow, or was
    suspended) goes on from where it is, without hurrying; so does one whose time stamps jump.
    """

    LATE_S = 1.0
    JUMP_S = 10.0

    def __init__(self) -> None:
        self._origin: float | None = None  # monotonic time of position 0

    def wait_s(self, position_s: float, now: float) -> float:
        """Seconds until the frame at ``position_s`` is due."""
        if self._origin is None:
            self._origin = now - position_s
        wait = self._origin + position_s - now
        if wait < -self.LATE_S or wait > self.JUMP_S:
            self._origin = now - position_s
            return 0.0
        return max(0.0, wait)


class Backlog:
    """Notices that decoding has fallen behind a live stream, and says what to skip.

    A read that had to wait shows that nothing was queued. When none has waited for ``BEHIND_S``,
    pictures wait for us instead; then packets are thrown away undecoded until a read waits again
    and a keyframe comes. The next keyframe after ``SKIP_S`` ends it in any case, because some
    servers send faster than anybody could read, and ``KEYFRAME_WAIT_S`` where none comes.
    """

    WAITED_S = 0.001
    BEHIND_S = 1.0
    SKIP_S = 2.0
    KEYFRAME_WAIT_S = 30.0

    def __init__(self, now: float) -> None:
        self._idle = now  # when a read last waited
        self._skipping_since: float | None = None
        self.skipped_s = 0.0  # time skipped so far

    def skip(self, waited_s: float, is_keyframe: bool, now: float) -> bool:
        """Whether to throw the packet away that was read at ``now`` after waiting ``waited_s``."""
        if waited_s >= self.WAITED_S:
            self._idle = now
        if self._skipping_since is None:
            if now - self._idle < self.BEHIND_S:
                return False
            self._skipping_since = now
        caught_up = self._idle >= self._skipping_since
        lasting = now - self._skipping_since
        over = lasting >= self.SKIP_S
        if (is_keyframe and (caught_up or over)) or lasting >= self.KEYFRAME_WAIT_S:
            self.skipped_s += lasting
            self._skipping_since = None
            self._idle = now
            return False
        return True
