"""The component on which zones are drawn: HTML, CSS and JavaScript of ours, without an iframe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.component import FOLDER as LIVE
from dashboard.language import viewer_language
from dashboard.text import say, words_of

DRAW = Path(__file__).with_name("draw")
SCRIPTS = (
    LIVE / "words.js",
    *(DRAW / f"{name}.js" for name in ("points", "fields", "stage", "form", "editor", "mount")),
)
STYLES = (LIVE / "palette.css", DRAW / "draw.css")
PREFIXES = ("setup.draw.", "level.")


def _joined(paths: tuple[Path, ...]) -> str:
    return "\n".join(path.read_text("utf-8") for path in paths)


_mount = st.components.v2.component("headcount_draw", js=_joined(SCRIPTS), css=_joined(STYLES))


def zone_editor(key: str, data: Mapping[str, Any], on_save: Callable[[], None]) -> None:
    """Show the editor; its ``draft`` and what is to be saved lie in the session under ``key``."""
    language = viewer_language()
    _mount(
        key=key,
        data={**data, "text": words_of(language, PREFIXES), "language": language},
        on_draft_change=lambda: None,
        on_save_change=on_save,
    )


def picture_of(camera: str, pictures: str) -> tuple[str | None, str]:
    """The address of a camera's still picture, and what to say while there is none.

    Args:
        pictures: what of its pictures leaves the worker: full, blurred or none.
    """
    if pictures == "none":
        return None, say("setup.no_pictures")
    return f"/live/{camera}.jpg?overlay=none", say("setup.no_picture_yet")
