"""The invariants of a chaos run, judged from what was observed. Pure: no I/O, no clock."""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from headcount.chaos.record import Fault, IncidentSeen, ProcessSeen, ReadingSeen, Record

NOBODY = 0.5  # people; the scene always holds more than ten
CLEARLY = 1.15  # times the level: a crowd that must have raised an incident
SURELY_RAISED_S = 8.0  # on top of the dwell
GAP_S = 2.5  # between readings of one uninterrupted stretch
ON_THEIR_WAY_S = 3.0  # readings may die so long with a broker before alerts took them
API_SILENT_S = 10.0
SETTLED_S = 20.0  # age from which on a process is expected to stay flat
DESCRIPTORS_MORE, THREADS_MORE = 12, 6
MEMORY_TIMES, MEMORY_MORE_MB = 1.3, 40.0
FEWEST_SAMPLES = 12  # of a role, for a judgement
EXAMPLES = 5


@dataclass(frozen=True)
class Verdict:
    """One invariant: how many things were looked at, and what contradicts it."""

    name: str
    checked: int
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.violations


def verdicts(record: Record) -> list[Verdict]:
    """Every invariant, judged."""
    checks: dict[str, tuple[int, Callable[[Record], Iterator[str]]]] = {
        "no false zero": (len(record.cameras) + len(record.readings), false_zeros),
        "nothing old is shown as the present": (
            len(record.cameras) + len(record.readings),
            stale_values,
        ),
        "no incident is lost or split": (len(record.final_incidents()), lost_incidents),
        "no notice is lost": (len(record.written), lost_notices),
        "no notice is repeated without reason": (len(record.received), wrong_repeats),
        "every camera comes back": (len(record.faults), cameras_away),
        "descriptors, threads and memory stay flat": (len(record.processes), leaks),
    }
    return [Verdict(name, n, tuple(check(record))) for name, (n, check) in checks.items()]


def false_zeros(record: Record) -> Iterator[str]:
    """A blind camera must have no number, and a seeing one never nobody."""
    for seen in record.cameras:
        numbers = [value for value in seen.values if value is not None]
        if seen.status != "ok" and numbers:
            yield f"{seen.camera} at {seen.at}: unknown ({seen.reason}), but shows {numbers[0]:g}"
        elif seen.status == "ok" and (seen.values[0] is None or seen.values[0] < NOBODY):
            yield f"{seen.camera} at {seen.at}: ok, but shows {seen.values[0]}"
    for reading in record.readings:
        if reading.count < NOBODY:
            yield f"{reading.camera}: reading {reading.seq} says {reading.count:g}"


def stale_values(record: Record) -> Iterator[str]:
    """No reading is published and no value shown beyond its age limit; the API always answers."""
    for seen in record.cameras:
        if seen.status == "ok" and (
            seen.age_s is None or seen.age_s > record.rules.shown_limit_s + 0.5
        ):
            yield f"{seen.camera} at {seen.at}: ok with a reading {seen.age_s} s old"
    for reading in record.readings:
        age_s = (reading.published_at - reading.captured_at) / 1000
        if age_s > record.rules.age_limit_s:
            yield f"{reading.camera}: reading {reading.seq} was published {age_s:.1f} s old"
    if record.silent_api_s > API_SILENT_S:
        yield f"the API did not answer for {record.silent_api_s:.0f} s"


def lost_incidents(record: Record) -> Iterator[str]:
    """Incidents stay what they were, and each crowd that lasts is one incident."""
    first: dict[int, IncidentSeen] = {}
    for seen in record.incidents:
        begun = first.setdefault(seen.id, seen)
        if seen.raised_at != begun.raised_at:
            yield f"incident {seen.id} was raised at {begun.raised_at}, later at {seen.raised_at}"
    final = record.final_incidents()
    for gone in record.gone:
        yield f"incident {gone.id} has vanished before {gone.at}"
    crowds = [seen for seen in final if seen.kind == "crowd"]
    for camera in sorted(record.camera_ids):
        own = [seen for seen in crowds if seen.camera == camera]
        readings = [reading for reading in record.readings if reading.camera == camera]
        yield from _splits(record, own, readings)
        for start, end in _crowds(record, readings):
            if not any(_covers(seen, end) for seen in own):
                yield f"{camera}: no incident for the crowd from {start} to {end}"


def _splits(
    record: Record, incidents: list[IncidentSeen], readings: list[ReadingSeen]
) -> Iterator[str]:
    """Two incidents of one zone need a lull between them."""
    ordered = sorted(incidents, key=lambda seen: seen.raised_at)
    readings = sorted(readings, key=_captured_at)
    for earlier, later in pairwise(ordered):
        if earlier.cleared_at is None or earlier.cleared_at > later.raised_at:
            yield f"incidents {earlier.id} and {later.id} overlap"
            continue
        start = earlier.cleared_at - record.rules.clear_after_s * 1000
        begin = bisect_left(readings, start, key=_captured_at)
        end = bisect_right(readings, later.raised_at, key=_captured_at)
        if not any(reading.count < record.rules.level for reading in readings[begin:end]):
            yield f"incidents {earlier.id} and {later.id} are one crowd without a lull"


def _captured_at(reading: ReadingSeen) -> int:
    return reading.captured_at


def _covers(incident: IncidentSeen, at: int) -> bool:
    return incident.raised_at <= at and (incident.cleared_at is None or incident.cleared_at >= at)


