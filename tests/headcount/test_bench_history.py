"""``headcount bench history``: what it generates is a history, and it spares one that is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headcount.bench.history import bench_history
from headcount.failures import InputError


def test_it_measures_what_was_asked_for_and_fills_no_history_twice(
    history_url: str, capsys: Any
) -> None:
    bench_history(cameras=2, days=1, fps=0.1, url=history_url, as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert result["readings"] == 2 * 24 * 360
    assert result["bytes_per_camera_and_day"] == pytest.approx(result["bytes"] / 2, abs=1)
    assert result["bytes"] > 10 * result["readings"]
    assert result["query_ms"]["24 h, every value"]["values"] == 24 * 360

    with pytest.raises(InputError, match="holds a history already"):
        bench_history(cameras=2, days=1, fps=0.1, url=history_url, as_json=True)
