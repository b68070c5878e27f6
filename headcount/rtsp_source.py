"""A camera made of a video file: an RTSP server in pure Python that can fail as cameras fail.

It serves one H.264 file in a loop over RTP on the RTSP connection (``transport: tcp``), with basic
authentication, and joins a new viewer at the last key frame, as a camera does. On demand it loses
its network, hangs, refuses its password, or comes back with another picture. RFC 2326, RFC 6184.
"""

from __future__ import annotations

import base64
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import av

PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
MOST_PAYLOAD = 1400  # bytes of one RTP packet; larger units are sent in fragments
SEND_TIMEOUT_S = 5.0  # a viewer that does not read for so long is dropped
FU_A = 28  # type of a fragment


@dataclass(frozen=True)
class Clip:
    """An H.264 file in memory, as a packetizer wants it."""

    parameters: tuple[bytes, ...]  # SPS and PPS
    frames: tuple[tuple[bytes, ...], ...]  # NAL units of each frame
    keys: tuple[int, ...]  # indices of key frames, the first of them 0
    fps: float


def load_clip(path: Path) -> Clip:
    """Read an MP4 with H.264 without B-frames, such as `scenes.write_clip` makes.

    Raises:
        ValueError: the file holds no such video.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        header = bytes(stream.codec_context.extradata or b"")
        if stream.codec_context.name != "h264" or header[:1] != b"\x01":
            raise ValueError(f"{path} is no MP4 with H.264")
        packets = [packet for packet in container.demux(stream) if packet.size]
        keys = tuple(index for index, packet in enumerate(packets) if packet.is_keyframe)
        frames = tuple(tuple(_units(bytes(packet))) for packet in packets)
        fps = float(stream.average_rate or 10)
    return Clip(tuple(_parameter_sets(header)), frames, keys, fps)


def _parameter_sets(header: bytes) -> Iterator[bytes]:
    """SPS and PPS of an ``avcC`` header."""
    place = 5
    for mask in (0x1F, 0xFF):
        number = header[place] & mask
        place += 1
        for _ in range(number):
            (size,) = struct.unpack_from(">H", header, place)
            yield header[place + 2 : place + 2 + size]
            place += 2 + size


def _units(packet: bytes) -> Iterator[bytes]:
    """The NAL units of a packet, each behind its length."""
    place = 0
    while place + 4 <= len(packet):
        (size,) = struct.unpack_from(">I", packet, place)
        yield packet[place + 4 : place + 4 + size]
        place += 4 + size


def payloads(unit: bytes) -> Iterator[bytes]:
    """A NAL unit as RTP payloads: itself, or its fragments (FU-A)."""
    if len(unit) <= MOST_PAYLOAD:
        yield unit
        return
    indicator, kind, body = unit[0] & 0xE0 | FU_A, unit[0] & 0x1F, unit[1:]
    for start in range(0, len(body), MOST_PAYLOAD):
        part = body[start : start + MOST_PAYLOAD]
        first = 0x80 if start == 0 else 0
        last = 0x40 if start + MOST_PAYLOAD >= len(body) else 0
        yield bytes((indicator, first | last | kind)) + part


class Behaviour(StrEnum):
    """What the camera does with those who want to see it."""

    SERVES = "serves"
    CUT = "cut"  # off the network: connections end, new ones are refused
    HANGS = "hangs"  # connections stay, nothing is answered or sent
    REFUSES = "refuses"  # the password is not good any more


class RtspCamera:
    """One camera on a port of 127.0.0.1; a context manager.

    Args:
        clip: what it shows.
        user, password: what viewers must give.
    """

    def __init__(self, clip: Clip, *, user: str, password: str) -> None:
        self.clip = clip
        self._credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._userinfo = f"{user}:{password}"
        self._behaviour = Behaviour.SERVES
        self._listener: socket.socket | None = None
        self._viewers: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self.port = 0

    @property
    def url(self) -> str:
        return f"rtsp://{self._userinfo}@127.0.0.1:{self.port}/stream"

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Lose the network until `restore`."""
        self._behaviour = Behaviour.CUT
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        self._drop_viewers()

    def hang(self) -> None:
        """Answer and send nothing until `restore`; connections stay open."""
        self._behaviour = Behaviour.HANGS

    def refuse(self) -> None:
        """Refuse the password until `restore`."""
        self._behaviour = Behaviour.REFUSES
        self._drop_viewers()

    def show(self, clip: Clip) -> None:
        """Show another clip from now on, as a camera does after its settings were changed."""
        self.clip = clip
        self._drop_viewers()

    def restore(self) -> None:
        """Serve again, on the same port."""
        hung = self._behaviour is Behaviour.HANGS
        self._behaviour = Behaviour.SERVES
        if hung:
            self._drop_viewers()  # whoever still waits has waited long enough
        if self._listener is None:
            self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
        self.port = int(self._listener.getsockname()[1])
        thread = threading.Thread(
            target=self._accept, args=(self._listener,), name="rtsp", daemon=True
        )
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                viewer, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._viewers.add(viewer)
            threading.Thread(target=self._serve, args=(viewer,), name="viewer", daemon=True).start()

    def _drop_viewers(self) -> None:
        with self._lock:
            viewers = list(self._viewers)
        for viewer in viewers:
            with suppress(OSError):
                viewer.shutdown(socket.SHUT_RDWR)

    def _serve(self, viewer: socket.socket) -> None:
        """One viewer: its requests, and the stream once it asked for it."""
        try:
            viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            viewer.settimeout(SEND_TIMEOUT_S)
            waiting = b""
            plays: Iterator[float] | None = None
            due = time.monotonic()
            while True:
                pause = None if plays is None else max(0.0, due - time.monotonic())
                readable, _, _ = select.select([viewer], [], [], pause)
                if readable:
                    received = viewer.recv(65536)
                    if not received:
                        return
                    requests, waiting = _requests(waiting + received)
                    for request in requests:
                        if self._behaviour is not Behaviour.HANGS:
                            answer, begins = self._answer(request)
                            viewer.sendall(answer)
                            plays = self._play(viewer, self.clip) if begins else plays
                if plays is not None and time.monotonic() >= due:
                    due = next(plays)
        except OSError:
            pass  # the viewer has gone, or we were cut
        finally:
            with self._lock:
                self._viewers.discard(viewer)
            viewer.close()

    def _answer(self, request: str) -> tuple[bytes, bool]:
        """The answer to a request, and whether the stream begins."""
        method, address = (*request.split(" ", 2), "", "")[:2]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in request.split("\r\n")[1:])
        }
        number = headers.get("cseq", "0")
        if method == "OPTIONS":
            public = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
            return _response(200, number, public), False
        wanted = f"Basic {self._credentials}"
        if self._behaviour is Behaviour.REFUSES or headers.get("authorization") != wanted:
            return _response(401, number, 'WWW-Authenticate: Basic realm="camera"'), False
        if method == "DESCRIBE":
            return _response(
                200,
                number,
                f"Content-Base: {address}/",
                "Content-Type: application/sdp",
                body=_description(self.clip),
            ), False
        if method == "SETUP":
            if "interleaved" not in headers.get("transport", ""):
                return _response(461, number), False
            transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
            return _response(200, number, transport, "Session: 1;timeout=60"), False
        return _response(200, number, "Session: 1"), method == "PLAY"

    def _play(self, viewer: socket.socket, clip: Clip) -> Iterator[float]:
        """Send frame after frame; yields when the next one is due, on the monotonic clock."""
        shown = int((time.monotonic() - self._started) * clip.fps)
        loop, index = divmod(shown, len(clip.frames))
        number = loop * len(clip.frames) + max(key for key in clip.keys if key <= index)
        sequence = 0
        while True:
            index = number % len(clip.frames)
            units = clip.frames[index]
            if index in clip.keys:
                units = (*clip.parameters, *units)
            chunks = [payload for unit in units for payload in payloads(unit)]
            stamp = int(number * CLOCK_HZ / clip.fps) & 0xFFFFFFFF
            if self._behaviour is not Behaviour.HANGS:
                viewer.sendall(b"".join(_packets(chunks, sequence, stamp)))
            sequence += len(chunks)
            number += 1
            yield self._started + number / clip.fps


