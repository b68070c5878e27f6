"""What ``/metrics`` says of the processes: what their heartbeats carry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from core.messages import Heartbeat, Service
from core.roles import Viewer
from dashboard.metrics_cameras import gauge

PREFIX = "headcount_"
PROCESS = ("service", "process")
_NAMED = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?$")
_LABEL = re.compile(r'(?P<key>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)"')

# What the dashboard tells better itself, from states and the history.
TOLD_OTHERWISE = frozenset(
    {
        "headcount_incidents_open",
        "headcount_ingest_drops_total",
        "headcount_ingest_frames_total",
        "headcount_ingest_live",
        "headcount_ingest_reconnects_total",
    }
)
UNKNOWN = "Counted by the process itself."
MEANINGS = {
    "headcount_evidence_deleted_total": "Files of evidence deleted after `keep_evidence`.",
    "headcount_evidence_failed_total": "Evidence that could not be kept; the log says why.",
    "headcount_evidence_files_total": "Files of evidence kept.",
    "headcount_inference_seconds_total": "The model's own time for the frames counted.",
    "headcount_ingest_publish_errors_total": "Frames that the broker did not take.",
    "headcount_ingest_view_learned": "1 when a turned camera would be noticed.",
    "headcount_mqtt_connected": "1 while connected to the MQTT broker.",
    "headcount_notifications_dropped_total": "Notices that were no use any more.",
    "headcount_notifications_failed_total": "Attempts to deliver a notice that failed.",
    "headcount_notifications_sent_total": "Notices delivered.",
    "headcount_readings_processed_total": "Readings put through the levels and stored.",
    "headcount_worker_decode_errors_total": "Frames that were no picture.",
    "headcount_worker_dropped_old_total": "Frames too old to be counted or published.",
    "headcount_worker_frames_total": "Frames counted.",
    "headcount_worker_given_up_total": "Frames of recordings that failed again and again.",
    "headcount_worker_missed_total": "Frames replaced by newer ones before a worker came.",
    "headcount_worker_model_errors_total": "Frames at which the model failed.",
}
_FACTS = {
    "capacity_fps": ("worker_capacity_frames_per_second", "Frames that the worker can count."),
    "asked_fps": ("worker_asked_frames_per_second", "Frames that the site asks of the worker."),
    "max_side": ("worker_max_side_pixels", "Longest side of the pictures that it counts."),
}


def parse_name(text: str) -> tuple[str, dict[str, str]] | None:
    """Name and labels of a heartbeat's counter, or None when it is malformed.

    >>> parse_name('frames_total{camera="gate-1"}')
    ('headcount_frames_total', {'camera': 'gate-1'})
    """
    match = _NAMED.match(text)
    if match is None:
        return None
    name = match["name"] if match["name"].startswith(PREFIX) else PREFIX + match["name"]
    labels = {label["key"]: label["value"] for label in _LABEL.finditer(match["labels"] or "")}
    return name, labels


def process_metrics(heartbeats: Iterable[Heartbeat]) -> Iterator[Metric]:
    """Who lives, since when, with which version and configuration, and how fast."""
    number = gauge("processes", "Processes that are alive.", ("service",))
    up = gauge("process_up", "1 for each process that is alive.", PROCESS)
    started = gauge("process_start_time_seconds", "When it started, Unix time.", PROCESS)
    loop = gauge("process_loop_age_seconds", "Since its slowest loop came round.", PROCESS)
    offset = gauge("clock_offset_seconds", "The broker's clock minus the process's.", PROCESS)
    info = gauge("process_info", "1, with what it runs.", (*PROCESS, "version", "configuration"))
    model = gauge(
        "model_info",
        "1, with the weights that a worker uses.",
        (*PROCESS, "model", "device", "sha"),
    )
    facts = {key: gauge(name, text, PROCESS) for key, (name, text) in _FACTS.items()}
    lives = dict.fromkeys(Service, 0)
    for beat in heartbeats:
        process = [beat.service.value, beat.id]
        lives[beat.service] += 1
        up.add_metric(process, 1)
        started.add_metric(process, beat.started_at / 1000)
        loop.add_metric(process, beat.loop_age_s)
        offset.add_metric(process, beat.clock_offset_ms / 1000)
        info.add_metric([*process, beat.version, beat.config_version], 1)
        if "model" in beat.facts:
            names = [beat.facts.get(key, "") for key in ("model", "device", "weights_hash")]
            model.add_metric([*process, *names], 1)
        for key, family in facts.items():
            if key in beat.facts:
                family.add_metric(process, float(beat.facts[key]))
    for service, count in lives.items():
        number.add_metric([service.value], count)
    yield from (number, up, started, loop, offset, info, model, *facts.values())


def counter_metrics(heartbeats: Iterable[Heartbeat], viewer: Viewer) -> Iterator[Metric]:
    """What the processes count themselves, with the process in the labels."""
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for beat in heartbeats:
        process = {"service": beat.service.value, "process": beat.id}
        for text, value in beat.counters.items():
            parsed = parse_name(text)
            if parsed is None or parsed[0] in TOLD_OTHERWISE:
                continue
            if viewer.may_see(parsed[1].get("camera")):
                samples.setdefault(parsed[0], []).append(({**parsed[1], **process}, value))
    for name, rows in sorted(samples.items()):
        keys = sorted({key for labels, _ in rows for key in labels})
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(name, MEANINGS.get(name, UNKNOWN), labels=keys)
        for labels, value in rows:
            family.add_metric([labels.get(key, "") for key in keys], value)
        yield family
