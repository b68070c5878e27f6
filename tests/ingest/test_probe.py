from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import av
import psutil
import pytest

from core.messages import Reason
from ingest.probe import PROBE_TIMEOUT_S, probe
from ingest.source import SourceError
from tests.rtsp_server import RtspServer
from tests.waiting import wait_until

CANARY = "canary-pa55word"


def test_a_camera_is_described_with_a_snapshot(videos: Path) -> None:
    with RtspServer({"hall": videos / "hall.mp4"}, ("admin", CANARY)) as server:
        for transport in ("tcp", "udp"):
            result = probe(server.url("hall"), transport=transport)  # type: ignore[arg-type]
            assert (result.codec, result.width, result.height) == ("h264", 640, 360)
            assert result.fps == 10
            assert 0 < result.seconds_to_first_frame < 3
            with av.open(BytesIO(result.snapshot_jpeg), format="jpeg_pipe") as snapshot:
                assert snapshot.streams.video[0].width == 640
        with pytest.raises(SourceError) as caught:
            probe(server.url("hall").replace(CANARY, CANARY + "-not"))
        assert caught.value.reason is Reason.UNAUTHORISED
        assert CANARY not in repr(caught.value)


def test_a_file_and_a_text(videos: Path) -> None:
    result = probe(str(videos / "gate.mp4"))
    assert result.as_dict() | {"seconds_to_first_frame": 0} == {
        "codec": "h264",
        "width": 320,
        "height": 240,
        "fps": 10,
        "seconds_to_first_frame": 0,
    }
    with pytest.raises(SourceError, match="nothing that can be read as video") as caught:
        probe(str(videos / "notes.mp4"))
    assert caught.value.reason is Reason.NO_VIDEO


def test_a_frozen_camera_does_not_hold_a_probe(videos: Path) -> None:
    with RtspServer({"gate": videos / "gate.mp4"}) as server:
        server.freeze()
        started = time.monotonic()
        with pytest.raises(SourceError) as caught:
            probe(server.url("gate"), timeout_s=2)
        assert time.monotonic() - started < PROBE_TIMEOUT_S
        assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize("ends_by", ["time", "stop"])
def test_a_probe_whose_native_call_blocks_is_killed(ends_by: str) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as pool:
        url = f"rtsp://admin:{CANARY}@127.0.0.1:{silent.getsockname()[1]}/gate"
        answer = pool.submit(probe, url, timeout_s=1 if ends_by == "time" else 60, stop=stop)
        child = wait_until(probe_process)
        child.suspend()
        if ends_by == "stop":
            stop.set()
        error = answer.exception(timeout=30)
        assert isinstance(error, SourceError)
        assert error.reason is Reason.TIMEOUT
        assert CANARY not in repr(error)
        assert probe_process() is None


def probe_process() -> psutil.Process | None:
    children = psutil.Process().children()
    return next((child for child in children if "ingest.probe" in child.cmdline()), None)
