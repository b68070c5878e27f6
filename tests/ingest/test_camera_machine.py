from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from core.messages import CameraState, Reason
from ingest.camera_machine import KILL_GRACE_S, Action, Backoff, CameraMachine

STALL_S = 10.0
OPEN_S = 12.0


def machine() -> CameraMachine:
    return CameraMachine(STALL_S, now=0.0, rng=random.Random(1))


def live_machine(now: float = 0.0) -> CameraMachine:
    camera = machine()
    camera.started(now, OPEN_S)
    camera.opened(now)
    camera.frame(now)
    return camera


def next_attempt(camera: CameraMachine, now: float) -> float:
    """When the machine next asks for an attempt, to a tenth of a second."""
    while camera.tick(now) is not Action.CONNECT:
        now += 0.1
    return now


def test_a_new_camera_connects_at_once_and_is_live_with_its_first_frame() -> None:
    camera = machine()
    assert camera.state is CameraState.CONNECTING
    assert camera.reason is Reason.CONNECTING
    assert camera.tick(0.0) is Action.CONNECT
    camera.started(0.0, OPEN_S)
    camera.opened(0.4)
    assert camera.state is CameraState.CONNECTING
    camera.frame(0.5)
    assert (camera.state, camera.reason, camera.since) == (CameraState.LIVE, None, 0.5)


def test_a_failed_attempt_shows_its_reason_until_the_camera_is_live() -> None:
    camera = machine()
    camera.started(0.0, OPEN_S)
    camera.failed(1.0, Reason.REFUSED, "Nothing listens there.")
    again = next_attempt(camera, 1.0)
    camera.started(again, OPEN_S)
    assert camera.state is CameraState.OFFLINE
    assert camera.reason is Reason.REFUSED
    assert camera.detail == "Nothing listens there."
    camera.failed(again + 1, Reason.TIMEOUT, "It did not answer.")
    assert camera.reason is Reason.TIMEOUT
    assert camera.since == 1.0, "it has been away since the first failure"


def test_no_frame_for_the_stall_timeout_is_a_stall_and_a_frame_ends_it() -> None:
    camera = live_machine()
    assert camera.tick(STALL_S - 0.1) is None
    assert camera.state is CameraState.LIVE
    camera.tick(STALL_S)
    assert (camera.state, camera.reason) == (CameraState.STALLED, Reason.STALLED)
    camera.frame(STALL_S + 1)
    assert camera.state is CameraState.LIVE
    assert camera.reconnects == 0, "the connection was never lost"


def test_a_blocked_read_is_killed_soon_after_the_stall() -> None:
    camera = live_machine()
    camera.tick(STALL_S)
    assert camera.tick(STALL_S + KILL_GRACE_S - 0.1) is None
    assert camera.tick(STALL_S + KILL_GRACE_S) is Action.KILL
    assert camera.state is CameraState.STALLED
    assert camera.tick(STALL_S + KILL_GRACE_S + 1.0) is Action.CONNECT


def test_a_blocked_attempt_is_killed_and_tried_again() -> None:
    camera = machine()
    camera.started(0.0, OPEN_S)
    assert camera.tick(OPEN_S - 0.1) is None
    assert camera.tick(OPEN_S) is Action.KILL
    assert (camera.state, camera.reason) == (CameraState.OFFLINE, Reason.TIMEOUT)
    assert next_attempt(camera, OPEN_S) < OPEN_S + 1.1


def test_a_read_that_times_out_is_a_stall() -> None:
    camera = live_machine()
    camera.failed(9.9, Reason.TIMEOUT, "Nothing came.")
    assert (camera.state, camera.reason) == (CameraState.STALLED, Reason.STALLED)
    camera.started(11.0, OPEN_S)
    camera.failed(16.0, Reason.TIMEOUT, "It did not answer.")
    assert (camera.state, camera.reason) == (CameraState.OFFLINE, Reason.TIMEOUT)


def test_the_end_of_a_stream_is_a_disconnect_and_coming_back_a_reconnect() -> None:
    camera = live_machine()
    camera.failed(5.0, Reason.OFFLINE, "The connection ended.")
    assert (camera.state, camera.since) == (CameraState.OFFLINE, 5.0)
    again = next_attempt(camera, 5.0)
    assert again - 5.0 <= 1.1
    camera.started(again, OPEN_S)
    camera.opened(again)
    camera.frame(again + 0.5)
    assert camera.state is CameraState.LIVE
    assert camera.reconnects == 1


def test_a_recording_that_waits_for_workers_is_not_stalled() -> None:
    camera = live_machine()
    for second in range(1, 60):
        camera.alive(float(second))
        assert camera.tick(second + 0.5) is None
    assert camera.state is CameraState.LIVE
    assert camera.last_frame == 0.0


def test_a_file_played_to_its_end_is_left_alone() -> None:
    camera = live_machine()
    camera.ended(4.0)
    assert (camera.state, camera.reason) == (CameraState.ENDED, Reason.ENDED)
    assert all(camera.tick(float(now)) is None for now in range(4, 4000, 7))


def test_a_connection_that_drops_at_once_does_not_reset_the_waits() -> None:
    camera = machine()
    now = 0.0
    waits = []
    for _ in range(6):
        camera.started(now, OPEN_S)
        camera.opened(now)
        camera.frame(now)
        camera.failed(now + 1, Reason.OFFLINE, "The connection ended.")
        again = next_attempt(camera, now + 1)
        waits.append(again - now - 1)
        now = again
    assert waits[0] <= 1.1
    assert waits[-1] >= 6


def test_a_refused_password_is_not_tried_again_quickly() -> None:
    backoff = Backoff(random.Random(1))
    assert backoff.wait_s(0.0, Reason.UNAUTHORISED) >= 22.5


@given(seed=st.integers(0, 10_000), lasting=st.floats(0, 600 - 10))
def test_a_camera_back_within_ten_minutes_is_tried_within_eight_seconds(
    seed: int, lasting: float
) -> None:
    backoff = Backoff(random.Random(seed))
    now = 0.0
    while now < lasting:
        wait = backoff.wait_s(now, Reason.REFUSED)
        assert 0 < wait <= 8
        now += wait
    assert now - lasting <= 8


@given(seed=st.integers(0, 10_000))
def test_waits_never_exceed_half_a_minute_and_differ_between_cameras(seed: int) -> None:
    one, other = Backoff(random.Random(seed)), Backoff(random.Random(seed + 1))
    now = 0.0
    for _ in range(200):
        wait = one.wait_s(now, Reason.TIMEOUT)
        assert wait != other.wait_s(now, Reason.TIMEOUT)
        assert wait <= 30
        now += wait
    assert wait > 20, "a long outage is asked about less often"
