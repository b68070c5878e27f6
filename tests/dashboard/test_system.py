"""The plain sentences of the System page."""

from __future__ import annotations

import pytest

from core.messages import Heartbeat, Service
from core.roles import LOCAL, Role, Viewer
from dashboard.machine import Machine
from dashboard.system import (
    camera_problems,
    capacity_problems,
    capacity_sentence,
    fault_problems,
    machine_problems,
    process_problems,
    service_problems,
)
from dashboard.values import CameraValue


def a_heartbeat(service: Service, **changes: object) -> Heartbeat:
    return Heartbeat(
        **{
            "service": service,
            "id": "1",
            "at": 0,
            "started_at": 0,
            "version": "0",
            "config_version": "abc",
            **changes,
        }
    )


def a_camera(reason: str | None) -> CameraValue:
    status = "ok" if reason is None else "unknown"
    return CameraValue(
        "gate", "Gate 1", status, reason, "no route", None, None, None, None, None, (), None, None
    )


def test_a_missing_service_is_told_with_what_to_do() -> None:
    found = service_problems([a_heartbeat(Service.INGEST), a_heartbeat(Service.ALERTS)])

    assert len(found) == 1
    assert "No worker service is running, so nothing is counted" in found[0].sentence
    assert "headcount worker SITE.yaml" in found[0].sentence


def test_workers_capacities_add_up() -> None:
    workers = [a_heartbeat(Service.WORKER, facts={"capacity_fps": rate}) for rate in ("1.5", "2")]

    assert capacity_sentence(workers, 4) == (
        "This machine counts 3.5 frames/s, the site asks for 4.0."
    )
    assert "3.5 frames/s but the site asks for 4.0" in capacity_problems(workers, 4)[0].sentence
    assert capacity_problems(workers, 3.5) == []


@pytest.mark.parametrize("fact", ["", "soon", "inf", "nan"])
def test_a_capacity_that_is_not_known_is_not_invented(fact: str) -> None:
    workers = [a_heartbeat(Service.WORKER, facts={"capacity_fps": fact})]

    assert "no worker has measured" in capacity_sentence(workers, 4)
    assert capacity_problems(workers, 4) == []


def test_a_blind_camera_is_told_with_its_reason() -> None:
    found = camera_problems([a_camera(None), a_camera("unauthorised"), a_camera("no worker")])

    assert [each.sentence for each in found] == [
        "Gate 1 is unknown: camera refuses user or password. no route"
    ]


def test_a_wrong_clock_and_another_configuration_are_told() -> None:
    fine = a_heartbeat(Service.INGEST)
    off = a_heartbeat(Service.WORKER, clock_offset_ms=-2500)
    other = a_heartbeat(Service.ALERTS, config_version="other", at=100_000)

    found = process_problems([fine, off, other], "abc", since=0)

    assert "The clock of worker 1 is -2.5 s off" in found[0].sentence
    assert "alerts 1 runs configuration other" in found[1].sentence
    assert len(found) == 2
    assert process_problems([other], "abc", since=99_000) == []  # it may not have heard of it yet


def test_a_fault_that_a_process_reports_is_told_to_those_who_may_see_its_camera() -> None:
    facts = {"fault gate/stairs": "the horizon cuts the zone", "fault hall/floor": "", "host": "a"}
    beat = a_heartbeat(Service.ALERTS, facts=facts)

    found = fault_problems([beat], LOCAL)

    assert [each.sentence for each in found] == [
        "alerts gate/stairs reports: the horizon cuts the zone"
    ]
    assert fault_problems([beat], Viewer("guest", Role.VIEWER, frozenset({"hall"}))) == []


def test_a_full_broker_and_a_full_disk_are_told_before_it_is_too_late() -> None:
    assert machine_problems(Machine()) == []
    assert machine_problems(Machine(broker_used=50, broker_limit=0)) == []  # no limit is set
    assert machine_problems(Machine(broker_used=80, broker_limit=100)) == []

    found = machine_problems(Machine(broker_used=90, broker_limit=100, disk_free=400_000_000))

    assert "90 % full" in found[0].sentence
    assert "Only 400 MB are free" in found[1].sentence
