from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sampling import Backlog, Pacer, Sampler


@given(fps=st.floats(0.2, 60), source_fps=st.floats(1, 60), seconds=st.floats(20, 60))
def test_as_many_frames_are_picked_as_asked_or_all_there_are(
    fps: float, source_fps: float, seconds: float
) -> None:
    sampler = Sampler(fps)
    times = [index / source_fps for index in range(int(seconds * source_fps))]
    picked = [time for time in times if sampler.pick(time)]
    expected = min(fps, source_fps) * seconds
    assert abs(len(picked) - expected) <= max(2, 0.02 * expected)


def test_picks_are_evenly_spaced() -> None:
    sampler = Sampler(fps=2)
    picked = [time / 25 for time in range(250) if sampler.pick(time / 25)]
    gaps = [b - a for a, b in pairwise(picked)]
    assert max(gaps) <= 0.5 + 1 / 25 + 1e-9


def test_after_a_pause_one_frame_is_picked_not_all_that_were_missed() -> None:
    sampler = Sampler(fps=10)
    assert sampler.pick(0.0)
    assert sampler.pick(8.0)
    assert not sampler.pick(8.01)


def test_a_recording_plays_in_real_time() -> None:
    pacer = Pacer()
    assert pacer.wait_s(0.0, now=100.0) == 0
    assert pacer.wait_s(0.5, now=100.1) == pytest.approx(0.4)
    assert pacer.wait_s(1.0, now=101.2) == 0, "late, so at once"
    assert pacer.wait_s(2.0, now=101.2) == pytest.approx(0.8), "and caught up later"


def test_a_suspended_machine_goes_on_where_it_was() -> None:
    pacer = Pacer()
    pacer.wait_s(0.0, now=0.0)
    assert pacer.wait_s(1.0, now=500.0) == 0
    assert pacer.wait_s(2.0, now=500.0) == pytest.approx(1.0)


def test_a_jump_in_the_time_stamps_does_not_stop_the_picture() -> None:
    pacer = Pacer()
    pacer.wait_s(0.0, now=0.0)
    assert pacer.wait_s(3600.0, now=0.1) == 0


def play(backlog: Backlog, decode_s: float, seconds: float) -> tuple[list[float], float]:
    """A 25 frames/s stream, keyframe each second, decoded in ``decode_s`` a frame.

    Returns:
        How old each decoded frame was, and the time skipped.
    """
    now, index, ages = 0.0, 0, []
    while now < seconds:
        arrives = index / 25
        waited = max(0.0, arrives - now)
        now = max(now, arrives) + 0.0001
        if not backlog.skip(waited, index % 25 == 0, now):
            now += decode_s
            ages.append(now - arrives)
        index += 1
    return ages, backlog.skipped_s


def test_a_machine_that_keeps_up_skips_nothing() -> None:
    ages, skipped = play(Backlog(0.0), decode_s=0.030, seconds=60)
    assert skipped == 0
    assert len(ages) > 1400


@pytest.mark.parametrize("decode_s", [0.045, 0.08, 0.3])
def test_a_machine_that_is_too_slow_stays_near_the_newest_picture(decode_s: float) -> None:
    ages, skipped = play(Backlog(0.0), decode_s=decode_s, seconds=120)
    assert max(ages) < 3.0
    assert skipped > 0
    assert len(ages) > 100


def test_a_server_that_sends_without_pause_is_still_shown() -> None:
    backlog = Backlog(0.0)
    shown = sum(not backlog.skip(0.0, True, index * 0.01) for index in range(3000))
    assert shown > 600, "of 30 s"


def test_a_stream_without_any_keyframe_goes_on_after_a_while() -> None:
    backlog = Backlog(0.0)
    shown = [index * 0.04 for index in range(2000) if not backlog.skip(0.0, False, index * 0.04)]
    assert max(after - before for before, after in pairwise(shown)) < 31
