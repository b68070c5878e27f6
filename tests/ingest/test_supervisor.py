from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path

import av
import psutil
import pytest
import redis
from structlog.testing import capture_logs

from core.messages import CameraState, Reason, State
from ingest.child import Child
from ingest.child_events import Event
from ingest.picture import encode_jpeg
from tests.ingest.hostile import write_mjpeg
from tests.ingest.http_server import HttpServer
from tests.ingest.pictures import grey, looking_at, write_grey
from tests.ingest.rig import Rig, camera_processes
from tests.rtsp_server import RtspServer
from tests.waiting import wait_until

CANARY = "canary-pa55word"


def test_rtsp_over_tcp_and_udp_and_mjpeg_are_live_within_seconds(
    redis_url: str, videos: Path
) -> None:
    files = {"gate": videos / "gate.mp4", "hall": videos / "hall.mp4"}
    with RtspServer(files, ("admin", CANARY)) as rtsp, HttpServer(videos) as http:
        cameras = (
            {"id": "tcp", "source": rtsp.url("gate")},
            {"id": "udp", "source": rtsp.url("hall"), "transport": "udp"},
            {"id": "mjpeg", "source": http.url("live.mjpg")},
        )
        with Rig(redis_url, *cameras) as rig:
            for camera in rig.supervisors:
                rig.wait_for(camera, CameraState.LIVE)
            for camera, width in (("tcp", 320), ("udp", 640), ("mjpeg", 320)):
                first, second = rig.wait_for_new_frame(camera), rig.wait_for_new_frame(camera)
                assert first.width == width
                assert second.seq > first.seq
                assert second.captured_at - first.captured_at >= 100, "no more than 5 a second"
                assert first.position_s is None
            wait_until(lambda: rig.wait_for("tcp", CameraState.LIVE).drops > 0)
            counters = rig.supervisors["tcp"].counters()
            assert counters['headcount_ingest_frames_total{camera="tcp"}'] > 2


