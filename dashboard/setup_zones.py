"""Zones as the set-up page edits them: plain values for the browser, and what the server finds.

A draft of a zone has the keys of the site file, with everything that a default fills in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from core.settings import CameraSettings, Ground, Zone
from core.site_edit import SiteDraft
from dashboard.calibration import USUAL_ASPECTS, check_ground
from dashboard.running import Dashboard
from dashboard.setup import camera_place, edited_text, problems_of
from dashboard.setup_replay import replay

LEVEL_KEYS = (
    "unit",
    "measure",
    "watch",
    "warning",
    "critical",
    "raise_after",
    "clear_after",
    "clear_margin",
)
GROUND_KEYS = ("picture", "metres", "head_height", "camera_height")

ZoneDraft = Mapping[str, Any]


def drafts(camera: CameraSettings) -> list[dict[str, Any]]:
    """A camera's zones for the browser."""
    return [_draft(zone) for zone in camera.zones]


def _draft(zone: Zone) -> dict[str, Any]:
    plain = zone.model_dump(mode="json")
    ground, levels = plain["ground"], plain["levels"]
    return {
        "id": zone.id,
        "name": zone.name,
        "polygon": plain["polygon"],
        "ground": ground and {key: ground[key] for key in GROUND_KEYS},
        "levels": levels and {key: levels[key] for key in LEVEL_KEYS},
    }


def write_zones(draft: SiteDraft, camera: CameraSettings, zones: Sequence[ZoneDraft]) -> None:
    """Make these the camera's zones; what a zone has by default already is not written.

    Raises:
        KeyError: the file has no such camera.
    """
    known = {zone["id"]: zone for zone in drafts(camera)}
    values = []
    for zone in zones:
        before = known.get(zone["id"])
        changed = {key: value for key, value in zone.items() if _differs(before, key, value)}
        values.append({**changed, "id": zone["id"]})
    draft.set_zones(camera.id, values)


def _differs(before: ZoneDraft | None, key: str, value: Any) -> bool:
    return before is None or before[key] != value


def check(dashboard: Dashboard, camera: CameraSettings, draft: Mapping[str, Any]) -> dict[str, Any]:
    """What the server makes of the zones under edit.

    Args:
        draft: of the browser: ``zones``, the ``selected`` zone's id, the picture's ``aspect``.

    Returns:
        ``problems``, one sentence each, as `headcount check` finds them; ``zones``: for each
        calibrated zone its ``area``, the camera's ``height`` or the ``problem``, and for the
        selected one the ``grid``; and what its levels would have raised (`setup_replay`).
    """
    aspect = aspect_of(dashboard, camera.id) or draft.get("aspect") or USUAL_ASPECTS[0]
    text = edited_text(dashboard.loaded, lambda file: write_zones(file, camera, draft["zones"]))
    place = camera_place(dashboard.loaded, camera.id)
    zones = {
        zone["id"]: _ground(zone, aspect, with_grid=zone["id"] == draft["selected"])
        for zone in draft["zones"]
        if zone["ground"]
    }
    selected = next((zone for zone in draft["zones"] if zone["id"] == draft["selected"]), None)
    area = zones.get(draft["selected"], {}).get("area")
    return {
        "n": draft["n"],
        "problems": problems_of(text, dashboard.loaded.path, place),
        "zones": zones,
        "replay": selected and replay(dashboard, camera, selected, area),
    }


def _ground(zone: ZoneDraft, aspect: float, *, with_grid: bool) -> dict[str, Any]:
    try:
        settings = Ground.model_validate(zone["ground"])
    except ValidationError as error:
        first = error.errors()[0]
        return {"problem": f"{'.'.join(map(str, first['loc']))}: {first['msg']}", "grid": []}
    found = check_ground(settings, zone["polygon"], aspect)
    return {
        "problem": found.problem,
        "area": found.area_m2,
        "height": found.camera_height,
        "spacing": found.spacing,
        "grid": list(found.grid) if with_grid else [],
    }


def aspect_of(dashboard: Dashboard, camera: str) -> float | None:
    """Width over height of a camera's picture, where it is known."""
    state = dashboard.live.state(camera)
    return state.width / state.height if state and state.width and state.height else None
