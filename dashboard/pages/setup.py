"""Set-up without YAML: cameras, their zones and levels, and the versions of the site file."""

from __future__ import annotations

import streamlit as st

from dashboard import setup_cameras, setup_versions
from dashboard.running import running
from dashboard.setup import behind, is_edited_by_hand, load_from_disk
from dashboard.setup_audit import show_audit
from dashboard.setup_background import show_background
from dashboard.setup_messages import attempt, show_messages, tell
from dashboard.text import say
from dashboard.viewer import current_viewer, require_admin

dashboard = running()
require_admin()


def load() -> None:
    """Take over what was edited by hand."""
    with attempt():
        applied = load_from_disk(dashboard, current_viewer())
        tell(say("setup.loaded"), applied)


if is_edited_by_hand(dashboard):
    with st.container(key="edited-by-hand"):
        st.warning(say("setup.by_hand", file=dashboard.loaded.path.name))
        st.button(say("setup.load"), on_click=load)
elif laggards := behind(dashboard):
    with st.container(key="services-behind"):
        st.warning(say("setup.behind", processes=", ".join(laggards)))
        st.button(say("setup.load_again"), on_click=load)
show_messages()

camera = st.query_params.get("camera")
known = {each.id: each for each in dashboard.site.cameras}
if camera is None:
    setup_cameras.show_list(dashboard)
    setup_cameras.show_add(dashboard)
    setup_versions.show(dashboard)
    show_audit(dashboard)
elif camera in known:
    setup_cameras.show_one(dashboard, known[camera])
    show_background(dashboard, known[camera])
else:
    setup_cameras.back()
    st.warning(say("setup.gone", camera=camera))
