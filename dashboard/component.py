"""The live component: one piece of HTML, CSS and JavaScript that lives on ``/api/v1/events``.

Streamlit mounts it inside the page, without an iframe; after that values and pictures reach the
browser without Streamlit: no rerun, no media store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from core.settings import CameraSettings, Zone
from crowd.ground import Ground
from crowd.pose import GroundError
from crowd.zones import WHOLE_PICTURE
from dashboard.language import LANGUAGES, viewer_language
from dashboard.running import Dashboard
from dashboard.text import LIVE_WORDS, live_text, words_of
from dashboard.trial import MOST_MEGABYTES
from dashboard.viewer import current_viewer

FOLDER = Path(__file__).with_name("live")
# In this order one module: later files use the names of earlier ones.
SCRIPTS = (
    "feed",
    "pictures",
    "words",
    "times",
    "spark",
    "chart",
    "chart_panel",
    "tile",
    "wall",
    "camera",
    "timeline",
    "incident_card",
    "incidents",
    "trial",
    "frame",
    "mount",
)
STYLES = ("palette", "live")


def _joined(names: tuple[str, ...], suffix: str) -> str:
    return "\n".join((FOLDER / f"{name}{suffix}").read_text("utf-8") for name in names)


_mount = st.components.v2.component(
    "headcount_live", js=_joined(SCRIPTS, ".js"), css=_joined(STYLES, ".css")
)


def frame(dashboard: Dashboard) -> None:
    """Show what stands in the header of every page."""
    account = None if dashboard.identities.login_off else current_viewer().name
    data = {
        "view": "frame",
        "text": words_of(viewer_language(), ("frame.",)),
        "language": viewer_language(),
        "languages": LANGUAGES,
        "account": account,
    }
    with st.container(key="headcount-frame"):
        _mount(key="frame", data=data)


def wall(dashboard: Dashboard) -> str | None:
    """Show the wall; returns the id of the camera that was clicked, once."""
    return _show(dashboard, {"view": "wall"}, "wall")


def camera(dashboard: Dashboard, camera_id: str) -> None:
    """Show one camera."""
    _show(dashboard, {"view": "camera", "camera": camera_id}, "camera")


def incidents(dashboard: Dashboard) -> None:
    """Show open and past incidents."""
    rights = {"may_acknowledge": current_viewer().may_acknowledge}
    _show(dashboard, {"view": "incidents", **rights}, "incidents")


def trial() -> None:
    """Show where a viewer's own picture is counted."""
    data = {
        "view": "trial",
        "text": words_of(viewer_language(), ("model.",), LIVE_WORDS),
        "language": viewer_language(),
        "most_mb": MOST_MEGABYTES,
    }
    _mount(key="trial", data=data)


def _show(dashboard: Dashboard, extra: dict[str, Any], key: str) -> str | None:
    result = _mount(
        key=key,
        data={**site_data(dashboard), **extra},
        on_open_change=lambda: None,
        on_config_change=lambda: None,
    )
    opened = result.get("open")
    return opened if isinstance(opened, str) else None


def site_data(dashboard: Dashboard) -> dict[str, Any]:
    """What does not change while the page is open: names, levels, words."""
    site, viewer = dashboard.site, current_viewer()
    return {
        "site": site.site.name,
        "config": dashboard.loaded.version,
        "timezone": site.site.timezone,
        "language": viewer_language(),
        "text": live_text(),
        "cameras": [
            camera_data(dashboard, settings)
            for settings in site.cameras
            if viewer.may_see(settings.id)
        ],
    }


def camera_data(dashboard: Dashboard, settings: CameraSettings) -> dict[str, Any]:
    """A camera's names, zones and thresholds."""
    state = dashboard.live.state(settings.id)
    aspect = state.width / state.height if state and state.width and state.height else None
    return {
        "id": settings.id,
        "name": settings.title,
        "zones": [zone_data(zone, aspect) for zone in settings.zones],
    }


def zone_data(zone: Zone, aspect: float | None) -> dict[str, Any]:
    """What the browser needs of a zone.

    Args:
        aspect: width over height of the camera's picture, where it is known.
    """
    levels = zone.levels
    return {
        "id": zone.id,
        "name": zone.title,
        "outlined": zone.polygon is not None,
        "calibrated": zone.ground is not None,
        "area": zone_area_m2(zone, aspect),
        "unit": levels.unit if levels else None,
        "measure": levels.measure if levels else None,
        "thresholds": levels.thresholds() if levels else {},
    }


def zone_area_m2(zone: Zone, aspect: float | None) -> float | None:
    """The zone's area in m2, or None where it is not calibrated or reaches the horizon."""
    if zone.ground is None or aspect is None:
        return None
    try:
        ground = Ground(
            zone.ground.picture,
            zone.ground.metres,
            aspect,
            zone.ground.head_height,
            zone.ground.camera_height,
        )
        return round(ground.area_m2(zone.polygon or WHOLE_PICTURE), 2)
    except GroundError:
        return None