def _packets(chunks: list[bytes], sequence: int, stamp: int) -> Iterator[bytes]:
    """RTP packets of one frame, interleaved on channel 0; the last is marked."""
    for index, chunk in enumerate(chunks):
        mark = 0x80 if index == len(chunks) - 1 else 0
        header = struct.pack(
            ">BBHII", 0x80, mark | PAYLOAD_TYPE, (sequence + index) & 0xFFFF, stamp, 1
        )
        yield b"$\x00" + struct.pack(">H", len(header) + len(chunk)) + header + chunk


def _requests(received: bytes) -> tuple[list[str], bytes]:
    """The whole requests in what was received, a viewer's RTCP left out, and the rest."""
    requests = []
    while received:
        if received[:1] == b"$":
            if len(received) < 4 or len(received) < 4 + int.from_bytes(received[2:4], "big"):
                break
            received = received[4 + int.from_bytes(received[2:4], "big") :]
        elif b"\r\n\r\n" in received:
            head, _, received = received.partition(b"\r\n\r\n")
            requests.append(head.decode(errors="replace"))
        else:
            break
    return requests, received


def _response(status: int, number: str, *headers: str, body: str = "") -> bytes:
    words = {200: "OK", 401: "Unauthorized", 461: "Unsupported Transport"}
    lines = [f"RTSP/1.0 {status} {words[status]}", f"CSeq: {number}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _description(clip: Clip) -> str:
    """The stream in the words of SDP."""
    sets = ",".join(base64.b64encode(each).decode() for each in clip.parameters)
    profile = clip.parameters[0][1:4].hex()
    lines = (
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=camera",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile};"
        f"sprop-parameter-sets={sets}",
        "a=control:track1",
    )
    return "\r\n".join(lines) + "\r\n"
