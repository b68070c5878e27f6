"""``headcount init``: probe cameras and write a commented site file for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import yaml

from core.camera_id import suggested_id
from core.redaction import redact
from core.settings import CameraSettings
from headcount.failures import InputError, fail, say
from ingest.probe import ProbeResult, probe
from ingest.source import SourceError

Transport: TypeAlias = Literal["tcp", "udp"]
PROBES_AT_ONCE = 4

HEAD = """\
# Site file of Headcount. Check it with `headcount check`, start it with `headcount run`.
# Every key is explained in docs/site-file.md; only `cameras` is needed.

site:
  name: My site            # shown on the screen and in notifications
  timezone: UTC            # IANA name, such as Asia/Seoul or Europe/Berlin

# broker: {url: "redis://localhost:6379/0"}    # without it Headcount starts one
# history: {url: "sqlite:///history.db"}       # beside this file

cameras:
"""

ZONES = """\
    # zones:                                     # without zones: one, `all`, the whole picture
    #   - id: platform
    #     polygon: [[0.1, 0.4], [0.9, 0.4], [0.95, 0.95], [0.05, 0.95]]    # round the feet
    #     levels: {unit: persons, watch: 20, warning: 30, critical: 40}
    #     # With four points of the ground and their places in metres, levels are persons/m2:
    #     # ground:
    #     #   picture: [[0.2, 0.5], [0.8, 0.5], [0.95, 0.95], [0.05, 0.95]]
    #     #   metres: [[0, 0], [12, 0], [12, 8], [0, 8]]
"""

TAIL = """
# alerts:
#   channels:
#     - {name: control-room, url: "json://127.0.0.1:9000/hook", min_level: warning}

dashboard: {host: 127.0.0.1, port: 8501}

privacy:
  pictures: full           # full, blurred or none: what of a picture leaves the worker
"""


@dataclass(frozen=True)
class Probed:
    """A source and what came of trying it."""

    source: str
    result: ProbeResult | None
    failure: str = ""


def site_text(cameras: Sequence[Probed], transport: Transport) -> str:
    """The commented site file. Cameras that did not answer are in it, with the reason above."""
    taken: list[str] = []
    blocks = []
    for camera in cameras:
        taken.append(suggested_id(camera.source, taken))
        blocks.append(_camera_text(camera, taken[-1], transport))
    return HEAD + "\n".join(blocks) + ZONES + TAIL


def _camera_text(camera: Probed, name: str, transport: Transport) -> str:
    lines = []
    if camera.result is None:
        lines.append(f"  # Did not answer when this file was written: {camera.failure}")
    else:
        result = camera.result
        lines.append(f"  # {result.codec}, {result.width} x {result.height}, {result.fps:g} fps")
    if redact(camera.source) != camera.source:
        variable = f"{re.sub('[^A-Z0-9]', '_', name.upper())}_PASSWORD"
        lines.append(
            f"  # To keep the password out of this file write ${{{variable}}} in its place and set "
            "that variable."
        )
    lines += [f"  - id: {_scalar(name)}", f"    source: {_scalar(_absolute(camera.source))}"]
    if camera.source.startswith(("rtsp://", "rtsps://")):
        lines.append(f"    transport: {transport}")
    lines.append("    fps: 1                 # frames counted a second")
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """The text as a double-quoted YAML scalar, in which nothing is expanded."""
    return yaml.dump(text.replace("${", "$${"), default_style='"', width=10_000).strip()


def _absolute(source: str) -> str:
    """A file's path made absolute, since the site file may be saved elsewhere."""
    if "://" in source or source.isdecimal():
        return source
    return str(Path(source).resolve())


def _try(source: str, transport: Transport, timeout_s: float) -> Probed:
    try:
        return Probed(source, probe(source, transport=transport, timeout_s=timeout_s))
    except SourceError as error:
        return Probed(source, None, " ".join(redact(str(error)).split()))


def print_site_file(sources: Sequence[str], *, transport: Transport, timeout_s: float) -> None:
    """Probe the sources and print the site file on stdout; exit 1 only if none answers.

    Raises:
        InputError: a source is none that a site file may name.
    """
    for source in sources:
        try:
            CameraSettings(id="camera", source=source)
        except ValueError as error:
            reason = str(error).splitlines()[2].split("[type=")[0].strip()
            raise InputError(f"{redact(source)}: {reason.removeprefix('Value error, ')}") from None
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        cameras = list(pool.map(lambda source: _try(source, transport, timeout_s), sources))
    print(site_text(cameras, transport), end="")
    for camera in cameras:
        if camera.result is None:
            say(f"{redact(camera.source)}: {camera.failure}")
    if all(camera.result is None for camera in cameras):
        fail("None of the cameras answered; the file was written all the same.")
