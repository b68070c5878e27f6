"""A short seeded run against the whole site; `headcount bench chaos` makes long ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from headcount.chaos.checks import verdicts
from headcount.chaos.record import Fault
from headcount.chaos.run import print_report, report, run_chaos

SECONDS, SEED = 10.0, 4
QUICK = (
    "kill alerts",
    "kill broker",
    "kill camera",
    "pause broker",
    "empty broker",
    "broker with another password",
    "camera cut off",
    "camera with another resolution",
)
SLOWER_MACHINE = 3.0  # what a busy machine may take, as a multiple of the limits in time


@pytest.mark.timeout(240)
def test_a_short_run_holds_every_invariant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Fault] = []
    record = run_chaos(
        tmp_path, SECONDS, SEED, kinds=QUICK, on_fault=lambda fault, _took: told.append(fault)
    )
    record.faults = [
        replace(fault, within_s=SLOWER_MACHINE * fault.within_s) for fault in record.faults
    ]
    record.silent_api_s /= SLOWER_MACHINE
    judged = verdicts(record)
    assert [verdict.violations for verdict in judged if not verdict.holds] == []
    assert told
    assert record.readings
    assert record.processes

    result = json.loads(json.dumps(report(record, judged, SECONDS, SEED)))
    assert result["holds"] is True
    assert sum(row["faults"] for row in result["kinds"].values()) == result["faults"]
    print_report(result)
    printed = capsys.readouterr().out
    assert printed.count("holds   ") == len(judged)
