from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.messages import CameraState, Heartbeat, Reason, Service, State
from core.settings import CameraSettings
from core.status import Status, camera_status, freshness_limit_s
from tests.core.messages_of import heartbeat, reading, state

NOW = 1_800_000_000_000
CAMERA = CameraSettings(id="gate-1", source="rtsp://h/x")  # age limit 3 s, 1 fps: fresh up to 5 s
BOTH = (Service.INGEST, Service.WORKER)


def status(
    camera: CameraSettings = CAMERA,
    *,
    beats: tuple[Service, ...] = BOTH,
    beat_age_s: float = 1,
    seen: State | None = None,
    reading_age_s: float | None = 1,
) -> Status:
    heartbeats: list[Heartbeat] = [heartbeat(service, ago(beat_age_s)) for service in beats]
    last = None if reading_age_s is None else reading(at=ago(reading_age_s))
    return camera_status(camera, seen, heartbeats, last, NOW)


def ago(seconds: float) -> int:
    return NOW - round(seconds * 1000)


def live(age_s: float = 1, **fields: Any) -> State:
    return state(at=ago(age_s), **fields)


def test_a_live_camera_with_a_fresh_reading_is_ok() -> None:
    assert status(seen=live()) == Status(True, None, "", 1.0)


@pytest.mark.parametrize(
    ("found", "reason", "age_s"),
    [
        (status(beats=()), Reason.NO_INGEST, 1),
        (status(beats=(Service.WORKER,), seen=live()), Reason.NO_INGEST, 1),
        (status(beat_age_s=6, seen=live()), Reason.NO_INGEST, 1),
        (status(seen=live(age_s=6)), Reason.NO_INGEST, 1),
        (status(seen=None), Reason.STARTING, 1),
        (status(beats=(Service.INGEST,), seen=live()), Reason.NO_WORKER, 1),
        (status(beats=(Service.INGEST, Service.ALERTS), seen=live()), Reason.NO_WORKER, 1),
        (status(seen=live(), reading_age_s=None), Reason.STARTING, None),
        (status(seen=live(), reading_age_s=5.1), Reason.OVERLOADED, 5.1),
        (status(seen=live(since=ago(3)), reading_age_s=300), Reason.STARTING, 300),
        (status(seen=live(), reading_age_s=-60), Reason.STARTING, 0),
        (status(seen=live(last_frame_at=ago(11))), Reason.STALLED, 1),
        (status(seen=live(reason=Reason.FROZEN)), Reason.FROZEN, 1),
        (status(seen=live(state=CameraState.CONNECTING)), Reason.CONNECTING, 1),
        (status(seen=live(state=CameraState.STALLED)), Reason.STALLED, 1),
        (status(seen=live(state=CameraState.OFFLINE)), Reason.OFFLINE, 1),
        (status(seen=live(state=CameraState.ENDED)), Reason.ENDED, 1),
        (
            status(seen=live(state=CameraState.OFFLINE, reason=Reason.UNAUTHORISED)),
            Reason.UNAUTHORISED,
            1,
        ),
    ],
)
def test_each_trouble_has_its_reason_a_sentence_and_the_readings_age(
    found: Status, reason: Reason, age_s: float | None
) -> None:
    assert (found.ok, found.reason, found.age_s) == (False, reason, age_s)
    assert found.detail


def test_what_ingest_says_of_the_camera_is_passed_on() -> None:
    seen = live(state=CameraState.OFFLINE, reason=Reason.REFUSED, detail="port 554 is closed")
    assert status(seen=seen).detail == "port 554 is closed"


def test_a_camera_that_is_away_matters_more_than_a_missing_worker() -> None:
    seen = live(state=CameraState.OFFLINE, reason=Reason.TIMEOUT)
    assert status(beats=(Service.INGEST,), seen=seen).reason is Reason.TIMEOUT


@pytest.mark.parametrize(("fps", "age_limit", "limit"), [(1, 3, 5), (0.1, 3, 22), (10, 10, 12)])
def test_how_old_a_reading_may_be_follows_the_settings(
    fps: float, age_limit: float, limit: float
) -> None:
    camera = CameraSettings(id="gate-1", source="0", fps=fps, age_limit=age_limit)
    assert freshness_limit_s(camera) == limit
    assert status(camera, seen=live(), reading_age_s=limit).ok
    assert not status(camera, seen=live(), reading_age_s=limit + 0.1).ok


def test_a_file_played_fast_is_judged_by_when_its_reading_was_made() -> None:
    camera = CameraSettings.model_validate(
        {"id": "gate-1", "source": "a.mp4", "play": {"pace": "fast", "policy": "every"}}
    )
    last = reading(at=NOW + 3_600_000, published_at=ago(2))
    beats = [heartbeat(service, NOW) for service in BOTH]
    assert camera_status(camera, live(), beats, last, NOW) == Status(True, None, "", 2.0)


SECONDS = st.floats(-100, 100)


@given(
    beats=st.lists(st.tuples(st.sampled_from(Service), SECONDS), max_size=6),
    seen=st.none() | st.tuples(st.sampled_from(CameraState), st.none() | st.sampled_from(Reason)),
    state_age_s=SECONDS,
    frame_age_s=st.none() | SECONDS,
    since_s=SECONDS,
    reading_age_s=st.none() | SECONDS,
)
def test_ok_means_that_everything_on_the_way_lives_and_the_reading_is_fresh(
    beats: list[tuple[Service, float]],
    seen: tuple[CameraState, Reason | None] | None,
    state_age_s: float,
    frame_age_s: float | None,
    since_s: float,
    reading_age_s: float | None,
) -> None:
    last_state = None
    if seen is not None:
        last_frame_at = None if frame_age_s is None else ago(frame_age_s)
        last_state = live(
            state_age_s,
            state=seen[0],
            reason=seen[1],
            since=ago(since_s),
            last_frame_at=last_frame_at,
        )
    last = None if reading_age_s is None else reading(at=ago(reading_age_s))
    heartbeats = [heartbeat(service, ago(age_s)) for service, age_s in beats]
    found = camera_status(CAMERA, last_state, heartbeats, last, NOW)
    living = {service for service, age_s in beats if abs(age_s) < 6.001}
    assert found.ok == (found.reason is None) == (found.detail == "")
    assert (found.age_s is None) == (last is None)
    if found.ok:
        assert seen == (CameraState.LIVE, None)
        assert {Service.INGEST, Service.WORKER} <= living
        assert abs(state_age_s) < 6.001
        assert reading_age_s is not None
        assert -5.001 <= reading_age_s <= 5.001
        assert found.age_s is not None
        assert found.age_s >= 0
