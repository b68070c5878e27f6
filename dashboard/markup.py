"""Small pieces of HTML for the pages; everything that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from dashboard.text import say
from dashboard.theme import PAGES, PALETTE


def style() -> str:
    """The stylesheet of the pages."""
    return f"<style>{PALETTE.read_text('utf-8')}\n{PAGES.read_text('utf-8')}</style>"


def page(body: str, theme: str) -> str:
    """``body`` in the frame that gives it our colours."""
    return f'<div class="headcount" data-theme="{escape(theme)}">{body}</div>'


def chip(level: str, words: str | None = None, *, small: bool = False) -> str:
    """A level as word, colour and shape (the last two come from the stylesheet)."""
    text = escape(say(f"level.{level}") if words is None else words)
    kind = "mini" if small else "chip"
    return f'<span class="{kind}" data-level="{escape(level)}">{text}</span>'


class Cell(str):
    """A table cell that is HTML already."""

    __slots__ = ()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are escaped unless they are `Cell`."""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{cell if isinstance(cell, Cell) else escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def duration(seconds: float) -> str:
    """A duration such as ``3 s``, ``4 min`` or ``2 h``, as the live component writes it."""
    if seconds < 90:
        return say("age.seconds", n=max(0, int(seconds)))
    if seconds < 5400:
        return say("age.minutes", n=round(seconds / 60))
    if seconds < 172800:
        return say("age.hours", n=round(seconds / 3600))
    return say("age.days", n=round(seconds / 86400))


def ago(at_ms: int | None, now_ms: int) -> str:
    if at_ms is None:
        return say("age.never")
    return say("age.ago", age=duration((now_ms - at_ms) / 1000))


def moment(at_ms: int, zone: ZoneInfo) -> str:
    """An instant in the site's zone."""
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%d %b %Y, %H:%M:%S")
