"""What the service and a camera's child process say to each other: lines of JSON on pipes.

The child gets a `Job` as the first line of its stdin (not as an argument: arguments are public, and
a source holds a password), then one line ``open`` for each attempt. It answers on stdout with
`Event` lines. When its stdin closes it ends.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from core.messages import Reason
from core.settings import CameraSettings

OPEN_LINE = b"open\n"


class Job(BaseModel):
    """What a child is to play, and where its frames go."""

    model_config = ConfigDict(frozen=True)

    camera: CameraSettings
    max_side: int  # longer side of the pictures, pixels
    broker: str  # Redis URL
    shards: int
    view: str = ""  # what the child before this one learned of the camera's view


class EventKind(StrEnum):
    OPENING = "opening"  # the attempt begins
    OPENED = "opened"  # the source is open and has video
    VIEW = "view"  # how the camera's view looks was learned
    FRAME = "frame"  # frames are being decoded; at most twice a second
    ALIVE = "alive"  # waiting for workers, or for a slow recording's next frame
    FAILED = "failed"  # the attempt or the connection is over
    ENDED = "ended"  # a file played once is over


class Event(BaseModel):
    """One line of the child. Counts are since the child started."""

    model_config = ConfigDict(frozen=True)

    kind: EventKind
    frames: int = 0  # captured
    drops: int = 0  # captured or due, but never handed to a worker
    publish_errors: int = 0  # frames that the broker did not take
    width: int = 0  # of the source, pixels
    height: int = 0
    fps: float = 0.0  # of the source
    reason: Reason | None = None  # FAILED: why; FRAME: why the picture cannot be used
    detail: str = ""
    view: str = ""  # VIEW: for `Job.view` of the next child
    warning: str = ""  # FRAME: what is worse than it was, though the picture can be used

    def line(self) -> bytes:
        return self.model_dump_json(exclude_defaults=True).encode() + b"\n"
