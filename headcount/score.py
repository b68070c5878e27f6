"""The demo's error: what was counted beside what the scene knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from core.messages import Keys, Reading
from core.site_file import LoadedSite
from headcount.readings import ReadingsFollower

LINE_EVERY_S = 10.0


class DemoScore:
    """Compares readings with the truth; a context manager once `following` was called.

    Args:
        truth: for each camera the people in every frame of its clip.
        fps: frames a second of each clip.
        print_line: called with a line for people, every 10 s or so.
    """

    def __init__(
        self,
        truth: Mapping[str, Sequence[int]],
        fps: Mapping[str, float],
        *,
        print_line: Callable[[str], None],
    ) -> None:
        self._truth = truth
        self._fps = fps
        self._print_line = print_line
        self._errors: dict[str, list[float]] = {name: [] for name in truth}
        self._inside = 0  # readings whose interval holds the truth
        self._latest: dict[str, str] = {}
        self._printed_at = time.monotonic()
        self._follower: ReadingsFollower | None = None

    def following(self, loaded: LoadedSite, url: str) -> Self:
        """Follow the readings of a running site."""
        keys = Keys(loaded.site.broker.shards)
        self._follower = ReadingsFollower(url, keys, self.add)
        return self

    def __enter__(self) -> Self:
        if self._follower is not None:
            self._follower.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        if self._follower is not None:
            self._follower.__exit__(*details)

    def add(self, reading: Reading, now_ms: int) -> None:
        """Compare a reading with the truth of its frame, and now and then print how it goes."""
        truth = self._truth.get(reading.camera)
        if not truth or reading.position_s is None:
            return
        index = round(reading.position_s * self._fps[reading.camera]) % len(truth)
        people = truth[index]
        first = not any(self._errors.values())
        self._errors[reading.camera].append(reading.count - people)
        self._inside += reading.low <= people <= reading.high
        age_s = (now_ms - reading.captured_at) / 1000
        self._latest[reading.camera] = (
            f"{reading.camera} {reading.count:.0f} ({reading.low:.0f} to {reading.high:.0f}), "
            f"truth {people}, {age_s:.1f} s old"
        )
        if first:
            self._print_line(f"First reading: {self._latest[reading.camera]}")
        elif time.monotonic() - self._printed_at >= LINE_EVERY_S:
            self._printed_at = time.monotonic()
            self._print_line("Counted: " + "\n         ".join(self._latest.values()))

    def summary(self) -> str:
        """The mean absolute error of each camera."""
        lines = []
        for name, errors in self._errors.items():
            if not errors:
                lines.append(f"{name}: nothing was counted")
                continue
            mean = sum(abs(error) for error in errors) / len(errors)
            bias = sum(errors) / len(errors)
            people = sum(self._truth[name]) / len(self._truth[name])
            lines.append(
                f"{name}: mean absolute error {mean:.1f} people over {len(errors)} readings "
                f"(bias {bias:+.1f}; the scene holds {people:.0f} on average)"
            )
        total = sum(len(errors) for errors in self._errors.values())
        if total:
            lines.append(f"{100 * self._inside / total:.0f} % of the intervals held the truth")
        return "Against the scene's truth:\n" + "\n".join(f"  {line}" for line in lines)
