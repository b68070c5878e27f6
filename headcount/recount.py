"""Evidence is counted as it was then: at the same size, with the same steps.

Beside an incident's picture lies ``LEVEL-heads.json``, which says how it was counted and holds the
picture's checksum; only a picture with that very checksum is taken for evidence.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

PICTURE = "-picture.jpg"
HEADS = "-heads.json"


@dataclass(frozen=True)
class CountedThen:
    """How a picture was counted when its incident was raised."""

    model: str
    model_hash: str
    max_side: int | None
    steps: int | None
    samples: int
    pictures: str  # full, or blurred after it was counted


def counted_then(file: Path) -> CountedThen | None:
    """How a picture of evidence was counted; None for any other file, changed ones included."""
    if not file.name.endswith(PICTURE):
        return None
    heads = file.with_name(file.name.removesuffix(PICTURE) + HEADS)
    try:
        told = json.loads(heads.read_text())
        if told["files"][file.name] != hashlib.sha256(file.read_bytes()).hexdigest():
            return None
        model = told["model"]
        return CountedThen(
            model["name"],
            model["hash"],
            model["max_side"],
            model["steps"],
            model["samples"],
            told["pictures"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
