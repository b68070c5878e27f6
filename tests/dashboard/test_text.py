"""The catalogue of words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dashboard
from core.messages import Reason
from dashboard.text import ENGLISH, live_text, say

FOLDER = Path(dashboard.__file__).parent


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    assert say(f"reason.{reason.value}")


def test_every_word_that_the_browser_asks_for_is_sent() -> None:
    asked = set()
    for script in (FOLDER / "live").glob("*.js"):
        asked |= set(re.findall(r'say\([\w.]*text, "([^"]+)"', script.read_text()))

    assert asked
    assert asked <= set(live_text())


def test_every_word_that_the_pages_ask_for_exists() -> None:
    asked = set()
    for script in FOLDER.rglob("*.py"):
        asked |= set(re.findall(r'\bsay\("([^"]+)"', script.read_text()))

    assert asked
    assert asked <= set(ENGLISH)
