"""Stored values through the same rules again, and how what comes out differs from what was raised.

For the pages and the command line alike: `dashboard.backtest.backtest` reads what this needs from
the history and calls it for every zone of a site.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from crowd.levels import EventKind, rank
from crowd.tracker import ZoneTracker
from crowd.zones import ZoneCount


class Value(Protocol):
    """A stored value of a zone (`core.history_blocks.RawValue`)."""

    @property
    def at(self) -> int: ...  # ms UTC
    @property
    def count(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def worst(self) -> float | None: ...


@dataclass(frozen=True)
class CrowdIncident:
    """One stay above a level, recorded or replayed; instants in ms UTC."""

    camera: str
    zone: str
    level: str  # at last
    peak_level: str
    unit: str
    peak: float
    raised_at: int
    cleared_at: int | None = None
    id: int | None = None  # of a recorded one


def replay_zone(
    tracker: ZoneTracker,
    values: Iterable[Value],
    *,
    camera: str,
    zone: str,
    unit: str,
    state: Mapping[str, Any] | None = None,
    scenes: Collection[int] = (),
    curve: list[tuple[int, float]] | None = None,
) -> list[CrowdIncident]:
    """The incidents of one zone, oldest first; the last may be open (``cleared_at`` None).

    Args:
        tracker: new, with the levels to try (`crowd.configured.zone_tracker`).
        values: oldest first, all later than ``state``.
        state: the tracker's before the first value (`ZoneTracker.to_state`); None for an empty
            history. An incident that is open in it is the first of those returned.
        scenes: instants of the values that began another scene.
        curve: is filled with the instant and the compared value of each reading, for a plot.
    """
    if state is not None:
        tracker.restore(state)
    found: list[CrowdIncident] = []
    current: CrowdIncident | None = None
    if tracker.raised_ms is not None:
        current = CrowdIncident(
            camera, zone, tracker.level, tracker.peak_level, unit, tracker.peak, tracker.raised_ms
        )
    for value in values:
        if value.at in scenes:
            tracker.begin_scene()
        people = ZoneCount(value.count, value.low, value.high)
        result, events = tracker.step(value.at, people, value.worst)
        if curve is not None:
            curve.append((value.at, result.compared))
        for event in events:
            if event.kind is EventKind.APPROACHING:
                continue
            if event.kind is EventKind.RAISED or current is None:
                current = CrowdIncident(
                    camera, zone, event.level, event.peak_level, unit, event.peak, event.at_ms
                )
            elif event.kind is EventKind.CLEARED:
                # A cleared incident keeps the level it had at last, as in the history.
                current = replace(current, peak=event.peak, cleared_at=event.at_ms)
                found.append(current)
                current = None
            else:
                current = replace(current, level=event.level, peak_level=event.peak_level)
        if current is not None:
            current = replace(current, peak=max(current.peak, tracker.peak))
    return found if current is None else [*found, current]


def compare(
    recorded: Sequence[CrowdIncident],
    replayed: Sequence[CrowdIncident],
    to_ms: int,
    tolerance_ms: Mapping[str, int],
) -> tuple[list[CrowdIncident], list[CrowdIncident]]:
    """What the replay has and the record has not, and the other way round.

    Two are the same if camera, zone and highest level agree and they were raised and cleared
    within one reading of each other. What was open at the end of the replay is compared as it was
    then: a recorded incident may have gone on, and risen, since.

    Args:
        to_ms: end of the replay.
        tolerance_ms: camera to the time between two of its readings.
    """
    left = list(recorded)
    added = []
    for incident in replayed:
        same = next(
            (each for each in left if _same(each, incident, to_ms, tolerance_ms)),
            None,
        )
        if same is None:
            added.append(incident)
        else:
            left.remove(same)
    return added, left


def _same(
    recorded: CrowdIncident,
    replayed: CrowdIncident,
    to_ms: int,
    tolerance_ms: Mapping[str, int],
) -> bool:
    if (recorded.camera, recorded.zone) != (replayed.camera, replayed.zone):
        return False
    within = tolerance_ms.get(recorded.camera, 0)
    if abs(recorded.raised_at - replayed.raised_at) > within:
        return False
    if replayed.cleared_at is None:
        went_on = recorded.cleared_at is None or recorded.cleared_at >= to_ms - within
        return went_on and rank(replayed.peak_level) <= rank(recorded.peak_level)
    if recorded.cleared_at is None or recorded.peak_level != replayed.peak_level:
        return False
    return abs(recorded.cleared_at - replayed.cleared_at) <= within
