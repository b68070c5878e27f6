"""One camera, chosen by the ``camera`` in the page's address."""

from __future__ import annotations

import streamlit as st

from dashboard import component
from dashboard.running import running
from dashboard.text import say
from dashboard.viewer import current_viewer

dashboard = running()
viewer = current_viewer()
names = {camera.id: camera.title for camera in dashboard.site.cameras if viewer.may_see(camera.id)}
asked = st.query_params.get("camera", next(iter(names), None))


def follow() -> None:
    """Put the chosen camera into the page's address, so that it can be shared and reloaded."""
    st.query_params["camera"] = st.session_state["chosen camera"]


st.selectbox(
    say("camera_page.choose"),
    list(names),
    index=list(names).index(asked) if asked in names else None,
    format_func=lambda camera: names[camera],
    key="chosen camera",
    on_change=follow,
    label_visibility="collapsed",
    width=320,
)
if not names:
    st.info(say("camera_page.none"))
elif asked in names:
    component.camera(dashboard, asked)
else:
    st.warning(say("camera_page.unknown", camera=asked))
