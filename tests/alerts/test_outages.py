"""Blind cameras and missing workers as incidents of their own."""

from alerts.outages import WORKER, OutageRules
from core.messages import Reason
from core.status import Status

OK = Status(ok=True, reason=None, detail="", age_s=0.5)


def unknown(reason: Reason) -> Status:
    return Status(ok=False, reason=reason, detail="one sentence", age_s=None)


def run(
    rules: OutageRules, status: dict[str, Status], start_s: int, seconds: int
) -> list[tuple[int, str, bool, str]]:
    changes = []
    for second in range(start_s, start_s + seconds):
        for outage in rules.step(second * 1000, status, worker=True):
            changes.append((second, outage.camera, outage.began, outage.reason))
            (rules.open.add if outage.began else rules.open.discard)(outage.camera)
    return changes


def test_a_camera_unknown_for_half_a_minute_is_one_outage_until_it_is_ok() -> None:
    rules = OutageRules(0)
    assert run(rules, {"gate": OK}, 0, 10) == []
    stalled = {"gate": unknown(Reason.STALLED)}
    assert run(rules, stalled, 10, 300) == [(40, "gate", True, "stalled")]
    assert run(rules, {"gate": OK}, 310, 20) == [(315, "gate", False, "")]


def test_a_short_loss_is_none() -> None:
    rules = OutageRules(0)
    for start in range(0, 200, 30):
        assert run(rules, {"gate": OK}, start, 5) == []
        assert run(rules, {"gate": unknown(Reason.OFFLINE)}, start + 5, 25) == []


def test_a_missing_worker_is_one_outage_and_none_of_its_cameras() -> None:
    rules = OutageRules(0)
    run(rules, {"a": OK, "b": OK}, 0, 10)
    missing = {"a": unknown(Reason.NO_WORKER), "b": unknown(Reason.NO_WORKER)}
    assert run(rules, missing, 10, 60) == [(40, WORKER, True, "no worker")]
    assert run(rules, {"a": OK, "b": OK}, 70, 20) == [(75, WORKER, False, "")]


def test_a_start_takes_its_time() -> None:
    rules = OutageRules(0)
    starting = {"gate": unknown(Reason.STARTING)}
    assert run(rules, starting, 0, 119) == []
    assert run(rules, starting, 119, 10) == [(120, "gate", True, "starting")]


def test_an_incident_open_before_the_restart_is_cleared_and_not_raised_again() -> None:
    rules = OutageRules(0, {"gate"})
    assert run(rules, {"gate": unknown(Reason.OFFLINE)}, 0, 200) == []
    assert run(rules, {"gate": OK}, 200, 10) == [(205, "gate", False, "")]


def test_the_end_of_a_file_and_our_own_blindness_are_no_outages() -> None:
    rules = OutageRules(0)
    run(rules, {"gate": OK}, 0, 10)
    assert run(rules, {"gate": unknown(Reason.ENDED)}, 10, 300) == []
    assert run(rules, {"gate": unknown(Reason.NO_BROKER)}, 310, 300) == []
