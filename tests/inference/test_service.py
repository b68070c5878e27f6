"""The worker service with the real model: ready, counting, answering, stopping."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.commands import send_command
from core.messages import Heartbeat, Reading, Service
from core.site_file import LoadedSite
from inference.service import run
from models.counter import WeightsError
from tests.conftest import MakeSite
from tests.inference.conftest import Bench, spots_jpeg
from tests.waiting import wait_until

READY_WITHIN_S = 60.0


@contextmanager
def service(loaded: LoadedSite, bench: Bench) -> Iterator[Heartbeat]:
    """The service in a thread; gives its heartbeat once it says how fast it is."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(loaded, bench.url, stop))
    thread.start()

    def heartbeat() -> Heartbeat | None:
        entries: Any = bench.client.xrevrange(bench.keys.heartbeats(), count=1)
        found = [Heartbeat.from_fields(fields) for _, fields in entries]
        return next((beat for beat in found if "capacity_fps" in beat.facts), None)

    try:
        yield wait_until(heartbeat, READY_WITHIN_S)
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def loaded(tmp_path: Path, make_site: MakeSite) -> LoadedSite:
    # A busy machine may take long over its first frame, which must not be too old for that here.
    camera = {"id": "gate-1", "source": "rtsp://127.0.0.1:9/gate", "age_limit": "60s"}
    model = {"name": "tiny", "steps": 1, "max_side": 256}
    return make_site(tmp_path, model=model, cameras=[camera])


def test_a_worker_says_what_it_can_and_counts(loaded: LoadedSite, bench: Bench) -> None:
    with service(loaded, bench) as heartbeat:
        assert heartbeat.service is Service.WORKER
        assert heartbeat.config_version == loaded.version
        facts = heartbeat.facts
        assert (facts["max_side"], facts["model"], facts["steps"]) == ("256", "tiny", "1")
        assert float(facts["capacity_fps"]) > 0
        assert float(facts["asked_fps"]) == 1
        assert len(facts["weights_hash"]) == 12
        assert facts["device"]

        bench.put("gate-1", seq=1)
        (reading,) = wait_until(bench.readings, READY_WITHIN_S)
        assert isinstance(reading, Reading)
        assert reading.low <= reading.count <= reading.high
        assert sum(weight for _, _, weight in reading.heads) == pytest.approx(reading.count)
        assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y, _ in reading.heads)
        assert reading.worker == heartbeat.id
        assert reading.model_hash == facts["weights_hash"]
        assert (reading.max_side, reading.steps, reading.samples) == (256, 1, 1)


def test_a_picture_is_counted_on_command(loaded: LoadedSite, bench: Bench) -> None:
    def ask(**options: Any) -> Any:
        return send_command(
            bench.client, bench.keys, Service.WORKER, "count", timeout_s=20, **options
        )

    with service(loaded, bench):
        reply = ask(arguments={"source": "x.jpg"}, payload=spots_jpeg(3))
        assert reply.ok, reply.error
        assert reply.result["source"] == "x.jpg"
        assert reply.result["low"] <= reply.result["count"] <= reply.result["high"]
        refused = ask(payload=b"no picture")
        assert not refused.ok
        assert "no picture" in refused.error
        assert not ask().ok


def test_missing_weights_are_said_at_the_start(
    tmp_path: Path, make_site: MakeSite, redis_url: str
) -> None:
    loaded = make_site(tmp_path, model={"name": "huge"})
    with pytest.raises(WeightsError, match="huge"):
        run(loaded, redis_url, threading.Event())


def test_a_new_camera_is_counted_and_privacy_applies_without_a_restart(
    loaded: LoadedSite, bench: Bench
) -> None:
    with service(loaded, bench) as heartbeat:
        bench.put("gate-1", seq=1)
        wait_until(bench.readings, READY_WITHIN_S)
        cameras = [
            {"id": name, "source": f"rtsp://127.0.0.1:9/{name}", "age_limit": "60s"}
            for name in ("gate-1", "x")
        ]
        site = {"cameras": cameras, "model": {"name": "tiny", "steps": 1, "max_side": 128}}
        loaded.path.write_text(yaml.safe_dump({**site, "privacy": {"pictures": "none"}}))

        reply = send_command(bench.client, bench.keys, Service.WORKER, "reload", timeout_s=30)

        assert reply.ok, reply.error
        bench.put("x", seq=1)
        readings = wait_until(
            lambda: [each for each in bench.readings() if each.camera == "x"], READY_WITHIN_S
        )
        assert (readings[0].worker, readings[0].max_side) == (heartbeat.id, 128)
        assert bench.pictures("gate-1")
        assert bench.pictures("x") == []
