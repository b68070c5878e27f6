"""Every word of the user interface, in one catalogue per language.

Keys that start with one of `LIVE_PREFIXES` are also sent to the browser for the live component.
Placeholders are ``{name}``.
"""

from __future__ import annotations

LIVE_PREFIXES = (
    "age.",
    "camera.",
    "chart.",
    "connection.",
    "level.",
    "overlay.",
    "picture.",
    "range.",
    "reason.",
    "trend.",
    "wall.",
)
LIVE_WORDS = ("people", "per_m2", "zone", "level", "interval")

ENGLISH = {
    "people": "people",
    "per_m2": "people/m²",
    "zone": "Zone",
    "level": "Level",
    "interval": "90 % interval",
    "about": "Headcount {version}: live crowd counting on your own machines.",
    "page.wall": "Wall",
    "page.camera": "Camera",
    "page.incidents": "Incidents",
    "page.system": "System",
    "level.normal": "Normal",
    "level.watch": "Watch",
    "level.warning": "Warning",
    "level.critical": "Critical",
    "level.unknown": "Unknown",
    "level.unrated": "Level unknown",
    "level.none": "Live",
    "age.seconds": "{n} s",
    "age.minutes": "{n} min",
    "age.hours": "{n} h",
    "age.days": "{n} days",
    "age.ago": "{age} ago",
    "age.never": "no reading yet",
    "trend.rising": "↗ rising",
    "trend.steady": "→ steady",
    "trend.falling": "↘ falling",
    "reason.null": "Unknown",
    "reason.starting": "Starting: no frame counted yet",
    "reason.connecting": "Connecting to the camera",
    "reason.offline": "Camera is offline",
    "reason.stalled": "No picture arrives any more",
    "reason.refused": "Camera refuses the connection",
    "reason.timeout": "Camera does not answer",
    "reason.unauthorised": "Camera refuses user or password",
    "reason.not found": "Camera has no such stream",
    "reason.no video": "Source has no video",
    "reason.decode errors": "Video cannot be decoded",
    "reason.frozen": "Picture is frozen",
    "reason.covered": "Camera is covered",
    "reason.moved": "Camera was moved",
    "reason.no worker": "No counting worker is running",
    "reason.overloaded": "Counting is too slow: readings are out of date",
    "reason.no ingest": "Camera service is not running",
    "reason.no broker": "Message broker cannot be reached",
    "reason.ended": "The recording has ended",
    "picture.none": "No picture yet",
    "wall.open": "Open {camera}",
    "wall.spark": "People, last five minutes",
    "wall.more_zones": "and {n} more zones",
    "wall.total": "{n} people on {cameras} of {all} cameras",
    "wall.critical": "{n} critical",
    "wall.warning": "{n} at warning",
    "wall.watch": "{n} at watch",
    "wall.unknown": "{n} unknown",
    "connection.lost": "Connection lost {age} ago. These values are not live; trying again.",
    "connection.no_broker": "The message broker cannot be reached: nothing is live.",
    "overlay.label": "Overlay",
    "overlay.both": "Heads + crowd map",
    "overlay.heads": "Heads",
    "overlay.map": "Crowd map",
    "overlay.zones": "Zones",
    "overlay.plain": "Plain",
    "camera.open_incidents": "Open incidents",
    "camera.no_incidents": "None",
    "camera.incident": "#{id} {zone} since {since}",
    "camera.outage": "Outage",
    "camera.picture_at": "{time}, {age} old",
    "chart.title": "Count over time",
    "chart.label": "Count over time with its interval, thresholds and incidents",
    "chart.range": "Time range",
    "chart.measure": "Measure",
    "chart.gap": "unknown",
    "range.5m": "5 min",
    "range.1h": "1 h",
    "range.24h": "24 h",
    "range.7d": "7 days",
    "range.30d": "30 days",
    "range.1y": "1 year",
    "camera_page.choose": "Camera",
    "camera_page.unknown": "There is no camera “{camera}”. Choose one above.",
    "incidents.open": "Open",
    "incidents.past": "Past",
    "incidents.none_open": "No open incidents.",
    "incidents.none_past": "No incidents in this time.",
    "incidents.span": "Show",
    "incidents.span.1": "last 24 hours",
    "incidents.span.7": "last 7 days",
    "incidents.span.30": "last 30 days",
    "incidents.span.365": "last year",
    "incidents.since": "since {time} ({age})",
    "incidents.lasted": "{start} to {end} ({age})",
    "incidents.peak": "peak {value} {unit}",
    "incidents.note": "Note",
    "incidents.acknowledge": "Acknowledge",
    "incidents.acknowledged": "Acknowledged by {by} at {time}",
    "incidents.not_acknowledged": "Not acknowledged",
    "incidents.already": "Incident {id} was acknowledged by somebody else meanwhile.",
    "incidents.done": "Incident {id} acknowledged.",
    "incidents.kind.camera": "Camera outage",
    "incidents.kind.worker": "Counting outage",
    "incidents.failed": "The history database cannot be read: {error}",
    "system.fine": "Everything is running.",
    "system.services": "Services",
    "system.cameras": "Cameras",
    "system.capacity": "Capacity",
    "system.model": "Model",
    "system.notifications": "Notifications",
    "system.ok": "OK",
    "system.service": "Service",
    "system.process": "Process",
    "system.heartbeat": "Last sign of life",
    "system.uptime": "Running for",
    "system.version": "Version",
    "system.config": "Configuration",
    "system.clock": "Clock",
    "system.camera": "Camera",
    "system.state": "State",
    "system.status": "Status",
    "system.since": "Since",
    "system.frame_age": "Last frame",
    "system.source": "Source",
    "system.frames": "Frames",
    "system.drops": "Dropped",
    "system.reconnects": "Reconnects",
    "system.reading_age": "Last reading",
    "system.capacity_sentence": "This machine counts {can} frames/s, the site asks for {asked}.",
    "system.capacity_unknown": "The site asks for {asked} frames/s; no worker has measured yet "
    "what it can count.",
    "system.sent": "sent",
    "system.waiting": "waiting",
    "system.failing": "failing",
    "system.dropped": "dropped",
    "problem.broker": "The message broker cannot be reached, so nothing is live. Check that Redis "
    "runs and that its address in the site file is right.",
    "problem.history": "The history database cannot be read, so levels and incidents are missing. "
    "Check its disk and its address in the site file.",
    "problem.no_service": "No {service} service is running, so {consequence}. Start it with "
    "“headcount {command} SITE.yaml”, or look at the log of “headcount run”.",
    "problem.ingest": "no camera delivers pictures",
    "problem.worker": "nothing is counted",
    "problem.alerts": "levels, incidents, notifications and history stand still",
    "problem.capacity": "This machine counts {can} frames/s but the site asks for {asked}: "
    "readings are late or dropped. Lower “fps” of some cameras, set a smaller “model.max_side”, "
    "or start another worker.",
    "problem.clock": "The clock of {process} is {seconds} s off the broker's. Set up NTP on its "
    "machine.",
    "problem.config": "{process} runs configuration {running}, this dashboard {mine}. Restart "
    "the services so that all use the same site file.",
    "problem.camera": "{camera} is unknown: {reason}. {detail}",
    "problem.notifications": "{n} notifications could not be delivered and are tried again. "
    "Check the channels with “headcount notify-test SITE.yaml”.",
}

CATALOGUES = {"en": ENGLISH}


def say(key: str, language: str = "en", **values: object) -> str:
    """The words for ``key`` with its placeholders filled.

    Raises:
        KeyError: the catalogue lacks the key or a value is missing.
    """
    return CATALOGUES[language][key].format(**values)


def live_text(language: str = "en") -> dict[str, str]:
    """What the live component needs of the catalogue, placeholders unfilled."""
    return {
        key: words
        for key, words in CATALOGUES[language].items()
        if key.startswith(LIVE_PREFIXES) or key in LIVE_WORDS
    }
