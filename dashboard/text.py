"""Every word of the user interface, in each language, from one catalogue: ``words/*.yaml``.

A key stands beside its words in every language, so that none is forgotten. Keys that start with one
of `LIVE_PREFIXES` are also sent to the browser for the live component. Placeholders are ``{name}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from dashboard.language import viewer_language

WORDS = Path(__file__).with_name("words")

LIVE_PREFIXES = (
    "age.",
    "camera.",
    "chart.",
    "connection.",
    "frame.",
    "incidents.",
    "level.",
    "model.",
    "overlay.",
    "picture.",
    "range.",
    "reason.",
    "trend.",
    "wall.",
)
LIVE_WORDS = ("people", "per_m2", "per_m2_short", "zone", "level", "interval")


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All words: key to language to words.

    Raises:
        ValueError: a key stands in two files.
    """
    words: dict[str, dict[str, str]] = {}
    for path in sorted(WORDS.glob("*.yaml")):
        entries = yaml.safe_load(path.read_text("utf-8"))
        twice = words.keys() & entries.keys()
        if twice:
            raise ValueError(f"{path}: {sorted(twice)} stand in another file of the catalogue too")
        words.update(entries)
    return words


def say(key: str, language: str | None = None, **values: object) -> str:
    """The words for ``key`` with its placeholders filled.

    Args:
        language: by default the one of whoever looks at the page.

    Raises:
        KeyError: the catalogue lacks the key or a value is missing.
    """
    return catalogue()[key][language or viewer_language()].format(**values)


@cache
def words_of(
    language: str, prefixes: tuple[str, ...], keys: tuple[str, ...] = ()
) -> Mapping[str, str]:
    """The words under these keys, or keys that start so, for the browser: placeholders unfilled."""
    return {
        key: words[language]
        for key, words in catalogue().items()
        if key.startswith(prefixes) or key in keys
    }


def live_text() -> Mapping[str, str]:
    """What the live component needs of the catalogue."""
    return words_of(viewer_language(), LIVE_PREFIXES, LIVE_WORDS)
