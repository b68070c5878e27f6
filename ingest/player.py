"""Plays an open source: reads, decodes, picks the frames to count, and hands them to a sink."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import av

from core.messages import Reason
from core.settings import CameraSettings
from ingest.picture import upright
from ingest.publishing import Captured, FrameSink
from ingest.sampling import Backlog, Pacer, Sampler
from ingest.source import OpenSource
from ingest.source_error import SourceError, classify, place

DAMAGED_FRAMES = 25  # in a row, and for so long: the connection is of no use
DAMAGED_FOR_S = 5.0
_SIGN_EVERY_S = 0.5


class Player:
    """Plays connections of one camera; sampling goes on from one to the next.

    Args:
        sink: takes the frames that were picked.
        decoded: called for each decoded frame (``av.VideoFrame``) with its time in the stream,
            seconds; says whether its picture can be used. One that cannot is not handed over,
            unless every frame must be counted.
        alive: called while no frame is decoded, though all is well: a recording waits for its next
            frame, or a live stream's next keyframe is awaited.
        stopping: ends playing soon after it is set.
    """

    def __init__(
        self,
        camera: CameraSettings,
        sink: FrameSink,
        decoded: Callable[[Any, float], bool],
        alive: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        self._camera = camera
        self._sink = sink
        self._decoded = decoded
        self._alive = alive
        self._stopping = stopping
        self._sampler = Sampler(camera.fps)
        self._pacer = Pacer()
        self._played_s = 0.0  # of recordings, over all repeats
        self._errors = 0  # in a row
        self._errors_since = 0.0

    def play(self, source: OpenSource) -> None:
        """Play until the source ends or a stop; a recording once.

        Raises:
            SourceError: reading failed, or a live stream ended, which is a disconnect.
        """
        if self._camera.fps * 4 <= source.fps:
            # Pictures that no other refers to need no decoding; enough others are left.
            source.stream.codec_context.skip_frame = "NONREF"
        if source.recorded:
            self._play_recording(source)
        else:
            self._play_live(source)

    def _play_live(self, source: OpenSource) -> None:
        sampler = Sampler(self._camera.fps)
        backlog = Backlog(time.monotonic())
        start = _Start(time.monotonic())
        due = 0.0  # frames due while skipping, not yet counted as drops
        for packet, waited_s in self._packets(source):
            now = time.monotonic()
            before = backlog.skipped_s
            if backlog.skip(waited_s, packet.is_keyframe, now) or start.skip(packet, now):
                self._alive()
                continue
            due += (backlog.skipped_s - before) * self._camera.fps
            self._sink.missed(int(due))
            due -= int(due)
            for frame in self._frames(source, packet):
                start.over = True
                if self._decoded(frame, now) and sampler.pick(now):
                    self._sink.put(Captured(frame, now, None, 0.0))
            if not start.over:
                self._alive()
        if not self._stopping.is_set():
            detail = f"{place(self._camera.source)} ended the connection."
            raise SourceError(Reason.OFFLINE, detail)

    def _play_recording(self, source: OpenSource) -> None:
        step = 1 / source.fps if source.fps else 0.04
        position = -step
        try:
            for packet, _ in self._packets(source):
                for frame in self._frames(source, packet):
                    stamped = frame.time is not None
                    position = frame.time - source.start_s if stamped else position + step
                    self._wait_for(self._played_s + position)
                    if self._stopping.is_set():
                        return
                    self._take_recorded(frame, position)
        finally:
            self._played_s += position + step
        if position < 0 and not self._stopping.is_set():
            detail = f"{place(self._camera.source)} holds no picture that can be decoded."
            raise SourceError(Reason.DECODE_ERRORS, detail)

    def _take_recorded(self, frame: Any, position_s: float) -> None:
        elapsed = self._played_s + position_s
        wanted = self._decoded(frame, elapsed) or self._camera.must_count_every
        if wanted and self._sampler.pick(elapsed):
            place_s = max(0.0, round(position_s, 6))
            self._sink.put(Captured(upright(frame), time.monotonic(), place_s, elapsed))

    def _wait_for(self, elapsed_s: float) -> None:
        """Wait until the frame is due that lies ``elapsed_s`` after the first one."""
        if self._camera.play.pace == "fast":
            return
        end = time.monotonic() + self._pacer.wait_s(elapsed_s, time.monotonic())
        while (left := end - time.monotonic()) > 0:
            if left > _SIGN_EVERY_S:
                self._alive()
            if self._stopping.wait(min(left, _SIGN_EVERY_S)):
                return

    def _packets(self, source: OpenSource) -> Iterator[tuple[Any, float]]:
        """Packets, each with the seconds that its read waited."""
        packets = source.container.demux(source.stream)
        failure: Exception | None = None
        started = time.monotonic()
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                failure = error
                break
            if packet is None:
                return
            yield packet, time.monotonic() - started
        if failure is not None and not isinstance(failure, av.error.EOFError):
            raise self._read_error(failure, time.monotonic() - started)

    def _read_error(self, failure: Exception, elapsed_s: float) -> SourceError:
        limit = self._camera.stall_timeout
        error = classify(failure, self._camera.source, elapsed_s, limit)
        if error.reason is Reason.TIMEOUT:
            where = place(self._camera.source)
            return SourceError(Reason.TIMEOUT, f"{where} sent nothing for {limit:g} s.")
        return error if error.reason is not Reason.NO_VIDEO else self._damaged()

    def _damaged(self) -> SourceError:
        where = place(self._camera.source)
        return SourceError(Reason.DECODE_ERRORS, f"{where} sends pictures that cannot be decoded.")

    def _frames(self, source: OpenSource, packet: Any) -> Iterator[Any]:
        """The whole, undamaged frames of a packet.

        Raises:
            SourceError: nothing else has come for a while.
        """
        failed = False
        try:
            frames = source.stream.codec_context.decode(packet)
        except (av.error.FFmpegError, OSError):
            frames = []
            failed = True
        for frame in frames:
            if frame.is_corrupt:  # lost packets; people would be counted in grey smears
                failed = True
                continue
            self._errors = 0
            yield frame
        if not failed:
            return
        if self._errors == 0:
            self._errors_since = time.monotonic()
        self._errors += 1
        lasting = time.monotonic() - self._errors_since >= DAMAGED_FOR_S
        if self._errors >= DAMAGED_FRAMES and lasting and not source.recorded:
            raise self._damaged()


class _Start:
    """The first packets of a live stream, which say nothing before the first keyframe."""

    KEYFRAME_WAIT_S = 30.0  # some cameras send one only every 20 s

    def __init__(self, now: float) -> None:
        self.over = False
        self._keyframe = False
        self._since = now

    def skip(self, packet: Any, now: float) -> bool:
        """Whether to throw the packet away.

        Raises:
            SourceError: no picture could be decoded in a reasonable time.
        """
        self._keyframe = self._keyframe or packet.is_keyframe
        if not self.over and now - self._since > self.KEYFRAME_WAIT_S:
            detail = f"No picture could be decoded for {self.KEYFRAME_WAIT_S:g} s."
            raise SourceError(Reason.DECODE_ERRORS, detail)
        return not self._keyframe
