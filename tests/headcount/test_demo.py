"""``headcount demo`` and ``headcount bench chain`` from start to end, on short clips."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scenes.clip import write_clip
from tests.headcount.conftest import free_port, headcount

pytestmark = [pytest.mark.usefixtures("weights"), pytest.mark.timeout(240)]


def test_the_demo_counts_compares_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(temporary)}
    arguments = ["demo", "--port", str(free_port()), "--clip-seconds", "4", "--seconds", "25"]
    result = headcount(*arguments, timeout_s=200, **places)
    assert result.returncode == 0, result.stderr
    for text in (
        "Rendering the scene: plaza",
        "Dashboard: http://127.0.0.1:",
        "First reading: ",
        "plaza: mean absolute error",
        "concourse: mean absolute error",
        "headcount probe",
        "headcount run",
    ):
        assert text in result.stdout, result.stdout + result.stderr
    assert os.listdir(temporary) == []  # noqa: PTH208 - any name at all
    assert len(list((tmp_path / "cache").rglob("*.mp4"))) == 2


def test_the_chain_is_measured(tmp_path: Path) -> None:
    write_clip("plaza", tmp_path, 4.0)
    result = headcount(
        "bench", "chain", tmp_path / "plaza.mp4", "--seconds", "6", "--json", timeout_s=200
    )
    assert result.returncode == 0, result.stderr
    measured = json.loads(result.stdout)
    assert measured["readings"] >= 3
    assert 0 < measured["model_ms"]["median"] <= measured["latency_ms"]["median"]
    assert measured["latency_ms"]["max"] < 10_000
