"""Whether a camera's picture can be used: frozen, covered, moved, or only less sharp.

A picture that cannot be used makes the camera's status unknown, with the reason; one that is less
sharp than it was is still counted, with a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.messages import Reason
from ingest.frozen import FrozenCheck
from ingest.look import Look, look_at
from ingest.view import Reference, ViewCheck

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
        learned: `reference` of an earlier one, to go on with; empty to learn the view anew.
    """

    def __init__(self, frozen_after_s: float, fixed_view: bool, learned: str = "") -> None:
        self.health = WELL
        self._view = ViewCheck(Reference.unpacked(learned) if learned else None)
        self._fixed_view = fixed_view
        self._frozen = FrozenCheck(frozen_after_s)
        self._frozen_after_s = frozen_after_s
        self._looked_at: float | None = None
        self._shown_at: float | None = None  # when the picture last showed something

    def restart(self) -> None:
        """Frames to come are of another connection, or of a recording's next repeat."""
        self._frozen.restart()
        self._view.restart()
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
            self.health = self._of_view(look, at_s) if self._fixed_view else WELL
        return self.health

    @property
    def reference(self) -> str:
        """What was learned of the camera's view; empty as long as nothing is."""
        return self._view.reference.packed() if self._view.reference else ""

    def _of_view(self, look: Look, at_s: float) -> Health:
        view = self._view.see(look, at_s)
        if view.moved:
            return _MOVED
        return _BLURRED if view.blurred else WELL
