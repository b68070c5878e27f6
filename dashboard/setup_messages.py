"""What came of a change, told at the top of the set-up page on the run after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from core.redaction import redact
from dashboard.setup import Applied, SetupError
from dashboard.text import say

REFUSALS = (SetupError, SQLAlchemyError)  # why a change may come to nothing
_KEY = "setup messages"


def tell(words: str, applied: Applied) -> None:
    """Something was done; with what it leaves to say."""
    st.session_state[_KEY] = [("success", words)] + [("warning", each) for each in applied.remarks]


def why_refused(error: SetupError | SQLAlchemyError) -> list[str]:
    """One of `REFUSALS` as sentences for whoever asked for the change."""
    if isinstance(error, SQLAlchemyError):
        return [history_away(error)]
    return str(error).splitlines()


def history_away(error: SQLAlchemyError) -> str:
    """What to say where the history database gives no answer."""
    return say("history_away", error=redact(str(error)))


@contextmanager
def attempt() -> Iterator[None]:
    """Tell why the change in the block was refused, where it was."""
    try:
        yield
    except REFUSALS as error:
        st.session_state[_KEY] = [("error", line) for line in why_refused(error)]


def show_messages() -> None:
    """Show what was told since the last run."""
    for kind, words in st.session_state.pop(_KEY, []):
        {"success": st.success, "warning": st.warning, "error": st.error}[kind](words)
