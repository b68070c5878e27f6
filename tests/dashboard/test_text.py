"""The catalogue of words: complete in every language, and complete for whoever asks."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import dashboard
from core.messages import CameraState, Reason
from dashboard.language import LANGUAGES, chosen_language
from dashboard.text import LIVE_PREFIXES, LIVE_WORDS, catalogue, live_text, say

FOLDER = Path(dashboard.__file__).parent
CALL = re.compile(r'\bsay\((?:[\w.]*text, )?"([^"{]+)"')


def placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}


def test_every_key_has_words_in_every_language_with_the_same_placeholders() -> None:
    for key, words in catalogue().items():
        assert set(words) == set(LANGUAGES), key
        assert all(isinstance(each, str) and each.strip() for each in words.values()), key
        assert len({frozenset(placeholders(each)) for each in words.values()}) == 1, key


def test_korean_words_are_korean() -> None:
    """Left in English are only names and what has no words at all."""
    same = {key for key, words in catalogue().items() if words["en"] == words["ko"]}
    assert same <= {"page.setup"} or all(not re.search("[a-z]{4}", say(key)) for key in same)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    assert say(f"reason.{reason.value}")


@pytest.mark.parametrize("state", list(CameraState))
def test_every_state_has_words(state: CameraState) -> None:
    assert say(f"system.state.{state.value}")


def test_every_word_that_the_browser_asks_for_is_sent() -> None:
    asked = set()
    for script in (FOLDER / "live").glob("*.js"):
        asked |= set(CALL.findall(script.read_text("utf-8")))

    assert asked
    assert asked <= set(live_text())


def test_every_word_that_the_zone_editor_asks_for_is_sent() -> None:
    asked = set()
    for script in (FOLDER / "draw").glob("*.js"):
        text = script.read_text("utf-8")
        asked |= set(re.findall(r'"(setup\.draw\.\w+)"', text))
        asked |= {f"setup.draw.{key}" for key in re.findall(r'\b(?:this\.say|w)\("(\w+)"', text)}

    assert len(asked) > 20
    assert asked <= set(catalogue())


def test_every_word_that_the_pages_ask_for_exists() -> None:
    asked = set()
    for script in FOLDER.rglob("*.py"):
        asked |= set(CALL.findall(script.read_text("utf-8")))

    assert asked
    assert asked <= set(catalogue())


def test_the_browser_gets_only_what_it_needs() -> None:
    sent = live_text()
    assert all(key.startswith(LIVE_PREFIXES) or key in LIVE_WORDS for key in sent)
    assert not any(key.startswith("problem.") for key in sent)


def test_the_language_is_the_viewers_choice_or_the_sites() -> None:
    assert chosen_language({"headcount_language": "ko"}) == "ko"
    assert chosen_language({"headcount_language": "xx"}) == "en"
    assert chosen_language({}) == "en"
    assert say("level.critical", "ko") == "심각"


def test_no_words_are_left_that_nobody_asks_for() -> None:
    """A key is asked for by its name, or by a name that is put together (``level.${level}``)."""
    scripts = [path for path in FOLDER.rglob("*") if path.suffix in (".py", ".js")]
    source = "".join(path.read_text("utf-8") for path in scripts)
    made = tuple(set(re.findall(r"[\"'`]([a-z_.]+\.)(?:\{|\$\{)", source)))
    asked = set(re.findall(r"[\"'`]([a-z_.0-9 ]+)[\"'`]", source))
    named = {key for key in catalogue() if key in asked or key.startswith(made)}
    assert catalogue().keys() - named - set(LIVE_WORDS) == set()
