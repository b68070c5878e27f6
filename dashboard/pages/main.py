"""The frame of all pages: title, navigation, our stylesheet."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import streamlit as st

from dashboard import component
from dashboard.markup import style
from dashboard.running import running
from dashboard.text import say
from dashboard.viewer import current_viewer

st.set_page_config(
    page_title=f"{running().site.site.name} · Headcount",
    page_icon=Path(__file__).with_name("icon.svg"),
    layout="wide",
    initial_sidebar_state="collapsed",
    menu_items={"About": say("about", version=version("headcount"))},
)
st.html(style())
component.frame(running())
pages = [
    st.Page("wall.py", title=say("page.wall"), icon=":material/grid_view:", default=True),
    st.Page("camera.py", title=say("page.camera"), icon=":material/videocam:"),
    st.Page("incidents.py", title=say("page.incidents"), icon=":material/warning:"),
    st.Page("system.py", title=say("page.system"), icon=":material/monitor_heart:"),
    st.Page("model.py", title=say("page.model"), icon=":material/analytics:"),
]
if current_viewer().may_configure:
    pages.append(st.Page("setup.py", title=say("page.setup"), icon=":material/tune:"))
st.navigation(pages, position="top").run()
