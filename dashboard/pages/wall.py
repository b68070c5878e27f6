"""All cameras, the worst first."""

from __future__ import annotations

import streamlit as st

from dashboard import component
from dashboard.running import running

opened = component.wall(running())
if opened is not None:
    st.switch_page("camera.py", query_params={"camera": opened})
