"""``headcount bench chain``: how old a reading is when it can be read, beside the model's time."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from core.logging import configure_logging
from core.messages import Keys, Reading, Service
from headcount.failures import InputError, say
from headcount.ports import free_port
from headcount.readings import ReadingsFollower
from headcount.site_broker import site_broker
from headcount.site_loading import load
from headcount.supervisor import StopSignals, Supervisor
from headcount.weights import require_weights

FIRST_READING_WITHIN_S = 90.0
MEASURED = (Service.WORKER, Service.INGEST)  # alerts and dashboard only read


class _Measurements:
    """Latencies of all readings since the measuring began."""

    def __init__(self) -> None:
        self.first = threading.Event()
        self.begun = threading.Event()
        self.latency_ms: list[float] = []
        self.model_ms: list[float] = []
        self.cameras: set[str] = set()

    def add(self, reading: Reading, now_ms: int) -> None:
        self.first.set()
        if self.begun.is_set():
            self.latency_ms.append(now_ms - reading.captured_at)
            self.model_ms.append(reading.inference_ms)
            self.cameras.add(reading.camera)


def _site_text(video: Path, cameras: int, fps: float, weights: str) -> str:
    site = {
        "model": {"name": weights},
        "dashboard": {"port": free_port()},
        "cameras": [
            {"id": f"camera-{number}", "source": str(video.resolve()), "fps": fps}
            for number in range(1, cameras + 1)
        ],
    }
    return yaml.safe_dump(site)


def _result(measured: _Measurements, cameras: int, fps: float, seconds: float) -> dict[str, Any]:
    latency, model = measured.latency_ms, measured.model_ms
    return {
        "cameras": cameras,
        "fps": fps,
        "seconds": round(seconds, 1),
        "readings": len(latency),
        "readings_per_second": round(len(latency) / seconds, 2),
        "asked_per_second": cameras * fps,
        "latency_ms": {
            "median": round(statistics.median(latency), 1),
            "p95": round(float(np.percentile(latency, 95)), 1),
            "max": round(max(latency), 1),
        },
        "model_ms": {
            "median": round(statistics.median(model), 1),
            "p95": round(float(np.percentile(model, 95)), 1),
        },
        "worker_capacity_fps": round(1000.0 / statistics.mean(model), 2),
        "workers": 1,
    }


def _measure(site_path: Path, seconds: float) -> tuple[_Measurements, float]:
    """Run ingest and one worker of the site; returns what came and the seconds measured.

    Raises:
        InputError: no reading came.
    """
    loaded = load(site_path)
    require_weights(loaded.site.model.name)
    measured = _Measurements()
    took = 0.0
    with StopSignals() as signals, site_broker(loaded.site) as broker:
        keys = Keys(loaded.site.broker.shards)

        def time_it() -> None:
            nonlocal took
            if measured.first.wait(FIRST_READING_WITHIN_S):
                measured.begun.set()
                start = time.monotonic()
                signals.stop.wait(seconds)
                measured.begun.clear()
                took = time.monotonic() - start
            signals.stop.set()

        timer = threading.Thread(target=time_it, name="timer", daemon=True)
        with ReadingsFollower(broker.url, keys, measured.add):
            timer.start()
            Supervisor(site_path, broker, MEASURED).run(signals)
        timer.join(timeout=5)
    if not measured.latency_ms:
        raise InputError("no reading came; see the lines above for the reason")
    return measured, took


def bench_chain(
    video: Path, *, cameras: int, fps: float, seconds: float, weights: str, as_json: bool
) -> None:
    """Play a video as cameras for a while and print the latency of the readings.

    Raises:
        InputError: the video is missing, or no reading came.
    """
    configure_logging("bench")
    if not video.is_file():
        raise InputError(f"{video}: there is no such file")
    say(f"Playing {video.name} as {cameras} camera(s) for {seconds:g} s ...")
    folder = Path(tempfile.mkdtemp(prefix="headcount-bench-"))
    try:
        path = folder / "site.yaml"
        path.write_text(_site_text(video, cameras, fps, weights))
        measured, took = _measure(path, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = _result(measured, cameras, fps, took)
    if as_json:
        print(json.dumps(result))
        return
    latency, model = result["latency_ms"], result["model_ms"]
    print(
        f"readings          {result['readings']} in {took:.0f} s, "
        f"{result['readings_per_second']:g} a second of {result['asked_per_second']:g} asked"
    )
    print(
        f"capture to reading median {latency['median']:.0f} ms, 95 % under "
        f"{latency['p95']:.0f} ms, at most {latency['max']:.0f} ms"
    )
    print(f"model alone        median {model['median']:.0f} ms, 95 % under {model['p95']:.0f} ms")
    print(f"one worker counts  {result['worker_capacity_fps']:g} frames/s at this input size")
