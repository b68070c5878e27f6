"""Opening a video source with PyAV, with bounded waits and nothing reachable but the source itself.

A source is an RTSP or HTTP(S) URL, the path of a video file, or the number of a webcam. Lists of
protocols and container formats keep FFmpeg from following a playlist or a ``concat:`` address to
other files or hosts. All waits are bounded as far as FFmpeg can bound them; a name look-up or a
driver may still block for good, which is why this runs in a child process that can be killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import av

from core.messages import Reason
from core.settings import SOURCE_SCHEMES
from ingest.source_error import SourceError, classify, place

__all__ = ["OPEN_TIMEOUT_S", "OpenSource", "SourceError", "open_source"]

OPEN_TIMEOUT_S = 10.0
_FORMATS = (  # containers of video; no playlists, no image sequences, no text
    "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,m4v,mjpeg,mpjpeg,ivf,mxf,dv,obu,"
    "yuv4mpegpipe,mpegvideo"
)
MOST_PIXELS = 64_000_000  # of a picture; 8K has 33 million
_HIGHEST_FPS = 240  # some streams state their clock, 90000, as their rate
_RTSP_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls"
_HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls"
_PLAYLISTS = (".m3u8", ".m3u", ".mpd", ".sdp")


@dataclass(frozen=True)
class OpenSource:
    """An opened source; close ``container`` when done."""

    container: Any  # av.container.InputContainer
    stream: Any  # av.video.VideoStream
    recorded: bool  # has a beginning and an end: a file, also one behind HTTP
    start_s: float  # time stamp of its first frame, seconds
    fps: float  # 0 where unknown

    @property
    def codec(self) -> str:
        return str(self.stream.codec_context.name)


def open_source(
    source: str,
    *,
    transport: Literal["tcp", "udp"] = "tcp",
    open_timeout_s: float = OPEN_TIMEOUT_S,
    read_timeout_s: float = 10.0,
) -> OpenSource:
    """Open a source and find its video stream.

    Args:
        source: URL, path of a file, or number of a webcam.
        transport: how RTSP carries the video.
        open_timeout_s: the most that opening may take.
        read_timeout_s: a read that waits for longer raises later on.

    Raises:
        SourceError: it cannot be opened, has no video, or pictures too large to decode.
    """
    address, arguments = _address(source, transport, open_timeout_s, read_timeout_s)
    failure: Exception | None = None
    started = time.monotonic()
    try:
        container = av.open(address, **arguments)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        failure = error
    if failure is not None:  # raised out here, so that no context carries the URL
        elapsed = time.monotonic() - started
        raise _with_hint(classify(failure, source, elapsed, open_timeout_s / 2), source)
    opened = _video_of(container, source)
    if opened is None:
        container.close()
        raise SourceError(Reason.NO_VIDEO, f"{place(source)} has no video.")
    return opened


def _video_of(container: Any, source: str) -> OpenSource | None:
    streams = [stream for stream in container.streams.video if not _is_cover_art(stream)]
    if not streams or streams[0].codec_context is None:
        return None
    stream = streams[0]
    if stream.codec_context.width * stream.codec_context.height > MOST_PIXELS:
        size = f"{stream.codec_context.width} x {stream.codec_context.height}"
        most = f"{MOST_PIXELS // 1_000_000} million"
        detail = f"{place(source)} has pictures of {size} pixels; at most {most} are decoded."
        container.close()
        raise SourceError(Reason.NO_VIDEO, detail)
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # they may grow later on
    # Frame threads would hold pictures back; several cameras share the cores anyway.
    stream.codec_context.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    rate = stream.average_rate or stream.guessed_rate
    scheme = urlsplit(source).scheme.lower() if "://" in source else ""
    recorded = not source.isdecimal() and not scheme
    if scheme.startswith("http"):
        recorded = bool(container.duration and container.duration > 0)
    start = stream.start_time
    return OpenSource(
        container=container,
        stream=stream,
        recorded=recorded,
        start_s=float(start * stream.time_base) if start is not None else 0.0,
        fps=float(rate) if rate and rate <= _HIGHEST_FPS else 0.0,
    )


def _is_cover_art(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _address(
    source: str, transport: str, open_timeout_s: float, read_timeout_s: float
) -> tuple[str, dict[str, Any]]:
    """What `av.open` takes for this source: the address and its keyword arguments."""
    # FFmpeg notices a timeout only at its second half, so each gets half of the limit.
    timeout = (open_timeout_s / 2, read_timeout_s / 2)
    if source.isdecimal():
        return _webcam(source), {"format": "v4l2", "timeout": timeout}
    if "://" not in source:
        _check_file(source)
        options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
        return f"file:{Path(source).absolute()}", {"options": options}
    scheme = urlsplit(source).scheme.lower()
    if scheme not in SOURCE_SCHEMES:
        allowed = ", ".join(f"{name}://" for name in SOURCE_SCHEMES)
        detail = f"Sources of scheme {scheme!r} are not allowed; allowed are {allowed}."
        raise SourceError(Reason.NO_VIDEO, detail)
    microseconds = str(int(max(timeout) * 1_000_000))
    if scheme in ("rtsp", "rtsps"):
        options = {
            "rtsp_transport": transport,
            "timeout": microseconds,
            "allowed_media_types": "video",
            "buffer_size": "2097152",  # of UDP sockets; the default loses parts of large pictures
            # The server describes its video; the defaults would watch seconds of it as well.
            "probesize": "32768",
            "analyzeduration": "200000",
            "fpsprobesize": "0",
            "protocol_whitelist": _RTSP_PROTOCOLS,
            "format_whitelist": "rtsp",
        }
    else:
        options = {
            "timeout": microseconds,
            "probesize": "1000000",
            "analyzeduration": "1000000",
            "fpsprobesize": "0",
            "protocol_whitelist": _HTTP_PROTOCOLS,
            "format_whitelist": _FORMATS,
        }
    # FFmpeg knows the schemes in small letters only.
    return scheme + source[len(scheme) :], {"options": options, "timeout": timeout}


def _webcam(source: str) -> str:
    device = Path(f"/dev/video{int(source)}")
    if not device.exists():
        detail = f"There is no webcam {source} on this machine ({device} does not exist)."
        raise SourceError(Reason.NOT_FOUND, detail)
    return str(device)


def _check_file(source: str) -> None:
    path = Path(source)
    if not path.exists():
        raise SourceError(Reason.NOT_FOUND, f"There is no file {source}.")
    if not path.is_file():  # a folder, or a device that could be read for good
        raise SourceError(Reason.NO_VIDEO, f"{source} is no file with a video.")


def _with_hint(error: SourceError, source: str) -> SourceError:
    path = urlsplit(source).path.lower() if "://" in source else source.lower()
    if error.reason is Reason.NO_VIDEO and path.endswith(_PLAYLISTS):
        detail = f"{place(source)} is a playlist; give the address of the video itself."
        return SourceError(Reason.NO_VIDEO, detail)
    return error
