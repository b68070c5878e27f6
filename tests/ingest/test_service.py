from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from core.broker import connect, find_server
from core.commands import send_command
from core.messages import CameraState, Frame, Heartbeat, Keys, Reason, Service, State
from core.site_file import LoadedSite
from ingest import service
from tests.ingest.rig import STOPS_WITHIN_S, camera_processes
from tests.rtsp_server import RtspServer
from tests.waiting import wait_until

KEYS = Keys()


@contextmanager
def running(loaded: LoadedSite, url: str) -> Iterator[None]:
    """The service in a thread; it must stop when it is told to."""
    stop = threading.Event()
    thread = threading.Thread(target=service.run, args=(loaded, url, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOPS_WITHIN_S)
    assert not thread.is_alive()
    assert camera_processes() == []


def states(client: redis.Redis, camera: str) -> list[CameraState]:
    entries = [State.from_fields(fields) for _, fields in client.xrange(KEYS.states(0))]
    return [state.state for state in entries if state.camera == camera]


def last_state(client: redis.Redis, camera: str) -> State:
    entries = [State.from_fields(fields) for _, fields in client.xrange(KEYS.states(0))]
    return [state for state in entries if state.camera == camera][-1]


def newest_seq(client: redis.Redis, camera: str) -> int:
    entries = client.xrevrange(KEYS.frames(camera), count=1)
    return Frame.from_fields(entries[0][1]).seq if entries else 0


@pytest.fixture
def site(tmp_path: Path, videos: Path, make_site: Any) -> LoadedSite:
    """Three cameras: a video, a file that is none, and one that is not there."""
    cameras = [
        {"id": "gate", "source": str(videos / "gate.mp4"), "fps": 5},
        {"id": "notes", "source": str(videos / "notes.mp4")},
        {"id": "gone", "source": "gone.mp4"},
    ]
    loaded: LoadedSite = make_site(tmp_path, cameras=cameras, model={"max_side": 256})
    return loaded


def test_frames_states_and_heartbeats_flow_and_a_broken_camera_disturbs_none(
    site: LoadedSite, redis_url: str, redis_client: redis.Redis
) -> None:
    with running(site, redis_url):
        wait_until(lambda: CameraState.LIVE in states(redis_client, "gate"))
        wait_until(lambda: CameraState.OFFLINE in states(redis_client, "notes"))
        wait_until(lambda: CameraState.OFFLINE in states(redis_client, "gone"))
        assert last_state(redis_client, "gone").reason is Reason.NOT_FOUND
        assert "gone.mp4" in last_state(redis_client, "gone").detail
        seq = newest_seq(redis_client, "gate")
        wait_until(lambda: newest_seq(redis_client, "gate") >= seq + 10)
        name = 'headcount_ingest_frames_total{camera="gate"}'
        heartbeat = wait_until(lambda: _heartbeat_with(redis_client, name))
        assert heartbeat.service is Service.INGEST
        assert heartbeat.config_version == site.version
        count = len(states(redis_client, "gate"))
        wait_until(lambda: len(states(redis_client, "gate")) > count)


def _heartbeat_with(client: redis.Redis, counter: str) -> Heartbeat | None:
    entries = [Heartbeat.from_fields(fields) for _, fields in client.xrange(KEYS.heartbeats())]
    return next((beat for beat in entries if beat.counters.get(counter, 0) > 0), None)


def test_the_probe_command_is_answered(
    site: LoadedSite, redis_url: str, redis_client: redis.Redis, videos: Path
) -> None:
    with (
        RtspServer({"hall": videos / "hall.mp4"}, ("admin", "canary-pa55word")) as server,
        running(site, redis_url),
    ):
        wait_until(lambda: states(redis_client, "gate"))
        arguments = {"source": server.url("hall"), "transport": "udp"}
        reply = send_command(redis_client, KEYS, Service.INGEST, "probe", arguments)
        assert reply.ok, reply.error
        assert (reply.result["codec"], reply.result["width"]) == ("h264", 640)
        assert reply.payload is not None
        assert reply.payload.startswith(b"\xff\xd8")
        unseen = {**arguments, "picture": "no"}
        reply = send_command(redis_client, KEYS, Service.INGEST, "probe", unseen)
        assert (reply.ok, reply.payload) == (True, None)
        arguments["source"] = server.url("hall").replace("pa55word", "pa55word-not")
        reply = send_command(redis_client, KEYS, Service.INGEST, "probe", arguments)
        assert not reply.ok
        assert reply.result["reason"] == "unauthorised"
        assert "canary" not in reply.error
        assert not send_command(redis_client, KEYS, Service.INGEST, "probe", {}).ok


def test_a_broker_that_goes_away_and_comes_back(
    site: LoadedSite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with own_redis(tmp_path) as (url, start, kill), running(site, url), connect(url) as client:
        wait_until(lambda: newest_seq(client, "gate"))
        processes = [process.pid for process in camera_processes()]
        kill()
        capfd.readouterr()
        time.sleep(3)  # an outage, in which frames are captured and nothing can take them
        logged = capfd.readouterr()
        assert (logged.out + logged.err).count("\n") < 12, "no line per frame"
        start()
        wait_until(lambda: newest_seq(client, "gate"))
        wait_until(lambda: CameraState.LIVE in states(client, "gate"))
        assert [process.pid for process in camera_processes()] == processes


@contextmanager
def own_redis(folder: Path) -> Iterator[Any]:
    """A Redis that can be killed and started again under the same address."""
    socket_path = folder / "redis.sock"
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        flags = [
            "--port",
            "0",
            "--unixsocket",
            str(socket_path),
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        process = subprocess.Popen([find_server(), *flags], stdout=subprocess.DEVNULL)
        running.append(process)
        with connect(f"unix://{socket_path}") as client:
            wait_until(lambda: _answers(client))

    def kill() -> None:
        process = running.pop()
        process.kill()
        process.wait()

    start()
    yield f"unix://{socket_path}", start, kill
    kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_no_process_outlives_a_killed_service(
    site: LoadedSite, redis_url: str, redis_client: redis.Redis
) -> None:
    script = f"""
        import threading
        from pathlib import Path
        from core.site_file import load_site
        from ingest.service import run
        run(load_site(Path({str(site.path)!r})), {redis_url!r}, threading.Event())
    """
    program = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(program, env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as parent:
        service_process = psutil.Process(parent.pid)
        wait_until(lambda: CameraState.LIVE in states(redis_client, "gate"))
        wait_until(lambda: CameraState.OFFLINE in states(redis_client, "notes"))
        cameras = service_process.children()
        assert len(cameras) == 3
        cameras[0].suspend()  # this one cannot even notice that its pipe closes
        parent.kill()
    psutil.wait_procs(cameras, timeout=5)
    assert [camera for camera in cameras if camera.is_running()] == []
