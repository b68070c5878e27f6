"""Who is looking: for pages `current_viewer`, for routes `viewer_of`.

A page asks at each run, so that it shows and does no more than the viewer may at that moment. A
fragment of a page is run again by itself, and asks too.
"""

from __future__ import annotations

import streamlit as st
from starlette.requests import HTTPConnection

from core.roles import Viewer
from dashboard.access import credentials_from
from dashboard.answers import not_found
from dashboard.identity import AccountsAwayError
from dashboard.running import running
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


def require_camera(connection: HTTPConnection, camera: str) -> None:
    """Let only those on who may see a camera; to others it does not exist.

    Raises:
        HTTPException: 404.
    """
    if not viewer_of(connection).may_see(camera):
        raise not_found(f"there is no camera {camera!r}")
