"""What a chaos run observed, as plain data: the checker sees nothing else.

Instants are ms UTC of this machine's clock, which is also the broker's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar


@dataclass(frozen=True)
class Fault:
    """Something that was broken on purpose.

    Attributes:
        kind: what was done, such as ``kill worker``.
        target: the service or camera it was done to.
        at: when it began; ``ended``: when its cause was gone (at once, for a kill).
        within_s: everything must be well again so long after the end.
        empties_broker: readings on their way were lost with the broker.
    """

    kind: str
    target: str
    at: int
    ended: int
    within_s: float
    empties_broker: bool = False


@dataclass(frozen=True)
class CameraSeen:
    """A camera as the API showed it."""

    at: int
    camera: str
    status: str
    reason: str | None
    values: tuple[float | None, ...]  # count, low and high, then count and density of each zone
    age_s: float | None


@dataclass(frozen=True)
class ReadingSeen:
    """A reading as workers published it."""

    camera: str
    seq: int
    captured_at: int
    published_at: int
    count: float


@dataclass(frozen=True)
class IncidentSeen:
    """An incident as the history database held it from ``at`` on, until it is seen otherwise."""

    at: int
    id: int
    kind: str
    camera: str
    raised_at: int
    cleared_at: int | None


@dataclass(frozen=True)
class IncidentGone:
    """An incident that the history database no longer held at ``at``."""

    at: int
    id: int


@dataclass(frozen=True)
class StoredSeen:
    """The newest reading of a camera that alerts had stored by ``at``."""

    at: int
    camera: str
    captured_at: int


@dataclass(frozen=True)
class NoticeReceived:
    """A notice that arrived at the channel."""

    at: int
    key: str | None  # its Idempotency-Key
    title: str
    body: str


@dataclass(frozen=True)
class NoticeWritten:
    """A row of the outbox at the end of the run."""

    key: str
    event: str
    incident: int
    sent: bool
    dropped: bool
    error: str | None


@dataclass(frozen=True)
class ProcessSeen:
    """What a process held at ``at``."""

    at: int
    role: str
    pid: int
    age_s: float
    descriptors: int
    threads: int
    memory_mb: float


@dataclass(frozen=True)
class Rules:
    """The limits of the site under test.

    Attributes:
        age_limit_s: of a published reading; ``shown_limit_s``: of a value shown as the present.
        level: people from which on a crowd is an incident.
        raise_after_s, clear_after_s: of that level.
    """

    age_limit_s: float
    shown_limit_s: float
    level: float
    raise_after_s: float
    clear_after_s: float


@dataclass
class Record:
    """Everything that was observed, each list in the order of time."""

    rules: Rules
    faults: list[Fault] = field(default_factory=list)
    cameras: list[CameraSeen] = field(default_factory=list)
    readings: list[ReadingSeen] = field(default_factory=list)
    incidents: list[IncidentSeen] = field(default_factory=list)
    gone: list[IncidentGone] = field(default_factory=list)
    stored: list[StoredSeen] = field(default_factory=list)
    received: list[NoticeReceived] = field(default_factory=list)
    written: list[NoticeWritten] = field(default_factory=list)
    processes: list[ProcessSeen] = field(default_factory=list)
    silent_api_s: float = 0.0  # the longest time that the API did not answer
    left_behind: list[str] = field(default_factory=list)  # processes after the site's end

    @property
    def camera_ids(self) -> set[str]:
        found: set[str] = set()
        for seen in self.cameras:  # each look at the API has them all
            if seen.camera in found:
                break
            found.add(seen.camera)
        return found

    def recovered_at(self, fault: Fault) -> int | None:
        """When every camera was shown with a picture taken after the fault's end, and alerts had
        stored one; None while that is not so."""

        def is_new(seen: CameraSeen) -> bool:
            age_s = seen.age_s if seen.status == "ok" else None
            return age_s is not None and seen.at - age_s * 1000 >= fault.ended

        def is_stored(seen: StoredSeen) -> bool:
            return seen.captured_at >= fault.ended

        shown = _all_by(self.cameras, fault.ended, self.camera_ids, is_new)
        kept = _all_by(self.stored, fault.ended, self.camera_ids, is_stored)
        return None if shown is None or kept is None else max(shown, kept)

    def recoveries_s(self) -> dict[str, list[float]]:
        """Seconds from each fault's end until all was well, by kind; faults never recovered from
        are left out."""
        found: dict[str, list[float]] = {}
        for fault in self.faults:
            at = self.recovered_at(fault)
            if at is not None:
                found.setdefault(fault.kind, []).append((at - fault.ended) / 1000)
        return found

    def final_incidents(self) -> list[IncidentSeen]:
        """Each incident as it was last seen, by number."""
        last = {seen.id: seen for seen in self.incidents}
        return [last[number] for number in sorted(last)]


OfCamera = TypeVar("OfCamera", CameraSeen, StoredSeen)


def _all_by(
    looks: Sequence[OfCamera],
    start: int,
    cameras: Collection[str],
    is_well: Callable[[OfCamera], bool],
) -> int | None:
    """When each of the cameras had been seen well since ``start``; None if one never was.

    Reads no further than to that look, so that a long run costs no more than a short one.
    """
    waiting = set(cameras)
    for index in range(bisect_left(looks, start, key=lambda seen: seen.at), len(looks)):
        if is_well(looks[index]):
            waiting.discard(looks[index].camera)
            if not waiting:
                return looks[index].at
    return None
