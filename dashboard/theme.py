"""Colours: Streamlit's theme, dark by default, and the stylesheet of our own pages.

Level colours are safe for colour-blind people (blue-grey, yellow, orange, magenta differ in
lightness too), and a level is never told by colour alone: it has a word and a shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

PALETTE = Path(__file__).with_name("live") / "palette.css"
PAGES = Path(__file__).with_name("pages") / "pages.css"

THEME: dict[str, Any] = {
    "theme.base": "dark",
    "theme.baseRadius": "8px",
    "theme.showWidgetBorder": True,
    "theme.dark.primaryColor": "#5aa9e6",
    "theme.dark.backgroundColor": "#0c1117",
    "theme.dark.secondaryBackgroundColor": "#151c25",
    "theme.dark.textColor": "#e8eef5",
    "theme.dark.borderColor": "#2a3542",
    "theme.light.primaryColor": "#1668a8",
    "theme.light.backgroundColor": "#f2f5f8",
    "theme.light.secondaryBackgroundColor": "#ffffff",
    "theme.light.textColor": "#17202b",
    "theme.light.borderColor": "#d3dbe4",
}
