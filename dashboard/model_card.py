"""The accuracy report and the card of the shipped weights: documents, read as files."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).parent.parent
CARDS = REPOSITORY / "models" / "weights"
REPORT = REPOSITORY / "docs" / "accuracy.md"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]*\)")


def card(name: str) -> str | None:
    """The model card of the weights ``name`` as HTML, without its title; None without one."""
    path = CARDS / f"{name}.md"
    if not _NAME.fullmatch(name) or not path.is_file():
        return None
    return document(path)


def accuracy(name: str) -> str | None:
    """The accuracy report, where it is about the weights ``name``."""
    if not REPORT.is_file():
        return None
    text = document(REPORT)
    return text if f"<code>{name}</code>" in text else None


def document(path: Path) -> str:
    """A document as HTML for a page: without its title, links into the clone as text.

    >>> _LINK.sub(r"\\1", "see [docs](docs/a.md)")
    'see docs'
    """
    text = re.sub(r"\A# .*\n", "", path.read_text("utf-8"))
    text = re.sub(r"^(#+) ", r"#\1 ", text, flags=re.MULTILINE)
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    page: str = reader.render(_LINK.sub(r"\1", text))
    # What is wider than a phone scrolls by itself, by keyboard too.
    page = page.replace("<table>", '<div class="table" tabindex="0"><table>')
    page = page.replace("<th>", '<th scope="col">').replace("<th></th>", "<td></td>")
    return page.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
