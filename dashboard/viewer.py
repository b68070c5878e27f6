"""Who is looking: for pages `current_viewer`, for routes `viewer_of`.

A page asks at each run, so that it shows and does no more than the viewer may at that moment. A
fragment of a page is run again by itself, and asks too.
"""

from __future__ import annotations

from contextlib import suppress

import streamlit as st
from sqlalchemy import Connection, select
from starlette.requests import HTTPConnection

from core.history_schema import incidents
from core.roles import Viewer
from core.settings import CameraSettings
from dashboard.access import credentials_from
from dashboard.answers import not_found
from dashboard.identity import AccountsAwayError
from dashboard.running import Dashboard, running
from dashboard.text import say


def current_viewer() -> Viewer:
    """Who looks at the page that is being run; it stops the page where nobody is signed in."""
    credentials = credentials_from(st.context.headers.get("authorization", ""), st.context.cookies)
    try:
        viewer = running().identities.viewer(credentials)
    except AccountsAwayError:
        st.error(say("login.away"))
        st.stop()
    if viewer is None:
        st.warning(say("login.ended"))
        st.stop()
    return viewer


def require_admin() -> None:
    """Run the page, or the fragment of one, on for administrators only; it stops for others."""
    if not current_viewer().may_configure:
        st.warning(say("setup.admins_only"))
        st.stop()


def viewer_of(connection: HTTPConnection) -> Viewer:
    """Who sent a request that `dashboard.access` has let through."""
    viewer: Viewer = connection.scope["viewer"]
    return viewer


def camera_of(connection: HTTPConnection, dashboard: Dashboard, camera: str) -> CameraSettings:
    """The settings of a camera; to those who may not see it, it does not exist.

    Raises:
        HTTPException: 404.
    """
    with suppress(KeyError):
        if viewer_of(connection).may_see(camera):
            return dashboard.site.camera(camera)
    raise not_found(f"there is no camera {camera!r}")


def require_incident(connection: Connection, viewer: Viewer, incident: int) -> None:
    """Let only those on who may see an incident; to others it does not exist.

    Raises:
        HTTPException: 404.
    """
    place = select(incidents.c.camera).where(incidents.c.id == incident)
    camera = connection.execute(place).scalar()  # empty where it is of no camera
    if camera is None or not viewer.may_see(camera):
        raise not_found(f"there is no incident {incident}")
