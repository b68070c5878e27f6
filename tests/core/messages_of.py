"""Messages with everything filled in but what a test is about."""

from __future__ import annotations

from typing import Any

from core.messages import CameraState, Heartbeat, Picture, Reading, Service, State


def reading(camera: str = "gate-1", at: int = 0, **fields: Any) -> Reading:
    given: dict[str, Any] = {
        "camera": camera,
        "seq": at,
        "captured_at": at,
        "published_at": at,
        "count": 2.0,
        "low": 1.0,
        "high": 3.0,
        "heads": [(0.5, 0.5, 1.0), (0.6, 0.5, 1.0)],
        "width": 640,
        "height": 360,
        "model": "tiny",
        "model_hash": "0" * 12,
        "inference_ms": 50.0,
        "worker": "w",
    }
    return Reading(**(given | fields))


def state(camera: str = "gate-1", at: int = 0, **fields: Any) -> State:
    given: dict[str, Any] = {
        "camera": camera,
        "at": at,
        "state": CameraState.LIVE,
        "since": at - 60_000,
        "last_frame_at": at,
    }
    return State(**(given | fields))


def heartbeat(service: Service, at: int = 0, **fields: Any) -> Heartbeat:
    given: dict[str, Any] = {
        "service": service,
        "id": f"{service}-1",
        "at": at,
        "started_at": at - 60_000,
        "version": "0.1.0",
        "config_version": "0" * 12,
    }
    return Heartbeat(**(given | fields))


def picture(camera: str = "gate-1", at: int = 0, jpeg: bytes = b"\xff\xd8") -> Picture:
    return Picture(camera=camera, seq=at, captured_at=at, jpeg=jpeg)
