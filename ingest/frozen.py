"""Notices a picture that has stopped: the same picture again and again.

A live sensor never gives the same picture twice, so frames would only have to be compared, were
they not encoded in between. Encoders copy what hardly changes from frame to frame and leave the
noise of a still scene out until the next keyframe. So a picture is compared with those before the
last keyframe: encoded anew from the same picture they differ by less than half a grey level on
average; a still scene with a sensor's faintest noise (half a grey level) differs by more than one.
"""

from __future__ import annotations

import numpy as np

from ingest.look import Look

SAME_MEAN = 0.6  # grey levels on average between two encodings of one picture
_MOVED_BY = 12.0  # grey levels of the small picture: something moves there
_MOVED_PLACES = 4
_ALIKE_AT_LEAST = 4  # pictures
_NO_KEYFRAME_S = 60.0  # some streams have none; after so long a picture counts as one
_NEW_TO_THAW = 2  # new pictures in a row that end it


class FrozenCheck:
    """Whether a camera's picture has stopped. Times are seconds of the stream.

    Args:
        after_s: for so long the picture must have been the same.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self.restart()

    def restart(self) -> None:
        """Pictures to come have nothing to do with those before: another connection."""
        self.frozen = False
        self._before: list[Look] = []  # the keyframe before the last one and what followed it
        self._current: list[Look] = []
        self._keyframe_at: float | None = None
        self._new_at: float | None = None  # when a picture was last a new one
        self._alike = 0
        self._new = 0

    def keyframe(self, at_s: float) -> None:
        """A keyframe was decoded."""
        if self._current:
            self._before, self._current = self._current, []
        self._keyframe_at = at_s

    def see(self, look: Look, at_s: float) -> bool:
        """Whether the picture is frozen, now that this one was seen."""
        if self._keyframe_at is None or at_s - self._keyframe_at >= _NO_KEYFRAME_S:
            self.keyframe(at_s)
        if self._is_new(look):
            self._new += 1
            self._alike = 0
            self._new_at = at_s
            self.frozen = self.frozen and self._new < _NEW_TO_THAW
        else:
            self._new = 0
            self._alike += 1
            lasting = self._new_at is not None and at_s - self._new_at >= self._after_s
            self.frozen = self.frozen or (lasting and self._alike >= _ALIKE_AT_LEAST)
        self._current = [*self._current, look][-8:]
        return self.frozen

    def _is_new(self, look: Look) -> bool:
        last = (self._current or self._before)[-1:]
        if not last or not self._before or _moves(look, last[0]):  # or too early to tell
            return True
        return all(_difference(look, other) >= SAME_MEAN for other in self._before)


def _moves(look: Look, other: Look) -> bool:
    changed = np.abs(look.small - other.small) > _MOVED_BY
    return int(changed.sum()) >= _MOVED_PLACES


def _difference(look: Look, other: Look) -> float:
    if look.samples.shape != other.samples.shape:
        return 255.0
    return float(np.abs(look.samples.astype(np.int16) - other.samples).mean())
