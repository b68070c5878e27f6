"""What ``/metrics`` says of cameras and zones. A value that is unknown has no sample: never a 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from zoneinfo import ZoneInfo

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from core.live import LiveView
from core.settings import CameraSettings, Zone
from crowd.configured import level_settings
from dashboard.values import LEVELS, CameraValue

CAMERA, ZONE = ("camera",), ("camera", "zone")


def gauge(name: str, text: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    """An empty family of values that go up and down."""
    return GaugeMetricFamily(f"headcount_{name}", text, labels=list(labels))


def camera_metrics(cameras: Iterable[CameraValue], now_ms: int) -> Iterator[Metric]:
    """What viewers see of each camera now."""
    ok = gauge("camera_ok", "1 while the camera's status is ok, 0 while it is unknown.", CAMERA)
    why = gauge(
        "camera_unknown", "1, with the reason, while the status is unknown.", ("camera", "reason")
    )
    totals = gauge("cameras", "Cameras by status and reason.", ("status", "reason"))
    age = gauge("reading_age_seconds", "Age of the last ok reading.", CAMERA)
    people = gauge("camera_people", "People in the whole picture.", CAMERA)
    low = gauge("camera_people_low", "Lower end of their 90 % interval.", CAMERA)
    high = gauge("camera_people_high", "Upper end of their 90 % interval.", CAMERA)
    tally = Counter({("ok", ""): 0})
    for camera in cameras:
        reason = camera.reason or ""
        tally[camera.status, reason] += 1
        ok.add_metric([camera.id], camera.status == "ok")
        if camera.status != "ok":
            why.add_metric([camera.id, reason], 1)
        values = (
            (age, camera.age_s(now_ms)),
            (people, camera.count),
            (low, camera.low),
            (high, camera.high),
        )
        for family, value in values:
            if value is not None:
                family.add_metric([camera.id], value)
    for place, number in tally.items():
        totals.add_metric(place, number)
    yield from (ok, why, totals, age, people, low, high)


def zone_metrics(cameras: Iterable[CameraValue]) -> Iterator[Metric]:
    """What viewers see of each zone now."""
    people = gauge("people", "People in the zone.", ZONE)
    low = gauge("people_low", "Lower end of their 90 % interval.", ZONE)
    high = gauge("people_high", "Upper end of their 90 % interval.", ZONE)
    density = gauge("density_people_per_m2", "People per square metre of the zone.", ZONE)
    worst = gauge(
        "worst_density_people_per_m2", "People per square metre at its densest place.", ZONE
    )
    level = gauge("level", "Level: 0 normal, 1 watch, 2 warning, 3 critical.", ZONE)
    for camera in cameras:
        for zone in camera.zones:
            values = (
                (people, zone.count),
                (low, zone.low),
                (high, zone.high),
                (density, zone.density),
                (worst, zone.worst_cell),
                (level, None if zone.level is None else LEVELS.index(zone.level)),
            )
            for family, value in values:
                if value is not None:
                    family.add_metric([camera.id, zone.id], value)
    yield from (people, low, high, density, worst, level)


def threshold_metrics(
    cameras: Iterable[CameraSettings], timezone: ZoneInfo, now_ms: int
) -> Iterator[Metric]:
    """The levels that hold at this hour, in the unit that each zone's are given in."""
    labels = ("camera", "zone", "level", "unit")
    family = gauge("level_threshold", "Value at which the level is reached, now.", labels)
    for camera in cameras:
        for zone in camera.zones:
            for level, value in _thresholds(zone, timezone, now_ms).items():
                assert zone.levels is not None
                family.add_metric([camera.id, zone.id, level, zone.levels.unit], value)
    yield family


def _thresholds(zone: Zone, timezone: ZoneInfo, now_ms: int) -> Mapping[str, float]:
    if zone.levels is None:
        return {}
    return level_settings(zone.levels, 0.0, timezone, None).at(now_ms).values


def stream_metrics(cameras: Iterable[CameraSettings], live: LiveView) -> Iterator[Metric]:
    """What ingest and workers do with each camera's frames."""
    frames = CounterMetricFamily(
        "headcount_camera_frames", "Frames captured since ingest started.", labels=CAMERA
    )
    drops = CounterMetricFamily(
        "headcount_camera_drops", "Frames captured and never counted.", labels=CAMERA
    )
    reconnects = CounterMetricFamily(
        "headcount_camera_reconnects", "Connections made anew.", labels=CAMERA
    )
    counted = gauge("camera_counted_frames_per_second", "Frames counted, lately.", CAMERA)
    latency = gauge("reading_latency_seconds", "Capture of the last frame to its reading.", CAMERA)
    model = gauge("reading_model_seconds", "The model's own time for the last reading.", CAMERA)
    for camera in cameras:
        state = live.state(camera.id)
        if state is not None:
            frames.add_metric([camera.id], state.frames)
            drops.add_metric([camera.id], live.drops(camera.id))
            reconnects.add_metric([camera.id], state.reconnects)
        reading = live.reading(camera.id)
        if reading is None or not live.status(camera.id).ok:
            continue
        model.add_metric([camera.id], reading.inference_ms / 1000)
        rate = live.frames_per_second(camera.id)
        if rate is not None:
            counted.add_metric([camera.id], rate)
        if not (camera.kind == "file" and camera.play.pace == "fast"):  # no stamps of this day
            waited_ms = max(0, reading.published_at - reading.captured_at)
            latency.add_metric([camera.id], waited_ms / 1000)
    yield from (frames, drops, reconnects, counted, latency, model)
