"""One counted picture as ``count --json`` prints it and the `count` command answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.counter import CrowdReading


def rounded_heads(heads: NDArray[np.float32], decimals: int) -> list[tuple[float, float, float]]:
    """Heads (N, 3) as plain numbers: places to so many decimals, weights to five."""
    rows = np.asarray(heads, dtype=np.float64).reshape(-1, 3)
    return [
        (round(x, decimals), round(y, decimals), round(weight, 5)) for x, y, weight in rows.tolist()
    ]


def result_item(
    reading: CrowdReading, source: str, frame: int, captured_at: str | None
) -> dict[str, Any]:
    """The reading as plain data, places in pixels of the original picture.

    Args:
        source: where the picture came from, as the user named it.
        frame: index in a video; 0 for a picture.
        captured_at: ISO 8601, where it is known.
    """
    return {
        "source": source,
        "frame": frame,
        "captured_at": captured_at,
        "count": round(reading.count, 4),
        "low": round(reading.low, 4),
        "high": round(reading.high, 4),
        "heads": [list(head) for head in rounded_heads(reading.heads, 2)],
        "ms": round(reading.ms, 2),
    }
