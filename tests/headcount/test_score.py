"""The demo's comparison with the scene's truth."""

from __future__ import annotations

from core.messages import Reading
from headcount.score import DemoScore


def reading(camera: str, position_s: float, count: float) -> Reading:
    return Reading(
        camera=camera,
        seq=1,
        captured_at=1000,
        published_at=1200,
        position_s=position_s,
        count=count,
        low=count - 2,
        high=count + 2,
        heads=[],
        width=64,
        height=48,
        model="tiny",
        model_hash="0" * 12,
        inference_ms=1.0,
        worker="w",
    )


def test_each_reading_is_compared_with_its_own_frame() -> None:
    lines: list[str] = []
    truth = {"plaza": [10, 20, 30, 40], "hall": [5, 5]}
    score = DemoScore(truth, {"plaza": 2.0, "hall": 2.0}, print_line=lines.append)
    score.add(reading("plaza", 0.5, 21.0), now_ms=1500)  # frame 1
    score.add(reading("plaza", 1.5, 37.0), now_ms=1500)  # frame 3
    score.add(reading("unknown", 0.0, 1.0), now_ms=1500)
    summary = score.summary()
    assert "plaza: mean absolute error 2.0 people over 2 readings (bias -1.0" in summary
    assert "hall: nothing was counted" in summary
    assert "50 % of the intervals held the truth" in summary
    assert lines == ["First reading: plaza 21 (19 to 23), truth 20, 0.5 s old"]


def test_a_clip_that_repeats_starts_again() -> None:
    score = DemoScore({"plaza": [10, 20]}, {"plaza": 1.0}, print_line=lambda _: None)
    score.add(reading("plaza", 2.0, 10.0), now_ms=0)
    assert "mean absolute error 0.0" in score.summary()
