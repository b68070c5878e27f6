"""A real RTSP server for tests: GStreamer's, in a process of its own, looping video files.

    with RtspServer({"gate": Path("gate.mp4")}, credentials=("admin", "secret")) as server:
        container = av.open(server.url("gate"))

It stands in for a camera: shared media, TCP and UDP, basic and digest authentication, and a stream
that goes on seamlessly when the file starts again. It can be killed, started again on its port, and
frozen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import av
import pytest

from headcount.ports import free_port

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER_SCRIPT = Path(__file__).with_name("gst_rtsp_server.py")
KEYFRAME_EVERY_S = 1.0  # a camera that starts mid-stream shows a picture this soon
START_TIMEOUT_S = 20.0


def require_gstreamer() -> None:
    """Skip the calling test where GStreamer's RTSP server is missing; fail in the full run."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", check], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        message = "GStreamer's RTSP server is missing (gir1.2-gst-rtsp-server-1.0, python3-gi)"
        if os.environ.get("HEADCOUNT_NO_SKIP") == "1":
            pytest.fail(message)
        pytest.skip(message)


class RtspServer:
    """Serves files as RTSP streams on 127.0.0.1.

    Args:
        files: name of a stream to the video file behind it. Files are encoded once as H.264 without
            B-frames and with a keyframe each second, as cameras send, and kept in the temporary
            folder for the next run.
        credentials: user and password that clients must give.
        digest: ask for digest authentication instead of basic.
        port: by default a free one; it stays the same from start to start.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        credentials: tuple[str, str] | None = None,
        port: int | None = None,
        digest: bool = False,
    ) -> None:
        require_gstreamer()
        self.port = port or free_port()
        self._credentials = credentials
        self._digest = digest
        self._media = {
            name: [str(part) for part in _prepared(path)] for name, path in files.items()
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def url(self, name: str, with_credentials: bool = True) -> str:
        """The stream's address."""
        user = ""
        if self._credentials and with_credentials:
            user = ":".join(quote(part, safe="") for part in self._credentials) + "@"
        return f"rtsp://{user}127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Serve, on the same port as before; returns once clients can connect."""
        if self._process is not None:
            return
        process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SERVER_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        settings = {
            "port": self.port,
            "credentials": self._credentials,
            "digest": self._digest,
            "media": self._media,
        }
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        self._process = process
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(START_TIMEOUT_S) or not process.stdout.readline():
                self.stop()
                raise RuntimeError("the RTSP server did not start")

    def stop(self) -> None:
        """Kill it at once, as a camera that loses its power."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def freeze(self) -> None:
        """Stop answering while connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the RTSP server is not running")
        self._process.send_signal(number)


def _prepared(path: Path) -> tuple[Path, Path]:
    """The file's access units and their index, made if they are not there yet."""
    stat = path.stat()
    identity = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {KEYFRAME_EVERY_S}"
    folder = Path(tempfile.gettempdir()) / f"headcount-rtsp-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    stem = folder / hashlib.sha256(identity.encode()).hexdigest()[:16]
    units, index = stem.with_suffix(".h264"), stem.with_suffix(".json")
    if not index.exists():
        _prepare(path, units, index)
    return units, index


def _prepare(path: Path, units: Path, index: Path) -> None:
    unique = f".{os.getpid()}"
    entries = []
    with units.with_suffix(unique).open("wb") as file:
        for data, pts_ns, dts_ns in _access_units(path):
            file.write(data)
            entries.append([len(data), pts_ns, dts_ns])
    step = (entries[-1][1] - entries[0][1]) // max(1, len(entries) - 1)
    duration = entries[-1][1] - entries[0][1] + step
    text = json.dumps({"duration_ns": duration, "units": entries})
    index.with_suffix(unique + "j").write_text(text)
    units.with_suffix(unique).replace(units)
    index.with_suffix(unique + "j").replace(index)


def _access_units(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Annex B access units of the file encoded anew, each with pts and dts in ns from 0."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        rate = Fraction(stream.average_rate or 25).limit_denominator(1001)
        encoder: Any = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = stream.width, stream.height
        encoder.pix_fmt = "yuv420p"
        encoder.framerate, encoder.time_base = rate, 1 / rate
        encoder.gop_size = max(1, round(KEYFRAME_EVERY_S * rate))
        encoder.thread_count = 1
        encoder.options = {
            "preset": "veryfast",
            "tune": "zerolatency",
            "crf": "23",
            "forced-idr": "1",
        }
        for number, frame in enumerate(source.decode(stream)):
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, encoder.time_base
            picture.pict_type = 0
            yield from _timed(encoder.encode(picture), encoder.time_base)
        yield from _timed(encoder.encode(None), encoder.time_base)


def _timed(packets: Any, time_base: Fraction) -> Iterator[tuple[bytes, int, int]]:
    for packet in packets:
        nanoseconds = time_base * 1_000_000_000
        yield bytes(packet), int(packet.pts * nanoseconds), int(packet.dts * nanoseconds)
