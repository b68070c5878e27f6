"""A password that cameras are given is nowhere to be read, whatever goes wrong with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import redis
import yaml

from core.commands import send_command
from core.messages import CameraState, Keys, Service, State
from tests.ingest.http_server import HttpServer
from tests.ingest.rig import camera_processes
from tests.rtsp_server import RtspServer
from tests.waiting import wait_until

CANARY = "canary-pa55word"
KEYS = Keys()
SERVICE = """
    import signal, sys, threading
    from pathlib import Path
    from core.logging import configure_logging
    from core.site_file import load_site
    from ingest.service import run
    configure_logging("ingest")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(load_site(Path(sys.argv[1])), sys.argv[2], stop)
"""


@contextmanager
def service(site: Path, url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The ingest service as a process of its own; all that it prints goes to ``log``."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "HEADCOUNT_LOG_LEVEL": "DEBUG"}
    program = [sys.executable, "-c", textwrap.dedent(SERVICE), str(site), url]
    with log.open("wb") as output:
        process = subprocess.Popen(program, stdout=output, stderr=output, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(15)


def everything_in(client: redis.Redis) -> bytes:
    """Names and contents of all keys."""
    told = []
    for key in client.scan_iter():
        told.append(key)
        kind = client.type(key)
        if kind == b"stream":
            told += [
                part for _, fields in client.xrange(key) for pair in fields.items() for part in pair
            ]
        elif kind == b"list":
            told += client.lrange(key, 0, -1)
        elif kind == b"hash":
            told += [part for pair in client.hgetall(key).items() for part in pair]
        elif kind == b"string":
            told.append(client.get(key))
    return b"\n".join(told)


def last_states(client: redis.Redis) -> dict[str, State]:
    states = [State.from_fields(fields) for _, fields in client.xrange(KEYS.states(0))]
    return {state.camera: state for state in states}


def test_no_password_in_logs_tracebacks_states_or_keys(
    tmp_path: Path, videos: Path, redis_url: str, redis_client: redis.Redis, unused_port: int
) -> None:
    with (
        RtspServer({"gate": videos / "gate.mp4"}, ("admin", CANARY)) as rtsp,
        HttpServer(videos, ("admin", CANARY)) as http,
    ):
        sources = {
            "well": rtsp.url("gate"),
            "mjpeg": http.url("live.mjpg"),
            "unauthorised": http.url("live.mjpg").replace(CANARY, CANARY + "-not"),
            "refused": f"rtsp://admin:{CANARY}@127.0.0.1:{unused_port}/gate",
            "path": rtsp.url(f"nowhere/user=admin_password={CANARY}_channel=1"),
            "host": f"rtsp://admin:{CANARY}@camera.invalid/gate?password={CANARY}",
            "text": http.url("notes.mp4") + f"?token={CANARY}",
        }
        cameras = [
            {"id": name, "source": source, "stall_timeout": "2s", "fps": 5}
            for name, source in sources.items()
        ]
        site = tmp_path / "site.yaml"
        site.write_text(yaml.safe_dump({"cameras": cameras}))
        log = tmp_path / "log"
        with service(site, redis_url, log) as process:
            wait_until(lambda: failing(redis_client) == sources.keys() - {"well", "mjpeg"}, 60)
            for name in ("refused", "path", "unauthorised"):
                arguments = {"source": sources[name]}
                reply = send_command(redis_client, KEYS, Service.INGEST, "probe", arguments)
                assert not reply.ok
                assert CANARY not in json.dumps(reply.model_dump(mode="json"))
            for command_line in process_command_lines(process.pid):
                assert CANARY not in command_line, "arguments are public"
            kill_cameras(process.pid)
            rtsp.stop()
            wait_until(lambda: "well" in failing(redis_client), 30)
        told = log.read_bytes()
    assert b"unauthorised" in told, "the log tells of it"
    assert CANARY.encode() not in told
    told = everything_in(redis_client)
    assert b"camera.invalid" in told or b"unknown host" in told
    assert CANARY.encode() not in told
    assert camera_processes() == []


def failing(client: redis.Redis) -> set[str]:
    return {
        name for name, state in last_states(client).items() if state.state is CameraState.OFFLINE
    }


def process_command_lines(pid: int) -> list[str]:
    return [" ".join(child.cmdline()) for child in psutil.Process(pid).children(recursive=True)]


def kill_cameras(pid: int) -> None:
    for child in psutil.Process(pid).children():
        child.kill()
