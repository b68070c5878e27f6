"""Hostile input gives a clear error of its own camera, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from core.messages import CameraState, Reason
from ingest.child import child_environment
from ingest.source import open_source
from ingest.source_error import SourceError
from tests.ingest.hostile import bomb, jpegs, mutants, raw_h264, write_mjpeg
from tests.ingest.http_server import HttpServer
from tests.ingest.rig import Rig, camera_processes
from tests.waiting import wait_until

MUTANTS = 60  # of each kind of file
ALLOWED = {Reason.NO_VIDEO, Reason.DECODE_ERRORS}


def avi(folder: Path, video: Path) -> bytes:
    return write_mjpeg(folder / "whole.avi", jpegs(video)).read_bytes()


@pytest.mark.parametrize(
    ("suffix", "make"),
    [
        (".mp4", lambda folder, video: video.read_bytes()),
        (".h264", lambda folder, video: raw_h264(video)),
        (".avi", avi),
    ],
)
def test_damaged_videos_play_as_far_as_they_go_or_say_what_is_wrong(
    tmp_path: Path, videos: Path, suffix: str, make: Callable[[Path, Path], bytes]
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    whole = make(tmp_path, videos / "gate.mp4")
    (corpus / f"whole{suffix}").write_bytes(whole)
    for number, data in enumerate(mutants(whole, MUTANTS, seed=5)):
        (corpus / f"{number:03}{suffix}").write_bytes(data)
    program = [sys.executable, "-m", "tests.ingest.hostile", str(corpus)]
    # A process of its own: what crashes or prints in native code is seen.
    run = subprocess.run(program, capture_output=True, text=True, env=child_environment())
    outcomes = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, (outcomes[-1:], run.stderr)
    assert run.stderr == ""
    assert len(outcomes) == MUTANTS + 1
    assert outcomes[-1]["frames"] == 40, "the whole one"
    for outcome in outcomes:
        assert outcome["frames"] > 0 or Reason(outcome["reason"]) in ALLOWED, outcome
        assert outcome.get("detail", ".").endswith(".")
    damaged = [outcome for outcome in outcomes if outcome["frames"] < 40]
    assert len(damaged) > MUTANTS / 4, "the mutations do harm"


def test_a_picture_of_256_million_pixels_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = write_mjpeg(tmp_path / "bomb.avi", [bomb()] * 3)
    before = psutil.Process().memory_info().rss
    with pytest.raises(SourceError, match="16000 x 16000 pixels") as caught:
        open_source(str(path))
    assert caught.value.reason is Reason.NO_VIDEO
    assert psutil.Process().memory_info().rss - before < 100e6


def test_a_bomb_in_a_live_stream_is_its_cameras_trouble_only(redis_url: str, videos: Path) -> None:
    with HttpServer(videos) as hostile, HttpServer(videos) as http:
        cameras = (
            {"id": "hostile", "source": hostile.url("live.mjpg"), "stall_timeout": 3.0},
            {"id": "well", "source": http.url("live.mjpg")},
        )
        with Rig(redis_url, *cameras) as rig:
            for camera in rig.supervisors:
                rig.wait_for(camera, CameraState.LIVE)
            hostile.picture = bomb()
            wait_until(
                lambda: (state := rig.state("hostile")) and state.state is not CameraState.LIVE, 20
            )
            assert max(process.memory_info().rss for process in camera_processes()) < 500e6
            state = rig.state("hostile")
            assert state is not None
            assert state.reason is not None
            assert state.detail.endswith(".")
            rig.wait_for_new_frame("well")
            hostile.picture = None
            rig.wait_for("hostile", CameraState.LIVE, 30)


def test_tricks_in_addresses_and_playlists_are_each_their_own_cameras_error(
    redis_url: str, videos: Path, tmp_path: Path
) -> None:
    with HttpServer(videos) as inside, HttpServer(tmp_path_server(tmp_path, videos)) as outside:
        (tmp_path / "file.m3u8").write_text(playlist(f"file://{videos}/gate.mp4"))
        (tmp_path / "inside.m3u8").write_text(playlist(inside.url("gate.mp4")))
        (tmp_path / "data.mpd").write_text(
            f"<MPD><BaseURL>{inside.url('gate.mp4')}</BaseURL></MPD>"
        )
        (tmp_path / "list.ffconcat").write_text(f"ffconcat version 1.0\nfile {videos}/gate.mp4\n")
        gate = videos / "gate.mp4"
        sources = {
            "concat": f"concat:{gate}|{gate}",
            "file": f"file:{gate}",
            "subfile": f"subfile,,start,0,end,99999,,:{gate}",
            "hls-file": outside.url("file.m3u8"),
            "hls-inside": outside.url("inside.m3u8"),
            "dash": outside.url("data.mpd"),
            "ffconcat": outside.url("list.ffconcat"),
        }
        cameras = [{"id": name, "source": source} for name, source in sources.items()]
        good = {"id": "well", "source": outside.url("live.mjpg")}
        with Rig(redis_url, *cameras[:3], good) as rig:
            check_refused(rig, list(sources)[:3])
            rig.wait_for("well", CameraState.LIVE, 20)
        with Rig(redis_url, *cameras[3:], good) as rig:
            check_refused(rig, list(sources)[3:])
            rig.wait_for("well", CameraState.LIVE, 20)
        assert inside.requests == [], "nobody was sent inside"


def tmp_path_server(folder: Path, videos: Path) -> Path:
    (folder / "gate.mp4").write_bytes((videos / "gate.mp4").read_bytes())
    return folder


def playlist(target: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{target}\n#EXT-X-ENDLIST\n"


def check_refused(rig: Rig, names: list[str]) -> None:
    for name in names:
        state = rig.wait_for(name, CameraState.OFFLINE, 30)
        assert state.reason in (Reason.NO_VIDEO, Reason.NOT_FOUND), state
        assert state.detail.endswith(".")
        assert rig.frames(name) == []
