"""The process of one camera: ``python -m ingest.camera``, started by `ingest.child`.

It opens, plays and publishes; whatever blocks or crashes in native code takes only this process
along. It decides nothing: each attempt is asked for, and each result is told, over the pipes
(`ingest.child_events`).
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import sys
import threading
import time
from typing import IO, Any

import av

from core.broker import connect
from core.clock import Clock
from core.logging import configure_logging
from core.messages import Keys
from ingest.child_events import OPEN_LINE, Event, EventKind, Job
from ingest.lifeline import bound_memory, die_with_parent
from ingest.picture_health import WELL, PictureHealth
from ingest.player import Player
from ingest.publishing import EveryFrame, FrameSink, NewestFrames
from ingest.source import OpenSource, SourceError, open_source

_TELL_EVERY_S = 0.5
_TELL_VIEW_EVERY_S = 600.0
_STOP_WITHIN_S = 0.8


class Camera:
    """Plays one camera on request.

    Args:
        job: what to play and where frames go.
        output: where events are written.
        stopping: ends playing.
    """

    def __init__(self, job: Job, output: IO[bytes], stopping: threading.Event) -> None:
        self._job = job
        self._output = output
        self._stopping = stopping
        self._sink = self._make_sink()
        self._player = Player(
            job.camera, self._sink, self._frame_decoded, self._still_alive, stopping
        )
        self._health = PictureHealth(job.camera.stall_timeout, job.camera.fixed_view, job.view)
        self._shown = WELL  # of the picture, as last told
        self._view_told = time.monotonic() if job.view else -math.inf
        self._is_open = False
        self._has_frame = False
        self._told = 0.0  # when the last event went out, monotonic

    def attempt(self) -> None:
        """Open the source and play it until it fails, ends, or a stop."""
        camera = self._job.camera
        source: OpenSource | None = None
        self._tell(EventKind.OPENING)
        try:
            while True:
                source = open_source(
                    camera.source,
                    transport=camera.transport,
                    read_timeout_s=camera.stall_timeout,
                )
                if not self._is_open:
                    self._is_open = True
                    self._tell(EventKind.OPENED, fps=source.fps)
                self._health.restart()
                self._player.play(source)
                if not (source.recorded and camera.play.repeat) or self._stopping.is_set():
                    break
                source.container.close()
            self._tell(EventKind.ENDED)
        except SourceError as error:
            self._tell(EventKind.FAILED, reason=error.reason, detail=error.detail)
        finally:
            # Only now that the result is told, since closing a dead connection may block.
            if source is not None:
                source.container.close()
            self._is_open = self._has_frame = False

    def close(self) -> None:
        """Stop publishing."""
        self._sink.close()

    def _make_sink(self) -> FrameSink:
        job = self._job
        client = connect(job.broker)
        common = (client, Clock(client), Keys(job.shards), job.camera.id, job.max_side)
        if job.camera.must_count_every:
            return EveryFrame(*common, self._still_alive, self._stopping)
        return NewestFrames(*common)

    def _frame_decoded(self, frame: Any, at_s: float) -> bool:
        """Whether the picture can be used."""
        health = self._health.see(frame, at_s)
        due = time.monotonic() - self._told >= _TELL_EVERY_S
        if due or not self._has_frame or health != self._shown:
            self._has_frame = True
            self._shown = health
            self._tell(
                EventKind.FRAME,
                width=frame.width,
                height=frame.height,
                reason=health.reason,
                detail=health.detail,
                warning=health.warning,
            )
        if time.monotonic() - self._view_told >= _TELL_VIEW_EVERY_S and self._health.reference:
            self._view_told = time.monotonic()
            self._tell(EventKind.VIEW, view=self._health.reference)
        return health.reason is None

    def _still_alive(self) -> None:
        if time.monotonic() - self._told >= _TELL_EVERY_S:
            self._tell(EventKind.ALIVE)

    def _tell(self, kind: EventKind, **fields: Any) -> None:
        self._told = time.monotonic()
        counts = {
            "frames": self._sink.frames,
            "drops": self._sink.drops,
            "publish_errors": self._sink.errors,
        }
        self._output.write(Event(kind=kind, **counts, **fields).line())


def _private_stdout() -> IO[bytes]:
    """The pipe to the parent; anything else that is printed goes to stderr instead."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return output


def _follow_requests(requests: queue.Queue[bytes], stopping: threading.Event) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    stopping.set()
    requests.put(b"")
    time.sleep(_STOP_WITHIN_S)
    os._exit(0)  # a native call is blocked


def main() -> None:
    """Run until stdin closes."""
    die_with_parent()
    bound_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the parent decides
    output = _private_stdout()
    configure_logging("ingest")
    av.logging.set_level(None)  # FFmpeg's own lines carry the URL
    line = sys.stdin.buffer.readline()
    if not line:  # the parent has gone already
        return
    job = Job.model_validate_json(line)
    stopping = threading.Event()
    requests: queue.Queue[bytes] = queue.Queue()
    follower = threading.Thread(target=_follow_requests, args=(requests, stopping), daemon=True)
    follower.start()
    camera = Camera(job, output, stopping)
    while requests.get() == OPEN_LINE:
        with contextlib.suppress(BrokenPipeError):  # the parent has gone: stdin closes as well
            camera.attempt()
    camera.close()


if __name__ == "__main__":
    main()
