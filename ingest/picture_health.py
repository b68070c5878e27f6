"""Whether a camera's picture can be used: frozen, covered, moved, or only less sharp.

A picture that cannot be used makes the camera's status unknown, with the reason; one that is less
sharp than it was is still counted, with a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.messages import Reason
from ingest.frozen import FrozenCheck
from ingest.look import look_at
from ingest.view import ViewCheck

COVERED_BELOW = 0.01  # share of the picture at an edge; real scenes, also at night, have 0.1
COVERED_AFTER_S = 3.0
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Health:
    """What is wrong with the picture.

    Attributes:
        reason: why it cannot be used; None where it can.
        detail: one sentence for an operator.
        warning: one sentence where it is worse than it was and still of use.
    """

    reason: Reason | None = None
    detail: str = ""
    warning: str = ""


WELL = Health()
_COVERED = Health(Reason.COVERED, "The picture shows nothing: the lens is covered, or it is dark.")
_MOVED = Health(
    Reason.MOVED,
    "The view is not the one that the camera had before: it was turned, or something stands "
    "before it.",
)
_BLURRED = Health(warning="The picture is much less sharp than it was: look at lens and focus.")


class PictureHealth:
    """Judges the decoded frames of one camera. Times are seconds of the stream, so that a
    recording that is paused or played fast is judged like any other.

    Args:
        frozen_after_s: the same picture for so long is frozen.
        fixed_view: whether the camera always looks at the same place.
    """

    def __init__(self, frozen_after_s: float, fixed_view: bool) -> None:
        self.health = WELL
        self.view = ViewCheck() if fixed_view else None
        self._frozen = FrozenCheck(frozen_after_s)
        self._frozen_after_s = frozen_after_s
        self._looked_at: float | None = None
        self._shown_at: float | None = None  # when the picture last showed something

    def restart(self) -> None:
        """Frames to come are of another connection, or of a recording's next repeat."""
        self._frozen.restart()
        if self.view is not None:
            self.view.restart()
        self._looked_at = self._shown_at = None

    def see(self, frame: Any, at_s: float) -> Health:
        """The picture's health, now that this frame (``av.VideoFrame``) was decoded."""
        if frame.key_frame:
            self._frozen.keyframe(at_s)
        if self._looked_at is not None and 0 <= at_s - self._looked_at < _LOOK_EVERY_S:
            return self.health
        self._looked_at = at_s
        look = look_at(frame)
        frozen = self._frozen.see(look, at_s)
        shows = look.structure >= COVERED_BELOW
        if shows or self._shown_at is None:
            self._shown_at = at_s
        if not shows:
            if at_s - self._shown_at >= COVERED_AFTER_S:
                self.health = _COVERED
        elif frozen:
            seconds = f"{self._frozen_after_s:g} s"
            detail = f"The same picture has come again and again for more than {seconds}."
            self.health = Health(Reason.FROZEN, detail)
        else:
            view = self.view.see(look, at_s) if self.view is not None else None
            self.health = WELL
            if view is not None and (view.moved or view.blurred):
                self.health = _MOVED if view.moved else _BLURRED
        return self.health
