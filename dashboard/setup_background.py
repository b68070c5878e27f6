"""On the set-up page of a camera whose pictures are not shown: its still background."""

from __future__ import annotations

import streamlit as st

from core.settings import CameraSettings
from dashboard.backgrounds import remove_background, take_background
from dashboard.running import Dashboard
from dashboard.stills import StillError
from dashboard.text import say
from dashboard.viewer import current_viewer


def show_background(dashboard: Dashboard, camera: CameraSettings) -> None:
    """The warning, and the buttons to take the background or delete it."""
    if dashboard.site.pictures_of(camera) != "none":
        return
    taken = dashboard.overlays.stills.jpeg(camera.id) is not None
    st.subheader(say("background.title"), anchor=False)
    st.warning(say("background.warning"))
    st.markdown(say("background.taken" if taken else "background.none"))
    agreed = st.checkbox(say("background.agree"), key=f"background-agreed-{camera.id}")
    columns = st.columns(2)
    if columns[0].button(say("background.take"), disabled=not agreed, width="stretch"):
        try:
            take_background(dashboard, camera, current_viewer())
        except StillError as error:
            st.error(say("background.failed", error=str(error)))
            return
        st.rerun()
    if columns[1].button(say("background.delete"), disabled=not taken, width="stretch"):
        remove_background(dashboard, camera, current_viewer())
        st.rerun()
