"""A real RTSP camera that goes away and comes back, as a viewer sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headcount.ports import free_port
from tests.headcount.conftest import write_site
from tests.headcount.running_site import FIRST_READING_WITHIN_S, running_site
from tests.rtsp_server import RtspServer, require_gstreamer
from tests.waiting import wait_until

STALL_TIMEOUT_S = 4
# Two seconds after the timeout, and 15 s, on a machine that does nothing else.
NOTICED_WITHIN_S, BACK_WITHIN_S = 20, 40


@pytest.mark.data
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("weights")
def test_a_camera_that_dies_is_unknown_soon_and_ok_soon_after_it_returns(
    tmp_path: Path, data_folder: Path
) -> None:
    require_gstreamer()
    videos = data_folder / "videos"
    files = {"mall": videos / "mall_train_640x480.mp4", "pets": videos / "pets2009_480x360.mp4"}
    port = free_port()
    with RtspServer(files, credentials=("viewer", "hunter2")) as server:
        cameras = [
            {"id": name, "source": server.url(name), "stall_timeout": STALL_TIMEOUT_S}
            for name in files
        ]
        site = write_site(tmp_path, cameras=cameras, dashboard={"port": port})
        ok = dict.fromkeys(files, "ok")
        with running_site(site, port) as running:
            wait_until(lambda: running.statuses() == ok, FIRST_READING_WITHIN_S, 0.2)
            server.stop()
            blind = dict.fromkeys(files, "unknown")
            wait_until(lambda: running.statuses() == blind, NOTICED_WITHIN_S, 0.1)
            for camera in running.get("/api/v1/cameras"):
                assert camera["reason"]
                assert camera["count"] is None  # never 0
            server.start()
            wait_until(lambda: running.statuses() == ok, BACK_WITHIN_S, 0.2)
        assert "hunter2" not in site.with_suffix(".log").read_text()
