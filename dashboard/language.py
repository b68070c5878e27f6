"""Which language a viewer reads: the one chosen in this browser, else the site's."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.running import site_language

LANGUAGES = {"en": "English", "ko": "한국어"}
COOKIE = "headcount_language"  # set by the browser's own script (live/frame.js)


def chosen_language(cookies: Mapping[str, str]) -> str:
    """The language in these cookies, or the site's.

    >>> chosen_language({"headcount_language": "ko"})
    'ko'
    """
    chosen = cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else site_language()


def viewer_language() -> str:
    """The language of whoever looks at the page that is being made; outside a page the site's."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return site_language()
    return chosen_language(st.context.cookies)
