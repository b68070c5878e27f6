"""What the cameras of a chaos run show, and the level that its crowd crosses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from headcount.demo import clips_folder
from headcount.rtsp_source import Clip, load_clip
from scenes.clip import resize_clip, write_clip
from scenes.scene import SHORTEST_CYCLE

CAMERAS = ("gate-1", "gate-2")
WIDTH, HEIGHT = 320, 180
OTHER_WIDTH, OTHER_HEIGHT = 480, 270
LOOKED_AT = 40  # frames that are counted to choose the level


@dataclass(frozen=True)
class Scenery:
    """The clip in two sizes, and the level in people that its crowd rises above and falls below."""

    clips: tuple[Clip, Clip]
    level: float


def scenery(weights: str, max_side: int) -> Scenery:
    """Render the clip, unless it is kept from an earlier run, and choose the level.

    The level lies half-way between the fewest and the most people that these weights see in it, so
    that every cycle is an incident whatever the weights' accuracy at this small size.
    """
    folder = clips_folder(SHORTEST_CYCLE) / f"{WIDTH}x{HEIGHT}"
    folder.mkdir(parents=True, exist_ok=True)
    usual, other = folder / "plaza.mp4", folder / "other.mp4"
    if not usual.is_file():
        write_clip("plaza", folder, SHORTEST_CYCLE, width=WIDTH, height=HEIGHT)
    if not other.is_file():
        resize_clip(usual, other, OTHER_WIDTH, OTHER_HEIGHT)
    return Scenery((load_clip(usual), load_clip(other)), _level(usual, weights, max_side))


def _level(film: Path, weights: str, max_side: int) -> float:
    from models.counter import Counter

    counter = Counter.load(weights, device="cpu")
    seen = [
        counter.count([picture], steps=1, max_side=max_side)[0].count
        for picture in _pictures(film, LOOKED_AT)
    ]
    return (min(seen) + max(seen)) / 2


def _pictures(film: Path, number: int) -> list[NDArray[np.uint8]]:
    """So many frames (H, W, 3) BGR, evenly spread."""
    with av.open(str(film)) as video:
        stream = video.streams.video[0]
        step = max(1, stream.frames // number)
        return [
            np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
            for index, frame in enumerate(video.decode(stream))
            if index % step == 0
        ]
