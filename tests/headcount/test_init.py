"""``headcount init``: a site file from cameras that answer and cameras that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.camera_id import suggested_id
from core.messages import Reason
from core.site_file import load_site
from headcount.init import Probed, site_text
from ingest.probe import ProbeResult
from ingest.source_error import SourceError
from tests.headcount.conftest import headcount

FOUND = ProbeResult(
    codec="h264", width=1280, height=720, fps=25.0, seconds_to_first_frame=0.3, snapshot_jpeg=b""
)


def test_ids_are_short_and_unique() -> None:
    taken: list[str] = []
    for source in ("rtsp://Cam.Local:554/a", "rtsp://cam.local/b", "0", "/x/Hall 1.mp4"):
        taken.append(suggested_id(source, taken))
    assert taken == ["cam-local", "cam-local-2", "webcam-0", "hall-1"]


def test_the_file_is_valid_and_says_why_a_camera_failed(tmp_path: Path) -> None:
    failure = str(SourceError(Reason.REFUSED, "the camera refused the connection"))
    cameras = [
        Probed('rtsp://user:se"cr:et${x@10.0.0.5/live', FOUND),
        Probed("rtsp://10.0.0.6/live", None, failure),
    ]
    text = site_text(cameras, "udp")
    path = tmp_path / "site.yaml"
    path.write_text(text)
    site = load_site(path).site
    assert [camera.source for camera in site.cameras] == [camera.source for camera in cameras]
    assert [camera.transport for camera in site.cameras] == ["udp", "udp"]
    assert "# h264, 1280 x 720, 25 fps" in text
    assert "refused the connection" in text
    assert "${CAMERA_10_0_0_5_PASSWORD}" in text


def test_no_camera_answers(tmp_path: Path) -> None:
    result = headcount("init", "rtsp://user:hunter2@127.0.0.1:9/live", "--timeout", "3")
    assert result.returncode == 1
    path = tmp_path / "site.yaml"
    path.write_text(result.stdout)
    assert load_site(path).site.cameras[0].source == "rtsp://user:hunter2@127.0.0.1:9/live"
    assert "hunter2" not in result.stderr
    assert "None of the cameras answered" in result.stderr


def test_a_source_of_a_wrong_kind_is_refused() -> None:
    result = headcount("init", "ftp://10.0.0.5/x")
    assert (result.returncode, result.stdout) == (1, "")
    assert "rtsp://" in result.stderr


@pytest.mark.data
def test_a_video_file_works(tmp_path: Path, data_folder: Path) -> None:
    video = data_folder / "videos" / "pets2009_480x360.mp4"
    result = headcount("init", video, "rtsp://127.0.0.1:9/live", "--timeout", "5")
    assert result.returncode == 0
    path = tmp_path / "site.yaml"
    path.write_text(result.stdout)
    assert load_site(path).site.cameras[0].source == str(video)
    assert "127.0.0.1:9" in result.stderr
