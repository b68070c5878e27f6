"""Tries one source: what it is, how fast its first picture comes, and that picture.

The source is opened in a child process (``python -m ingest.probe``) that is killed at the time
limit, whatever it is blocked in.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import av

from core.messages import Reason
from ingest.child import child_environment
from ingest.lifeline import bound_memory, die_with_parent
from ingest.picture import AUTO_MAX_SIDE, encode_jpeg, upright
from ingest.source import OpenSource, open_source
from ingest.source_error import SourceError, classify, place

PROBE_TIMEOUT_S = 10.0
_KILL_GRACE_S = 3.0  # for the child to load and to answer
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class ProbeResult:
    """What a source is."""

    codec: str
    width: int  # pixels
    height: int
    fps: float  # as the source says; 0 where it does not
    seconds_to_first_frame: float
    snapshot_jpeg: bytes

    def as_dict(self) -> dict[str, Any]:
        """All but the snapshot."""
        fields = asdict(self)
        del fields["snapshot_jpeg"]
        return fields


def probe(
    source: str,
    *,
    transport: Literal["tcp", "udp"] = "tcp",
    timeout_s: float = PROBE_TIMEOUT_S,
    stop: threading.Event | None = None,
) -> ProbeResult:
    """Open ``source``, decode its first frame, and close it.

    Args:
        source: URL, path of a file, or number of a webcam.
        transport: how RTSP carries the video.
        timeout_s: the most it may take, plus 3 s to end what is blocked.
        stop: ends it early.

    Raises:
        SourceError: it cannot be played; one sentence without credentials.
    """
    request = json.dumps({"source": source, "transport": transport, "timeout_s": timeout_s})
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ingest.probe"],
        stdin=subprocess.PIPE,  # arguments are public, and a source may hold a password
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
    )
    try:
        answer = _answer_of(process, request.encode() + b"\n", timeout_s + _KILL_GRACE_S, stop)
    finally:
        process.kill()
        process.communicate()
    if answer is None:
        raise SourceError(Reason.TIMEOUT, f"{place(source)} did not answer within {timeout_s:g} s.")
    return _read_answer(answer, source)


def _answer_of(
    process: subprocess.Popen[bytes],
    request: bytes,
    within_s: float,
    stop: threading.Event | None,
) -> bytes | None:
    """What the child answers, or None where the time is over or ``stop`` is set."""
    end = time.monotonic() + within_s
    pending: bytes | None = request
    while time.monotonic() < end and not (stop is not None and stop.is_set()):
        try:
            return process.communicate(pending, timeout=_LOOK_EVERY_S)[0]
        except subprocess.TimeoutExpired:
            pending = None  # it has been handed over
    return None


def _read_answer(answer: bytes, source: str) -> ProbeResult:
    head, _, snapshot = answer.partition(b"\n")
    if not head:
        detail = f"The decoder crashed on {place(source)}."
        raise SourceError(Reason.DECODE_ERRORS, detail)
    fields = json.loads(head)
    if "reason" in fields:
        raise SourceError(Reason(fields["reason"]), fields["detail"])
    return ProbeResult(**fields, snapshot_jpeg=snapshot)


def probe_here(source: str, transport: Literal["tcp", "udp"], timeout_s: float) -> ProbeResult:
    """`probe` without the child process.

    Raises:
        SourceError: it cannot be played.
    """
    started = time.monotonic()
    opened = open_source(
        source, transport=transport, open_timeout_s=timeout_s, read_timeout_s=timeout_s
    )
    try:
        frame = upright(_first_frame(opened, source, started + timeout_s))
        seconds = time.monotonic() - started
        return ProbeResult(
            codec=opened.codec,
            width=frame.width,
            height=frame.height,
            fps=round(opened.fps, 3),
            seconds_to_first_frame=round(seconds, 3),
            snapshot_jpeg=encode_jpeg(frame, AUTO_MAX_SIDE),
        )
    finally:
        opened.container.close()


def _first_frame(opened: OpenSource, source: str, deadline: float) -> Any:
    failure: Exception | None = None
    started = time.monotonic()
    packets = opened.container.demux(opened.stream)
    while failure is None and time.monotonic() < deadline:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError) as error:
            failure = error
            break
        if packet is None:
            break
        try:
            frames = opened.stream.codec_context.decode(packet)
        except (av.error.FFmpegError, OSError):
            continue  # before the first keyframe, and from damaged packets
        whole = [frame for frame in frames if not frame.is_corrupt]
        if whole:
            return whole[0]
    if failure is not None and not isinstance(failure, av.error.EOFError):
        raise classify(failure, source, time.monotonic() - started, deadline - started)
    detail = f"{place(source)} opened, but no picture of it could be decoded."
    raise SourceError(Reason.DECODE_ERRORS, detail)


def main() -> None:
    """Answer the one request on stdin: a line of JSON, then the snapshot."""
    die_with_parent()
    bound_memory()
    av.logging.set_level(None)
    request = json.loads(sys.stdin.buffer.readline())
    try:
        result = probe_here(**request)
    except SourceError as error:
        head: dict[str, Any] = {"reason": str(error.reason), "detail": error.detail}
        snapshot = b""
    else:
        head = result.as_dict()
        snapshot = result.snapshot_jpeg
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + snapshot)


if __name__ == "__main__":
    main()
