"""``headcount demo`` and ``headcount bench chain`` from start to end, on short clips."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from headcount.ports import free_port
from scenes.scene import Scene, ground_of
from tests.headcount.conftest import headcount

CONFIGS = Path(__file__).parents[2] / "configs"

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


def test_the_chain_is_measured(clips: Path) -> None:
    result = headcount(
        "bench", "chain", clips / "plaza.mp4", "--seconds", "6", "--json", timeout_s=200
    )
    assert result.returncode == 0, result.stderr
    measured = json.loads(result.stdout)
    assert measured["readings"] >= 3
    assert 0 < measured["model_ms"]["median"] <= measured["latency_ms"]["median"]
    assert measured["latency_ms"]["max"] < 10_000


@pytest.mark.parametrize("name", ["plaza", "concourse"])
def test_the_demos_zones_are_where_the_scenes_say(name: str) -> None:
    site = yaml.safe_load((CONFIGS / "demo.yaml").read_text())
    camera = next(camera for camera in site["cameras"] if camera["id"] == name)
    zone = next(zone for zone in camera["zones"] if "ground" in zone)
    truth = ground_of(Scene(name))
    assert np.allclose(zone["polygon"], truth.polygon, atol=1e-3)
    assert np.allclose(zone["ground"]["picture"], truth.picture, atol=1e-3)
    assert np.allclose(zone["ground"]["metres"], truth.metres)
