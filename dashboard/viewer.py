"""Who is looking: for pages `current_viewer`, for routes `viewer_of`."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from core.roles import LOCAL, Viewer

__all__ = ["LOCAL", "Viewer", "current_viewer", "viewer_of"]


def current_viewer() -> Viewer:
    """Who looks at the page that is being run; asked again on every rerun."""
    return LOCAL


def viewer_of(connection: HTTPConnection) -> Viewer:
    """Who sent a request; `dashboard.access` has let it through."""
    viewer: Viewer = connection.scope.get("viewer", LOCAL)
    return viewer
