"""A user's mistake becomes one clear sentence on stderr and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from core.redaction import redact

INPUT_AT_FAULT = 1
DEBUG_VARIABLE = "HEADCOUNT_DEBUG"  # set to 1, tracebacks are shown


class InputError(Exception):
    """What the user gave cannot be used; the text is one clear sentence."""


def say(text: str) -> None:
    """A line for a person, on stderr, with credentials taken out."""
    print(redact(text), file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    """Say what is wrong and exit with 1."""
    say(text)
    raise typer.Exit(INPUT_AT_FAULT)


def _is_input_error(error: Exception) -> bool:
    """Whether one of our rooms says that the input is at fault (its text is one sentence then).

    Known by name, because importing every room's errors would make each command as slow as the
    slowest room.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    known = {
        "AccountError",
        "BrokerError",
        "DataError",
        "HistoryError",
        "InputError",
        "PackError",
        "PasswordError",
        "PictureError",
        "PortTakenError",
        "SiteFileError",
        "SourceError",
        "TrainingError",
        "WeightsError",
    }
    return bool(names & known)


def report(error: Exception) -> int:
    """Say in one sentence what went wrong, and return the exit code; no traceback unless asked for.

    Raises:
        Exception: the error itself, where HEADCOUNT_DEBUG=1.
    """
    if isinstance(error, BrokenPipeError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - nobody reads any more
        return INPUT_AT_FAULT
    if os.environ.get(DEBUG_VARIABLE) == "1":
        raise error
    if _is_input_error(error):
        say(str(error))
        return INPUT_AT_FAULT
    first = next(iter(str(error).strip().splitlines()), "no details")
    say(f"headcount failed: {type(error).__name__}: {first} (set {DEBUG_VARIABLE}=1 to see where)")
    return INPUT_AT_FAULT
