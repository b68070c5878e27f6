"""Which faults come, and when the next one may."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from core.clock import local_ms
from headcount.chaos import faults
from headcount.chaos.faults import KINDS, SLOW, Breaker, Target
from headcount.chaos.record import CameraSeen, Fault, Record, Rules, StoredSeen


def target(record: Record) -> Target:
    receiver: Any = None
    return Target("redis://unused", {}, (), receiver, record, threading.Event())


def kinds_broken(seed: int, monkeypatch: pytest.MonkeyPatch, most: int) -> list[str]:
    """The kinds that a breaker chooses, with nothing broken and all well at once."""
    record = Record(Rules(3.0, 5.0, 30.0, 2.0, 4.0))
    site = target(record)
    done: list[str] = []

    def pretend(kind: str) -> Any:
        def act(_target: Target, rng: Any) -> Fault:
            rng.random()
            now = local_ms()
            done.append(kind)
            record.cameras.append(CameraSeen(now, "gate", "ok", None, (9.0,), 0.0))
            record.stored.append(StoredSeen(now, "gate", now))
            if len(done) >= most:
                site.stop.set()
            return Fault(kind, "x", now, now, 40.0)

        return act

    monkeypatch.setattr(faults, "KINDS", {kind: pretend(kind) for kind in KINDS})
    monkeypatch.setattr(site.stop, "wait", lambda _seconds: site.stop.is_set())
    Breaker(site, seed).break_until(time.monotonic() + 60)
    return done


def test_every_kind_comes_in_turn_and_slow_ones_half_as_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = len(KINDS) - len(SLOW)
    done = kinds_broken(3, monkeypatch, quick + len(KINDS))
    assert set(done[:quick]) == set(KINDS) - SLOW
    assert set(done[quick:]) == set(KINDS)


def test_a_seed_repeats_its_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    first = kinds_broken(5, monkeypatch, 30)
    assert kinds_broken(5, monkeypatch, 30) == first
    assert kinds_broken(6, monkeypatch, 30) != first


def test_well_means_every_camera_shown_and_stored_with_a_picture_of_afterwards() -> None:
    record = Record(Rules(3.0, 5.0, 30.0, 2.0, 4.0))
    fault = Fault("kill worker", "worker", 1000, 2000, 40.0)

    def look(at: int, camera: str, status: str, age_s: float, stored: int) -> None:
        record.cameras.append(CameraSeen(at, camera, status, None, (9.0,), age_s))
        record.stored.append(StoredSeen(at, camera, stored))

    look(2500, "a", "ok", 1.0, 1400)  # a picture of before
    look(2500, "b", "unknown", 9.0, 1400)
    assert record.recovered_at(fault) is None
    look(4000, "a", "ok", 0.5, 3400)
    assert record.recovered_at(fault) is None  # b is still away
    look(5000, "b", "ok", 0.5, 1400)
    assert record.recovered_at(fault) is None  # shown, and not stored
    look(6000, "b", "ok", 0.5, 5400)
    assert record.recovered_at(fault) == 6000
    assert record.recoveries_s() == {}
    record.faults.append(fault)
    assert record.recoveries_s() == {"kill worker": [4.0]}
