"""The checker of a chaos run is worth its name: a planted fault of each kind makes it fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from headcount.chaos.checks import verdicts
from headcount.chaos.record import (
    CameraSeen,
    Fault,
    IncidentGone,
    IncidentSeen,
    NoticeReceived,
    NoticeWritten,
    ProcessSeen,
    ReadingSeen,
    Record,
    Rules,
    StoredSeen,
)

START = 1_795_519_431_000
SECONDS = 120
RAISED, CLEARED = START + 25_000, START + 66_000
KILLED = START + 30_000

NO_FALSE_ZERO = "no false zero"
NOTHING_OLD = "nothing old is shown as the present"
NO_LOST_INCIDENT = "no incident is lost or split"
NO_LOST_NOTICE = "no notice is lost"
NO_REPEAT = "no notice is repeated without reason"
CAMERAS_BACK = "every camera comes back"
FLAT = "descriptors, threads and memory stay flat"


def good_record() -> Record:
    """Two minutes as they should be: a crowd from second 20 to 60, alerts killed at second 30."""
    record = Record(Rules(3.0, 5.0, 30.0, 2.0, 4.0))
    for second in range(SECONDS):
        at = START + second * 1000
        people = 50.0 if 20 <= second < 60 else 12.0
        blind = 80 <= second < 90
        record.cameras.append(
            CameraSeen(at, "gate", "unknown", "offline", (None,) * 5, 10.0)
            if blind
            else CameraSeen(at, "gate", "ok", None, (people, 10.0, 60.0, people, None), 0.4)
        )
        if not blind:
            record.readings.append(ReadingSeen("gate", second, at - 400, at - 300, people))
        stored = KILLED - 400 if KILLED < at < KILLED + 5000 else at - 400
        record.stored.append(StoredSeen(at, "gate", stored))
        if at >= RAISED:
            cleared = CLEARED if at >= CLEARED else None
            seen = IncidentSeen(at, 1, "crowd", "gate", RAISED, cleared)
            if not record.incidents or record.incidents[-1].cleared_at != cleared:
                record.incidents.append(seen)
        record.processes += [
            ProcessSeen(at, role, 100 + number, 30.0 + second, 20, 8, 200.0)
            for number, role in enumerate(("worker", "alerts"))
        ]
    record.faults = [
        Fault("kill alerts", "alerts", KILLED, KILLED, 40.0),
        Fault("camera cut off", "gate", START + 78_000, START + 88_000, 40.0),
    ]
    keys = ("incident 1 change 1", "incident 1 change 2")
    for key, event, at in zip(
        keys, ("raised", "cleared"), (RAISED + 100, CLEARED + 100), strict=True
    ):
        record.written.append(NoticeWritten(key, event, 1, True, False, None))
        record.received.append(NoticeReceived(at, key, event, f"Gate\n{key}"))
    return record


def broken(record: Record) -> set[str]:
    return {verdict.name for verdict in verdicts(record) if not verdict.holds}


def test_a_good_run_holds() -> None:
    judged = verdicts(good_record())
    assert [verdict.violations for verdict in judged if not verdict.holds] == []
    assert all(verdict.checked for verdict in judged)
    assert len(judged) == 7


def test_a_repeat_with_its_key_after_a_kill_is_allowed() -> None:
    record = good_record()
    record.faults.append(Fault("kill alerts", "alerts", RAISED + 200, RAISED + 200, 40.0))
    record.received.insert(1, replace(record.received[0], at=RAISED + 4000))
    assert broken(record) == set()


def test_what_went_with_the_broker_is_no_lost_incident() -> None:
    record = good_record()
    record.incidents.clear()
    record.written.clear()
    record.received.clear()
    record.faults = [
        Fault("kill broker", "broker", at, at + 500, 40.0, empties_broker=True)
        for at in range(START + 22_000, START + 62_000, 10_000)
    ]
    assert NO_LOST_INCIDENT not in broken(record)


def test_what_died_while_alerts_was_away_is_no_lost_incident() -> None:
    record = good_record()
    record.incidents.clear()
    record.written.clear()
    record.received.clear()
    record.stored = [
        seen
        if seen.at < START + 18_000 or seen.at > START + 62_000
        else replace(seen, captured_at=START + 17_000)
        for seen in record.stored
    ]
    record.faults = [
        Fault("kill alerts", "alerts", START + 18_000, START + 18_000, 50.0),
        Fault("kill broker", "broker", START + 61_000, START + 61_500, 50.0, empties_broker=True),
    ]
    assert NO_LOST_INCIDENT not in broken(record)


def show(second: int, **changes: object) -> Callable[[Record], None]:
    """Change what the API showed at a second."""

    def plant(record: Record) -> None:
        record.cameras[second] = replace(record.cameras[second], **changes)  # type: ignore[arg-type]

    return plant


def read(second: int, **changes: object) -> Callable[[Record], None]:
    def plant(record: Record) -> None:
        record.readings[second] = replace(record.readings[second], **changes)  # type: ignore[arg-type]

    return plant


def lose_the_incident(record: Record) -> None:
    record.incidents.clear()
    record.written.clear()
    record.received.clear()


def forget_the_incident(record: Record) -> None:
    record.gone.append(IncidentGone(START + 100_000, 1))
    record.incidents.append(
        IncidentSeen(START + 119_000, 2, "crowd", "gate", START + 110_000, None)
    )
    record.written.append(NoticeWritten("incident 2 change 1", "raised", 2, True, False, None))
    key = "incident 2 change 1"
    record.received.append(NoticeReceived(START + 110_100, key, "raised", key))


def raise_it_again(record: Record) -> None:
    """A crash in the middle of the crowd: cleared, and raised anew."""
    again = START + 45_000
    record.incidents = [
        replace(seen, cleared_at=again - 1000 if seen.at >= again - 1000 else None)
        for seen in record.incidents
    ]
    last = record.incidents[-1].at
    record.incidents.append(IncidentSeen(last, 2, "crowd", "gate", again, CLEARED))
    for number, event in ((1, "raised"), (2, "cleared")):
        key = f"incident 2 change {number}"
        record.written.append(NoticeWritten(key, event, 2, True, False, None))
        record.received.append(NoticeReceived(again, key, event, key))


def raise_a_second(record: Record) -> None:
    last = record.incidents[-1].at
    record.incidents.append(IncidentSeen(last, 2, "crowd", "gate", RAISED + 9000, CLEARED))
    for number, event in ((1, "raised"), (2, "cleared")):
        key = f"incident 2 change {number}"
        record.written.append(NoticeWritten(key, event, 2, True, False, None))
        record.received.append(NoticeReceived(RAISED + 9000, key, event, key))


def move_its_beginning(record: Record) -> None:
    record.incidents[-1] = replace(record.incidents[-1], raised_at=RAISED + 5000)


def lose_a_notice(record: Record) -> None:
    del record.received[0]


def change_notice(**changes: object) -> Callable[[Record], None]:
    def plant(record: Record) -> None:
        record.written[0] = replace(record.written[0], **changes)  # type: ignore[arg-type]

    return plant


def write_no_notice(record: Record) -> None:
    del record.written[1]
    del record.received[1]


def repeat(seconds: float, **changes: object) -> Callable[[Record], None]:
    def plant(record: Record) -> None:
        first = record.received[1]
        again = replace(first, at=first.at + int(seconds * 1000), **changes)  # type: ignore[arg-type]
        record.received.append(again)

    return plant


def never_come_back(record: Record) -> None:
    record.cameras = [
        replace(seen, status="unknown", values=(None,) * 5) if seen.at > START + 80_000 else seen
        for seen in record.cameras
    ]


def come_back_late(record: Record) -> None:
    record.faults[1] = replace(record.faults[1], within_s=1.0)


def store_nothing_more(record: Record) -> None:
    record.stored = [
        replace(seen, captured_at=KILLED - 400) if seen.at > KILLED else seen
        for seen in record.stored
    ]


def leak(name: str, a_second: float) -> Callable[[Record], None]:
    def plant(record: Record) -> None:
        record.processes = [
            replace(seen, **{name: getattr(seen, name) + int(a_second * (seen.age_s - 30))})
            if seen.role == "worker"
            else seen
            for seen in record.processes
        ]

    return plant


def leave_processes(record: Record) -> None:
    """Every ten seconds one more process of the worker."""
    record.processes += [
        replace(seen, pid=1000 + number)
        for seen in record.processes
        if seen.role == "worker"
        for number in range(int(seen.age_s - 30) // 10)
    ]


def leave_one_behind(record: Record) -> None:
    record.left_behind.append("redis-server")


def fall_silent(record: Record) -> None:
    record.silent_api_s = 25.0


PLANTED: dict[str, tuple[Callable[[Record], None], str]] = {
    "a dead camera shown as nobody": (show(85, values=(0.0, 0, 0, 0, None)), NO_FALSE_ZERO),
    "a dead camera with its last number": (show(85, values=(12.0,) * 5), NO_FALSE_ZERO),
    "a zone's number alone": (show(85, values=(None, None, None, 3.0, None)), NO_FALSE_ZERO),
    "ok with nobody": (show(10, values=(0.0, 0, 1, 0, None)), NO_FALSE_ZERO),
    "ok without a number": (show(10, values=(None,) * 5), NO_FALSE_ZERO),
    "a reading of nobody": (read(10, count=0.0), NO_FALSE_ZERO),
    "an old value as the present": (show(10, age_s=9.0), NOTHING_OLD),
    "a reading published late": (read(10, published_at=START + 14_000), NOTHING_OLD),
    "an API that hangs": (fall_silent, NOTHING_OLD),
    "a crowd without incident": (lose_the_incident, NO_LOST_INCIDENT),
    "an incident that vanished": (forget_the_incident, NO_LOST_INCIDENT),
    "an incident split by a crash": (raise_it_again, NO_LOST_INCIDENT),
    "two incidents at once": (raise_a_second, NO_LOST_INCIDENT),
    "an incident with another beginning": (move_its_beginning, NO_LOST_INCIDENT),
    "a notice marked, never arrived": (lose_a_notice, NO_LOST_NOTICE),
    "a notice never sent": (change_notice(sent=False, error="refused"), NO_LOST_NOTICE),
    "a notice dropped": (change_notice(dropped=True, error="stale"), NO_LOST_NOTICE),
    "a change that nobody is told": (write_no_notice, NO_LOST_NOTICE),
    "a notice twice, nothing killed": (repeat(20), NO_REPEAT),
    "a notice twice without its key": (repeat(20, key=None), NO_REPEAT),
    "a notice with another key": (repeat(20, key="incident 9 change 1"), NO_REPEAT),
    "a camera that stays away": (never_come_back, CAMERAS_BACK),
    "a camera back too late": (come_back_late, CAMERAS_BACK),
    "alerts that stay away": (store_nothing_more, CAMERAS_BACK),
    "leaking descriptors": (leak("descriptors", 0.5), FLAT),
    "leaking threads": (leak("threads", 0.2), FLAT),
    "leaking memory": (leak("memory_mb", 2.0), FLAT),
    "processes that pile up": (leave_processes, FLAT),
    "a process left behind": (leave_one_behind, FLAT),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_makes_exactly_its_invariant_fail(name: str) -> None:
    plant, invariant = PLANTED[name]
    record = good_record()
    plant(record)
    assert broken(record) == {invariant}
