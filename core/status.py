"""What a viewer is told of a camera: ok, or unknown with the reason. A blind camera is never zero.

Pure: the dashboard and the alerts ask this one function, so they never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.messages import (
    HEARTBEAT_GONE_S,
    CameraState,
    Heartbeat,
    Reading,
    Reason,
    Service,
    State,
)
from core.settings import CameraSettings

GRACE_S = 2.0  # on top of the age limit: the way of a frame through the worker to the viewer

_REASON_OF_STATE = {
    CameraState.CONNECTING: Reason.CONNECTING,
    CameraState.STALLED: Reason.STALLED,
    CameraState.OFFLINE: Reason.OFFLINE,
    CameraState.ENDED: Reason.ENDED,
}


@dataclass(frozen=True)
class Status:
    """Whether the last reading may be shown as the present.

    Attributes:
        reason: why not; None when ok.
        detail: one sentence for an operator; empty when ok.
        age_s: age of the last reading whatever the status, seconds; None before the first.
        warning: one sentence where the picture is worse than it was, though still counted.
    """

    ok: bool
    reason: Reason | None
    detail: str
    age_s: float | None
    warning: str = ""


def freshness_limit_s(settings: CameraSettings) -> float:
    """How old a reading may be and still count as the present, seconds."""
    return max(settings.age_limit, 2 / settings.fps) + GRACE_S


def reading_age_s(settings: CameraSettings, reading: Reading | None, now_ms: int) -> float | None:
    """Age of what a reading shows, seconds; negative when it is stamped in the future."""
    if reading is None:
        return None
    # A file played faster than real time is stamped start + position, which is no time of day.
    is_fast = settings.kind == "file" and settings.play.pace == "fast"
    return (now_ms - (reading.published_at if is_fast else reading.captured_at)) / 1000


def camera_status(
    settings: CameraSettings,
    state: State | None,
    heartbeats: Sequence[Heartbeat],
    reading: Reading | None,
    now_ms: int,
) -> Status:
    """The status of a camera from all that is known of it.

    Args:
        state: the last that ingest said of the camera.
        heartbeats: the last of each process; old ones are passed over.
        reading: the camera's last.
        now_ms: on the broker's clock.
    """
    age_s = reading_age_s(settings, reading, now_ms)
    trouble = (
        _trouble_before_the_worker(settings, state, heartbeats, now_ms)
        or _trouble_with_workers(heartbeats, now_ms)
        or _trouble_with_the_reading(settings, state, age_s, now_ms)
    )
    shown_age_s = None if age_s is None else max(0.0, age_s)
    if trouble is None:
        return Status(True, None, "", shown_age_s, state.warning if state else "")
    reason, detail = trouble
    return Status(False, reason, detail, shown_age_s)


Trouble = tuple[Reason, str]


def _trouble_before_the_worker(
    settings: CameraSettings,
    state: State | None,
    heartbeats: Sequence[Heartbeat],
    now_ms: int,
) -> Trouble | None:
    if not _lives(Service.INGEST, heartbeats, now_ms):
        return Reason.NO_INGEST, "the ingest service is not running"
    if state is None:
        return Reason.STARTING, "ingest has not reported this camera yet"
    silence_s = (now_ms - state.at) / 1000
    if abs(silence_s) >= HEARTBEAT_GONE_S:
        return Reason.NO_INGEST, f"ingest has not reported this camera for {silence_s:.0f} s"
    if state.state is not CameraState.LIVE:
        reason = state.reason or _REASON_OF_STATE[state.state]
        return reason, state.detail or f"the camera is {state.state.value}"
    if state.reason is not None:
        return state.reason, state.detail or f"the picture cannot be used: {state.reason.value}"
    if state.last_frame_at is not None:
        quiet_s = (now_ms - state.last_frame_at) / 1000
        if quiet_s > max(freshness_limit_s(settings), settings.stall_timeout):
            return Reason.STALLED, f"no frame for {quiet_s:.0f} s"
    return None


def _trouble_with_workers(heartbeats: Sequence[Heartbeat], now_ms: int) -> Trouble | None:
    if _lives(Service.WORKER, heartbeats, now_ms):
        return None
    return Reason.NO_WORKER, "no worker is running"


def _trouble_with_the_reading(
    settings: CameraSettings, state: State | None, age_s: float | None, now_ms: int
) -> Trouble | None:
    limit_s = freshness_limit_s(settings)
    if age_s is None:
        return Reason.STARTING, "waiting for the first reading"
    if age_s < -limit_s:
        return Reason.STARTING, f"the last reading is stamped {-age_s:.0f} s in the future"
    if age_s <= limit_s:
        return None
    live_for_s = (now_ms - state.since) / 1000 if state else 0.0
    if live_for_s <= limit_s:
        return Reason.STARTING, "waiting for the first reading since the camera came back"
    return Reason.OVERLOADED, f"the last reading is {age_s:.0f} s old: the workers do not keep up"


def _lives(service: Service, heartbeats: Sequence[Heartbeat], now_ms: int) -> bool:
    return any(
        beat.service is service and abs(now_ms - beat.at) < HEARTBEAT_GONE_S * 1000
        for beat in heartbeats
    )
