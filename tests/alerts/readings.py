"""Readings for tests: people in the middle of the picture, with an interval of 10 %."""

from core.messages import Reading


def reading(camera: str, at_ms: int, people: float, **changes: object) -> Reading:
    heads = [(0.5, 0.5, people)] if people else []
    values = {
        "camera": camera,
        "seq": at_ms,
        "captured_at": at_ms,
        "published_at": at_ms + 80,
        "count": people,
        "low": people * 0.95,
        "high": people * 1.05,
        "heads": heads,
        "width": 1280,
        "height": 720,
        "model": "test",
        "model_hash": "0" * 12,
        "inference_ms": 40.0,
        "worker": "test",
        **changes,
    }
    return Reading.model_validate(values)
