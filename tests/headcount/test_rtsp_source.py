"""The camera made of a file, seen with a real client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from headcount.rtsp_source import MOST_PAYLOAD, Clip, RtspCamera, load_clip, payloads
from scenes.clip import write_clip
from tests.waiting import wait_until

OPTIONS = {"rtsp_transport": "tcp", "timeout": "1000000", "probesize": "32768"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    video, _ = write_clip("plaza", tmp_path_factory.mktemp("clip"), 2.0, width=160, height=90)
    return load_clip(video)


@pytest.fixture
def camera(clip: Clip) -> Iterator[RtspCamera]:
    with RtspCamera(clip, user="viewer", password="pass word") as camera:
        yield camera


def sizes(camera: RtspCamera, frames: int) -> list[tuple[int, int]]:
    """Sizes of the first frames that a viewer decodes."""
    seen = []
    with av.open(camera.url, options=OPTIONS) as stream:
        for frame in stream.decode(video=0):
            seen.append((frame.width, frame.height))
            if len(seen) == frames:
                break
    return seen


def test_it_plays_on_beyond_the_end_of_its_file(camera: RtspCamera, clip: Clip) -> None:
    frames = len(clip.frames) + 4
    assert sizes(camera, frames) == [(160, 90)] * frames


def test_two_viewers_are_served_at_once(camera: RtspCamera) -> None:
    seen: list[int] = []
    viewers = [
        threading.Thread(target=lambda: seen.append(len(sizes(camera, 3)))) for _ in range(2)
    ]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join(20)
    assert seen == [3, 3]


def test_a_wrong_password_is_refused(camera: RtspCamera) -> None:
    with pytest.raises(av.error.HTTPUnauthorizedError):
        av.open(camera.url.replace("viewer", "other"), options=OPTIONS)


def test_it_refuses_and_serves_again(camera: RtspCamera) -> None:
    camera.refuse()
    with pytest.raises(av.error.HTTPUnauthorizedError):
        av.open(camera.url, options=OPTIONS)
    camera.restore()
    assert sizes(camera, 1)


def test_cut_off_it_ends_its_viewers_and_comes_back_on_its_port(camera: RtspCamera) -> None:
    url = camera.url
    with av.open(url, options=OPTIONS) as stream:
        frames = stream.decode(video=0)
        next(frames)
        camera.cut()
        assert len(list(frames)) < 100  # it ends, as when a camera loses its power
    with pytest.raises(av.error.ConnectionRefusedError):
        av.open(url, options=OPTIONS)
    camera.restore()
    assert camera.url == url
    assert sizes(camera, 1)


def test_hanging_it_keeps_the_connection_and_sends_nothing(camera: RtspCamera) -> None:
    with av.open(camera.url, options=OPTIONS) as stream:
        frames = stream.decode(video=0)
        next(frames)
        camera.hang()
        with pytest.raises((av.error.TimeoutError, av.error.ExitError)):
            list(frames)
    camera.restore()
    assert sizes(camera, 1)


def test_it_comes_back_with_another_picture(camera: RtspCamera, tmp_path: Path) -> None:
    video, _ = write_clip("plaza", tmp_path, 1.0, width=240, height=136)
    camera.show(load_clip(video))
    wait_until(lambda: sizes(camera, 1) == [(240, 136)])


def test_large_units_are_sent_in_fragments_that_make_the_unit_again() -> None:
    unit = bytes([0x65]) + bytes(range(256)) * 20
    parts = list(payloads(unit))
    assert all(len(part) <= MOST_PAYLOAD + 2 for part in parts)
    assert parts[0][1] == 0x80 | 5
    assert parts[-1][1] == 0x40 | 5
    body = b"".join(part[2:] for part in parts)
    assert bytes([parts[0][0] & 0xE0 | parts[0][1] & 0x1F]) + body == unit
    assert list(payloads(b"\x65small")) == [b"\x65small"]


def test_a_file_without_h264_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for packet in stream.encode(av.VideoFrame(64, 64, "yuvj420p")):
            container.mux(packet)
    with pytest.raises(ValueError, match="no MP4 with H"):
        load_clip(path)
