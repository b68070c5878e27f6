from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.messages import Reason
from ingest.source import OPEN_TIMEOUT_S, OpenSource, SourceError, open_source
from ingest.source_error import place
from tests.ingest.http_server import HttpServer
from tests.rtsp_server import RtspServer

CANARY = "canary-pa55word"


@pytest.fixture(scope="module")
def camera(videos: Path) -> Iterator[RtspServer]:
    with RtspServer({"gate": videos / "gate.mp4"}, ("admin", CANARY)) as server:
        yield server


def open_and_decode(source: str, **arguments: object) -> OpenSource:
    opened = open_source(source, **arguments)  # type: ignore[arg-type]
    try:
        assert next(opened.container.decode(opened.stream)).width == opened.stream.width
    finally:
        opened.container.close()
    return opened


def failure(source: str, **arguments: object) -> SourceError:
    with pytest.raises(SourceError) as caught:
        open_and_decode(source, **arguments)
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error.__context__) + error.detail
    assert CANARY not in told
    assert error.__context__ is None, "FFmpeg's own error carries the URL"
    assert error.detail.endswith(".")
    assert error.detail.count("\n") == 0
    return error


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_rtsp_camera_opens(camera: RtspServer, transport: str) -> None:
    opened = open_and_decode(camera.url("gate"), transport=transport)
    assert (opened.codec, opened.recorded, opened.fps) == ("h264", False, 10)


def test_the_scheme_may_be_written_in_capitals(camera: RtspServer) -> None:
    assert open_and_decode(camera.url("gate").replace("rtsp:", "RTSP:")).codec == "h264"


def test_digest_authentication_works(videos: Path) -> None:
    files = {"gate": videos / "gate.mp4"}
    with RtspServer(files, ("admin", CANARY), digest=True) as server:
        assert open_and_decode(server.url("gate")).codec == "h264"
        assert failure(server.url("gate", False)).reason is Reason.UNAUTHORISED


def test_a_wrong_password_is_unauthorised(camera: RtspServer) -> None:
    error = failure(camera.url("gate").replace(CANARY, CANARY + "-wrong"))
    assert error.reason is Reason.UNAUTHORISED
    assert f"127.0.0.1:{camera.port}/gate" in error.detail


def test_a_wrong_path_is_not_found(camera: RtspServer) -> None:
    assert failure(camera.url("nowhere")).reason is Reason.NOT_FOUND


def test_no_server_is_refused(camera: RtspServer, unused_port: int) -> None:
    error = failure(f"rtsp://admin:{CANARY}@127.0.0.1:{unused_port}/gate")
    assert error.reason is Reason.REFUSED


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_never_answers_is_a_timeout(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        url = f"{scheme}://admin:{CANARY}@127.0.0.1:{silent.getsockname()[1]}/gate"
        assert failure(url, open_timeout_s=2, read_timeout_s=2).reason is Reason.TIMEOUT
        assert time.monotonic() - started < OPEN_TIMEOUT_S, "as long as asked, not as by default"


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_hangs_up_is_offline(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        pool.submit(lambda: server.accept()[0].close())
        url = f"{scheme}://admin:{CANARY}@127.0.0.1:{server.getsockname()[1]}/gate"
        assert failure(url).reason is Reason.OFFLINE


def test_an_unknown_host_is_offline() -> None:
    assert failure(f"rtsp://admin:{CANARY}@camera.invalid/gate").reason is Reason.OFFLINE


def test_files_open_as_recordings(videos: Path) -> None:
    opened = open_and_decode(str(videos / "gate.mp4"))
    assert (opened.codec, opened.recorded, opened.fps, opened.start_s) == ("h264", True, 10, 0)


def test_a_text_file_is_no_video(videos: Path) -> None:
    error = failure(str(videos / "notes.mp4"))
    assert error.reason is Reason.NO_VIDEO
    assert "notes.mp4" in error.detail


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    assert failure(str(tmp_path / "gone.mp4")).reason is Reason.NOT_FOUND


def test_a_folder_and_a_device_are_no_video(tmp_path: Path) -> None:
    assert failure(str(tmp_path)).reason is Reason.NO_VIDEO
    assert failure("/dev/zero").reason is Reason.NO_VIDEO


def test_a_missing_webcam_is_named() -> None:
    error = failure("63")
    assert error.reason is Reason.NOT_FOUND
    assert "no webcam 63" in error.detail


def test_http_video_and_mjpeg(videos: Path) -> None:
    with HttpServer(videos, ("admin", CANARY)) as server:
        recording = open_and_decode(server.url("gate.mp4"))
        assert (recording.codec, recording.recorded) == ("h264", True)
        live = open_and_decode(server.url("live.mjpg"))
        assert (live.codec, live.recorded) == ("mjpeg", False)
        wrong = server.url("live.mjpg").replace(CANARY, CANARY + "-wrong")
        assert failure(wrong).reason is Reason.UNAUTHORISED
        assert failure(server.url("gone.mp4")).reason is Reason.NOT_FOUND
        assert failure(server.url("notes.mp4")).reason is Reason.NO_VIDEO


@pytest.mark.parametrize("tricky", ["concat:{0}|{0}", "subfile,,start,0,end,99,,:{0}", "file:{0}"])
def test_addresses_that_only_ffmpeg_understands_are_plain_paths(videos: Path, tricky: str) -> None:
    assert failure(tricky.format(videos / "gate.mp4")).reason is Reason.NOT_FOUND


def test_schemes_are_a_short_list(videos: Path) -> None:
    for source in (f"file://{videos}/gate.mp4", "ftp://host/x", "data://x", "udp://0.0.0.0:5"):
        assert "not allowed" in failure(source).detail


def test_playlists_reach_neither_files_nor_other_servers(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "gate.mp4").write_bytes((videos / "gate.mp4").read_bytes())
    with HttpServer(tmp_path) as inside, HttpServer(tmp_path) as outside:
        target = inside.url("gate.mp4")
        playlists = {
            "live.m3u8": f"#EXTM3U\n#EXTINF:4,\n{target}\n#EXT-X-ENDLIST\n",
            "list.txt": f"ffconcat version 1.0\nfile {target}\n",
            "file.m3u8": f"#EXTM3U\n#EXTINF:4,\nfile://{tmp_path}/gate.mp4\n#EXT-X-ENDLIST\n",
            "x.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 26\n",
        }
        for name, text in playlists.items():
            (tmp_path / name).write_text(text)
            assert failure(str(tmp_path / name)).reason is Reason.NO_VIDEO
            assert failure(outside.url(name)).reason is Reason.NO_VIDEO
        assert inside.requests == []


def test_a_sentence_names_the_source_without_its_secrets() -> None:
    assert place("rtsp://a:b@host:554/s1?password=x") == "rtsp://host:554/s1"
    assert place("rtsp://host/user=a_password=b_channel=1") == "rtsp://host/..."
    assert place("0") == "webcam 0"
