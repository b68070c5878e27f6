"""What the System page says: one plain sentence for each thing that is wrong, and what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.messages import Heartbeat, Service
from core.roles import Viewer
from dashboard.machine import Machine, measure, size_words
from dashboard.metrics_stores import notification_tally
from dashboard.running import Dashboard
from dashboard.text import say
from dashboard.values import CameraValue

CLOCK_FAULT_MS = 1000
CAPACITY_FACT = "capacity_fps"
FAULT = "fault "  # how the names of facts begin that tell of one
FULL_BROKER = 0.85
SCARCE_DISK_BYTES = 1_000_000_000
SETTLE_MS = 5_000  # until the heartbeats of all services can tell of a new configuration
NEEDED = (Service.INGEST, Service.WORKER, Service.ALERTS)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, as a sentence that says what to do."""

    severity: str  # critical | warning | unknown: shown like the levels
    sentence: str


@dataclass(frozen=True)
class Findings:
    """What the System page is made of, asked for once.

    Attributes:
        cameras: those that the viewer may see.
        notifications: of `dashboard.metrics_stores.notification_tally`.
    """

    viewer: Viewer
    now: int  # ms UTC
    heartbeats: list[Heartbeat]
    cameras: list[CameraValue]
    machine: Machine
    notifications: dict[str, int]


def look(dashboard: Dashboard, viewer: Viewer) -> Findings:
    """How everything is now."""
    values = dashboard.values
    return Findings(
        viewer,
        values.now_ms(),
        dashboard.live.heartbeats(),
        [value for value in values.cameras() if viewer.may_see(value.id)],
        measure(dashboard),
        notification_tally(dashboard),
    )


def find_problems(dashboard: Dashboard, findings: Findings) -> list[Problem]:
    """Everything that is wrong with what the viewer may see, the worst first."""
    heartbeats = findings.heartbeats
    found = []
    if not dashboard.live.broker_ok:
        found.append(Problem("critical", say("problem.broker")))
    else:
        found += service_problems(heartbeats)
    if not dashboard.values.history_ok:
        found.append(Problem("critical", say("problem.history")))
    found += camera_problems(findings.cameras)
    found += capacity_problems(heartbeats, dashboard.site.frames_per_second)
    found += machine_problems(findings.machine)
    failing = findings.notifications.get("failing", 0)
    if failing:
        found.append(Problem("warning", say("problem.notifications", n=failing)))
    found += fault_problems(heartbeats, findings.viewer)
    since = dashboard.taken_over_at
    return found + process_problems(heartbeats, dashboard.loaded.version, since)


def machine_problems(machine: Machine) -> list[Problem]:
    """A broker or a disk that is nearly full."""
    found = []
    share = machine.broker_share
    if share is not None and share >= FULL_BROKER:
        words = {"share": f"{100 * share:.0f}"}
        found.append(Problem("critical", say("problem.broker_memory", **words)))
    if machine.disk_free is not None and machine.disk_free < SCARCE_DISK_BYTES:
        free = size_words(machine.disk_free)
        found.append(Problem("warning", say("problem.disk", free=free)))
    return found


def fault_problems(heartbeats: Sequence[Heartbeat], viewer: Viewer) -> list[Problem]:
    """What processes say is wrong: facts ``fault WHERE``, empty once it is well again."""
    found = []
    for heartbeat in heartbeats:
        for name, fault in sorted(heartbeat.facts.items()):
            place = name.removeprefix(FAULT)
            if place == name or not fault or not viewer.may_see(place.split("/")[0]):
                continue
            process = f"{heartbeat.service.value} {place}"
            found.append(Problem("warning", say("problem.fault", process=process, fault=fault)))
    return found


def service_problems(heartbeats: Sequence[Heartbeat]) -> list[Problem]:
    """Services of which no process is alive."""
    alive = {heartbeat.service for heartbeat in heartbeats}
    return [
        Problem(
            "critical",
            say(
                "problem.no_service",
                service=service.value,
                consequence=say(f"problem.{service.value}"),
                command=service.value,
            ),
        )
        for service in NEEDED
        if service not in alive
    ]


def camera_problems(cameras: Sequence[CameraValue]) -> list[Problem]:
    """Cameras that are unknown; not those that only lack a service, which is said once."""
    told = {"no ingest", "no worker", "no broker"}
    return [
        Problem(
            "unknown",
            say(
                "problem.camera",
                camera=camera.name,
                reason=reason_words(camera.reason),
                detail=camera.detail,
            ).strip(),
        )
        for camera in cameras
        if camera.status != "ok" and camera.reason not in told
    ]


def reason_words(reason: str | None) -> str:
    """The words for a reason, to stand inside a sentence."""
    words = say(f"reason.{reason or 'null'}")
    return words[0].lower() + words[1:]


def capacity_fps(heartbeats: Sequence[Heartbeat]) -> float | None:
    """Frames per second that all workers count together, as they measured it; None before."""
    total, known = 0.0, False
    for heartbeat in heartbeats:
        if heartbeat.service is not Service.WORKER:
            continue
        try:
            value = float(heartbeat.facts.get(CAPACITY_FACT, ""))
        except ValueError:
            continue
        if math.isfinite(value):
            total, known = total + value, True
    return total if known else None


def capacity_problems(heartbeats: Sequence[Heartbeat], asked: float) -> list[Problem]:
    can = capacity_fps(heartbeats)
    if can is None or can >= asked:
        return []
    return [Problem("warning", say("problem.capacity", can=f"{can:.1f}", asked=f"{asked:.1f}"))]


def capacity_sentence(heartbeats: Sequence[Heartbeat], asked: float) -> str:
    """What this machine counts beside what the site asks for."""
    can = capacity_fps(heartbeats)
    if can is None:
        return say("system.capacity_unknown", asked=f"{asked:.1f}")
    return say("system.capacity_sentence", can=f"{can:.1f}", asked=f"{asked:.1f}")


def is_behind(heartbeat: Heartbeat, version: str, since: int) -> bool:
    """Whether a process runs another configuration, though it has had the time to follow.

    Args:
        version: that the dashboard runs.
        since: when it took that over, ms UTC.
    """
    return heartbeat.config_version != version and heartbeat.at > since + SETTLE_MS


def process_problems(heartbeats: Sequence[Heartbeat], version: str, since: int) -> list[Problem]:
    """Processes whose clock or configuration is not the site's; arguments as of `is_behind`."""
    found = []
    for heartbeat in heartbeats:
        process = f"{heartbeat.service.value} {heartbeat.id}"
        if abs(heartbeat.clock_offset_ms) > CLOCK_FAULT_MS:
            seconds = f"{heartbeat.clock_offset_ms / 1000:.1f}"
            found.append(Problem("warning", say("problem.clock", process=process, seconds=seconds)))
        if is_behind(heartbeat, version, since):
            words = {"process": process, "running": heartbeat.config_version, "mine": version}
            found.append(Problem("warning", say("problem.config", **words)))
    return found
