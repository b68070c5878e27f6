"""Passwords of cameras, channels and watchdog appear nowhere while everything they open fails."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import redis

from headcount.ports import free_port
from tests.headcount.conftest import headcount, write_site
from tests.headcount.running_site import FIRST_READING_WITHIN_S, running_site
from tests.headcount.test_privacy import contents
from tests.waiting import wait_until

CANARY = "canary-7f3a"
ROUTES = ("/", "/healthz", "/metrics", "/api/v1/cameras", "/api/v1/incidents", "/api/v1/history")


@pytest.mark.usefixtures("weights")
def test_a_password_is_in_no_log_reply_metric_page_or_key(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis
) -> None:
    port, dead = free_port(), free_port()
    login = f"operator:{CANARY}@127.0.0.1:{dead}"
    cameras = [
        {"id": scheme, "source": f"{scheme}://{login}/stream?token={CANARY}"}
        for scheme in ("rtsp", "rtsps", "http")
    ]
    channels = [{"name": "hook", "url": f"json://{login}/hook"}]
    site = write_site(
        tmp_path,
        cameras=cameras,
        dashboard={"port": port},
        broker={"url": redis_url},
        alerts={"heartbeat": f"http://{login}/ping", "channels": channels},
    )
    told = headcount("notify-test", site)
    assert told.returncode == 1
    address = f"http://127.0.0.1:{port}"
    with running_site(site, port, HEADCOUNT_LOG_LEVEL="DEBUG") as running:
        wait_until(lambda: len(running.statuses()) == len(cameras), FIRST_READING_WITHIN_S, 0.2)
        failed: dict[str, str] = {}  # camera to its detail, once an attempt has failed

        def all_failed() -> bool:
            for camera in running.get("/api/v1/cameras"):
                if "127.0.0.1" in camera["detail"]:
                    failed[camera["id"]] = camera["detail"]
            return len(failed) == len(cameras)

        wait_until(all_failed, 30, 0.2)
        seen = {route: httpx.get(address + route).content for route in ROUTES}
        seen |= {f"detail of {camera}": text.encode() for camera, text in failed.items()}
        with httpx.stream("GET", f"{address}/api/v1/events") as events:
            seen["/api/v1/events"] = next(events.iter_bytes())
        seen |= dict(contents(redis_client))
    seen["log"] = site.with_suffix(".log").read_bytes()
    seen["notify-test"] = (told.stdout + told.stderr).encode()
    assert {place for place, content in seen.items() if CANARY.encode() in content} == set()