def test_each_failure_has_its_reason_and_no_password_is_told(
    redis_url: str,
    redis_client: redis.Redis,
    videos: Path,
    unused_port: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with RtspServer({"gate": videos / "gate.mp4"}, ("admin", CANARY)) as rtsp:
        expected = {
            "password": (rtsp.url("gate").replace(CANARY, CANARY + "-not"), Reason.UNAUTHORISED),
            "server": (f"rtsp://admin:{CANARY}@127.0.0.1:{unused_port}/gate", Reason.REFUSED),
            "path": (rtsp.url("nowhere"), Reason.NOT_FOUND),
            "text": (str(videos / "notes.mp4"), Reason.NO_VIDEO),
            "damage": (str(videos / "damaged.mp4"), Reason.DECODE_ERRORS),
            "webcam": ("63", Reason.NOT_FOUND),
        }
        cameras = [{"id": name, "source": source} for name, (source, _) in expected.items()]
        with Rig(redis_url, *cameras, {"id": "well", "source": rtsp.url("gate")}) as rig:
            for name, (_, reason) in expected.items():
                state = rig.wait_for(name, CameraState.OFFLINE)
                assert state.reason is reason, state
                assert state.detail.endswith(".")
            rig.wait_for("well", CameraState.LIVE)
    told = [str(fields) for _, fields in redis_client.xrange(rig.keys.states(0))]
    told += [str(fields) for _, fields in redis_client.xrange(rig.keys.frames("well"))]
    output = capfd.readouterr()
    assert "unauthorised" in output.out + output.err, "the log tells of it"
    assert CANARY not in "".join([*told, output.out, output.err])


def test_a_killed_server_is_seen_at_once_and_its_return_found(redis_url: str, videos: Path) -> None:
    server = RtspServer({"gate": videos / "gate.mp4"})
    changed = RtspServer({"gate": videos / "hall.mp4"}, port=server.port)
    with server, Rig(redis_url, {"id": "gate", "source": server.url("gate")}) as rig:
        rig.wait_for("gate", CameraState.LIVE)
        assert rig.wait_for_new_frame("gate").width == 320
        server.stop()
        state = rig.wait_for("gate", CameraState.OFFLINE)
        assert state.reason in (Reason.OFFLINE, Reason.REFUSED)
        wait_until(lambda: (rig.state("gate") or state).reason is Reason.REFUSED)
        with changed:  # the camera returns with another picture size
            state = rig.wait_for("gate", CameraState.LIVE)
            assert state.reconnects == 1
            wait_until(lambda: rig.wait_for_new_frame("gate").width == 640)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_frozen_server_is_a_stall_and_its_thaw_is_found(
    redis_url: str, videos: Path, transport: str
) -> None:
    with RtspServer({"gate": videos / "gate.mp4"}) as server:
        camera = {"id": "gate", "source": server.url("gate"), "transport": transport}
        with Rig(redis_url, camera) as rig:
            rig.wait_for("gate", CameraState.LIVE)
            server.freeze()
            state = rig.wait_for("gate", CameraState.STALLED)
            assert state.reason is Reason.STALLED
            server.thaw()
            rig.wait_for("gate", CameraState.LIVE)
            rig.wait_for_new_frame("gate")


def test_a_blocked_process_is_replaced_and_a_crashed_one_too(redis_url: str, videos: Path) -> None:
    source = str(videos / "gate.mp4")
    with Rig(redis_url, {"id": "gate", "source": source}) as rig:
        rig.wait_for("gate", CameraState.LIVE)
        blocked = camera_processes()[0]
        blocked.suspend()  # as a native call that never returns
        rig.wait_for("gate", CameraState.STALLED)
        rig.wait_for("gate", CameraState.LIVE)
        crashed = camera_processes()[0]
        assert crashed.pid != blocked.pid
        assert not psutil.pid_exists(blocked.pid)
        crashed.kill()
        state = rig.wait_for("gate", CameraState.OFFLINE)
        assert "SIGKILL" in state.detail
        state = rig.wait_for("gate", CameraState.LIVE)
        assert state.reconnects == 2
        frames_before = state.frames
        rig.wait_for_new_frame("gate")
        wait_until(lambda: (rig.state("gate") or state).frames > frames_before)


def test_a_defect_in_watching_over_a_camera_is_told_and_begun_again(
    redis_url: str,
    videos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = threading.Event()
    read = Child.events

    def events(child: Child, wait_s: float) -> list[Event]:
        if broken.is_set():
            raise ZeroDivisionError("a defect")
        return read(child, wait_s)

    monkeypatch.setattr(Child, "events", events)
    camera = {"id": "gate", "source": str(videos / "gate.mp4")}
    with capture_logs() as said, Rig(redis_url, camera) as rig:
        rig.wait_for("gate", CameraState.LIVE)
        broken.set()
        state = rig.wait_for("gate", CameraState.OFFLINE)
        assert "ZeroDivisionError" in state.detail
        wait_until(lambda: sum(entry["log_level"] == "error" for entry in said) >= 2, 20)
        broken.clear()
        rig.wait_for("gate", CameraState.LIVE)
        rig.wait_for_new_frame("gate")
    assert sum("exc_info" in entry for entry in said) == 1


def test_a_picture_of_no_use_is_said_to_be_so_and_not_counted(redis_url: str, videos: Path) -> None:
    with (
        HttpServer(videos) as http,
        Rig(redis_url, {"id": "mjpeg", "source": http.url("live.mjpg")}) as rig,
    ):
        for trouble, reason in ((http.frozen, Reason.FROZEN), (http.covered, Reason.COVERED)):
            wait_until(lambda: is_usable(rig.state("mjpeg")))
            rig.wait_for_new_frame("mjpeg")
            trouble.set()
            state = wait_until(lambda reason=reason: with_reason(rig.state("mjpeg"), reason))
            assert state is not None
            assert state.state is CameraState.LIVE, "frames still come"
            assert state.detail.endswith(".")
            seq = rig.frames("mjpeg")[-1].seq
            frames = state.frames
            newer = wait_until(lambda at=state.at: later(rig.state("mjpeg"), at + 3000))
            assert newer is not None
            assert newer.frames == frames, "nobody is counted in it"
            assert rig.frames("mjpeg")[-1].seq == seq
            trouble.clear()


def is_usable(state: State | None) -> bool:
    return state is not None and state.state is CameraState.LIVE and state.reason is None


def with_reason(state: State | None, reason: Reason) -> State | None:
    return state if state is not None and state.reason is reason else None


def later(state: State | None, at: int) -> State | None:
    return state if state is not None and state.at >= at else None


def test_a_file_repeats_and_its_positions_start_again(redis_url: str, videos: Path) -> None:
    with Rig(redis_url, {"id": "short", "source": str(videos / "short.mp4")}) as rig:
        frames = [rig.wait_for_new_frame("short") for _ in range(12)]
        state = rig.wait_for("short", CameraState.LIVE)
    places = [-1.0 if frame.position_s is None else frame.position_s for frame in frames]
    assert min(places) >= 0
    assert max(places) < 1
    wraps = sum(after < before for before, after in pairwise(places))
    assert wraps >= 2
    assert state.reconnects == 0
    captured = frames[-1].seq - frames[0].seq
    seconds = (frames[-1].captured_at - frames[0].captured_at) / 1000
    assert captured / seconds == pytest.approx(5, rel=0.2), "in real time, also from end to start"


def test_a_file_played_once_ends(redis_url: str, videos: Path) -> None:
    started = time.monotonic()
    play = {"repeat": False}
    camera = {"id": "short", "source": str(videos / "short.mp4"), "play": play}
    with Rig(redis_url, camera) as rig:
        state = rig.wait_for("short", CameraState.ENDED)
        assert time.monotonic() - started > 0.9, "in real time"
        assert state.reason is Reason.ENDED
        assert state.frames == 5
        wait_until(lambda: camera_processes() == [])


def test_every_frame_of_a_fast_file_reaches_the_workers(
    redis_url: str, redis_client: redis.Redis, videos: Path
) -> None:
    play = {"repeat": False, "pace": "fast", "policy": "every"}
    camera = {"id": "ten", "source": str(videos / "ten.mp4"), "fps": 10, "play": play}
    with Rig(redis_url, camera) as rig:
        stream = rig.keys.frames("ten")
        wait_until(lambda: redis_client.xlen(stream) == 64)
        rig.wait_for("ten", CameraState.LIVE)
        positions: list[float] = []
        captured_at: list[int] = []
        while len(positions) < 100:
            frames = wait_until(lambda: rig.frames("ten"))
            positions += [frame.position_s or 0.0 for frame in frames]
            captured_at += [frame.captured_at for frame in frames]
            redis_client.xdel(
                stream, *[entry for entry, _ in redis_client.xrange(stream)][: len(frames)]
            )
        state = rig.wait_for("ten", CameraState.ENDED)
    assert positions == pytest.approx([index / 10 for index in range(100)])
    assert captured_at == [captured_at[0] + index * 100 for index in range(100)]
    assert (state.frames, state.drops) == (100, 0)


@pytest.mark.data
def test_a_camera_that_is_turned_while_its_process_is_gone_is_moved(
    redis_url: str, data_folder: Path, tmp_path: Path
) -> None:
    mall = grey(data_folder / "videos" / "mall_train_640x480.mp4", 120, every=4)
    video = tmp_path / "gate.mp4"
    write_grey(video, [looking_at(picture, 0.1, 0.1) for picture in mall])
    write_grey(tmp_path / "turned.mp4", [looking_at(picture, 0.0, 0.1) for picture in mall])
    camera = {"id": "gate", "source": str(video), "play": {"pace": "fast"}}
    with Rig(redis_url, camera) as rig:
        wait_until(lambda: rig.supervisors["gate"].has_learned_the_view, 30)
        assert is_usable(rig.state("gate"))
        (tmp_path / "turned.mp4").replace(video)
        camera_processes()[0].kill()
        state = wait_until(lambda: with_reason(rig.state("gate"), Reason.MOVED), 30)
        assert state is not None
        assert state.state is CameraState.LIVE


def test_another_codec_size_and_time_base_are_survived(
    redis_url: str, videos: Path, tmp_path: Path
) -> None:
    source = tmp_path / "camera.mp4"
    source.write_bytes((videos / "short.mp4").read_bytes())
    with av.open(str(videos / "hall.mp4")) as container:
        jpegs = [encode_jpeg(frame, 640) for frame in container.decode(video=0)]
    with Rig(redis_url, {"id": "camera", "source": str(source)}) as rig:
        assert rig.wait_for_new_frame("camera").width == 320
        before = camera_processes()
        write_mjpeg(tmp_path / "other.avi", jpegs).replace(source)
        wait_until(lambda: rig.wait_for_new_frame("camera").width == 640, 20)
        assert camera_processes() == before, "nothing had to be replaced"
        assert is_usable(rig.state("camera"))