def _crowds(record: Record, readings: list[ReadingSeen]) -> Iterator[tuple[int, int]]:
    """Uninterrupted stretches clearly above the level, long enough to be an incident."""
    rules = record.rules
    lost = _lost_with_the_broker(record)
    stretch: list[int] = []
    newest = 0
    for reading in readings:
        at = reading.captured_at
        if at <= newest or any(start <= at <= end for start, end in lost):
            continue  # out of order, or gone with the broker: alerts did not see it
        newest = at
        goes_on = bool(stretch) and at - stretch[-1] <= GAP_S * 1000
        if reading.count >= CLEARLY * rules.level and (goes_on or not stretch):
            stretch.append(at)
            continue
        yield from _long_enough(stretch, rules.raise_after_s)
        stretch = [at] if reading.count >= CLEARLY * rules.level else []
    yield from _long_enough(stretch, rules.raise_after_s)


def _long_enough(stretch: list[int], raise_after_s: float) -> Iterator[tuple[int, int]]:
    if stretch and stretch[-1] - stretch[0] >= (raise_after_s + SURELY_RAISED_S) * 1000:
        yield stretch[0], stretch[-1]


def _lost_with_the_broker(record: Record) -> list[tuple[int, int]]:
    """When readings may have gone with the broker: just before it died, and all the time that
    alerts were away until then."""
    spans = []
    for broken in record.faults:
        if not broken.empties_broker:
            continue
        start = broken.at - int(ON_THEIR_WAY_S * 1000)
        for fault in record.faults:
            if fault.target != "alerts" or fault.at > broken.at:
                continue
            back = record.recovered_at(fault)
            if back is None or back >= start:
                start = min(start, fault.at)
        spans.append((start, broken.ended))
    return spans


def lost_notices(record: Record) -> Iterator[str]:
    """What was written to the outbox has arrived, and every crowd was told of."""
    arrived = {notice.key for notice in record.received}
    for row in record.written:
        if row.dropped:
            yield f"{row.key} ({row.event}) was dropped: {row.error}"
        elif not row.sent:
            yield f"{row.key} ({row.event}) was never sent: {row.error}"
        elif row.key not in arrived:
            yield f"{row.key} ({row.event}) is marked as sent and never arrived"
    told = {(row.incident, row.event) for row in record.written}
    for seen in record.final_incidents():
        for event in ("raised", "cleared") if seen.cleared_at is not None else ("raised",):
            if (seen.id, event) not in told:
                yield f"incident {seen.id} was {event} and nobody was told"


def wrong_repeats(record: Record) -> Iterator[str]:
    """A notice arrives twice only with its key, and only where alerts was hit in between."""
    known = {row.key for row in record.written}
    earlier: dict[str, int] = {}
    for notice in record.received:
        if not notice.key or notice.key not in notice.body:
            yield f"a notice came without its key: {notice.title}"
            continue
        if notice.key not in known:
            yield f"{notice.key} came and is in no outbox"
        before = earlier.get(notice.key)
        if before is not None and not _alerts_was_hit(record, before, notice.at):
            yield f"{notice.key} came twice, and alerts was not hit in between"
        earlier[notice.key] = notice.at


def _alerts_was_hit(record: Record, start: int, end: int) -> bool:
    return any(
        fault.target == "alerts" and fault.at <= end and fault.ended >= start - 1000
        for fault in record.faults
    )


def cameras_away(record: Record) -> Iterator[str]:
    """After each fault every camera is live and stored again within the limit."""
    for fault in record.faults:
        at = record.recovered_at(fault)
        if at is None:
            yield f"not well again after {_named(fault)}"
        elif at - fault.ended > fault.within_s * 1000:
            took_s = (at - fault.ended) / 1000
            yield f"well only {took_s:.1f} s after {_named(fault)}, limit {fault.within_s:g} s"


def _named(fault: Fault) -> str:
    return f"{fault.kind} ({fault.target}) at {fault.at}"


def leaks(record: Record) -> Iterator[str]:
    """The last quarter of each role's samples holds no more than the first."""
    by_role: dict[str, list[ProcessSeen]] = defaultdict(list)
    for seen in record.processes:
        if seen.age_s >= SETTLED_S:
            by_role[seen.role].append(seen)
    for role, samples in sorted(by_role.items()):
        if len(samples) < FEWEST_SAMPLES:
            continue
        quarter = len(samples) // 4
        first, last = samples[:quarter], samples[-quarter:]
        for name, more, times in (
            ("descriptors", DESCRIPTORS_MORE, 1.0),
            ("threads", THREADS_MORE, 1.0),
            ("memory_mb", MEMORY_MORE_MB, MEMORY_TIMES),
        ):
            before = statistics.median(getattr(seen, name) for seen in first)
            after = statistics.median(getattr(seen, name) for seen in last)
            if after > before * times + more:
                yield f"{role}: {name} grew from {before:.0f} to {after:.0f}"
    yield from _too_many(record)
    yield from (f"left behind: {command}" for command in record.left_behind)


def _too_many(record: Record) -> Iterator[str]:
    """No role has more processes at the end than at any settled time before."""
    at_once: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for seen in record.processes:
        at_once[seen.at][seen.role] += 1
    moments = sorted(at_once)
    if len(moments) < FEWEST_SAMPLES:
        return
    quarter = len(moments) // 4
    for role in sorted({seen.role for seen in record.processes}):
        before = max(at_once[at][role] for at in moments[:quarter])
        after = statistics.median(at_once[at][role] for at in moments[-quarter:])
        if after > before:
            yield f"{role}: {after:g} processes at the end, {before} at the beginning"
