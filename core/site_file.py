"""The one door through which a site file, and any other YAML of ours, is read.

Everything wrong with a file is reported at once, each problem with its line, its path and what is
allowed. No sentence shows a password or the value of an environment variable.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.redaction import redact
from core.section_validation import Kind, validate
from core.settings import Site, resolved
from core.site_checks import check
from core.strict_yaml import Document, Fault, Place, parse

LARGEST_FILE = 1_000_000  # bytes


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file.

    Attributes:
        line: 1 is the first line; also for what concerns the whole file.
        path: place in the file, like ``cameras[0].zones[1].levels.warning``; empty for the whole.
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(
            part for part in (f"{self.file}:{self.line}", self.path, self.message) if part
        )


class SiteFileError(ValueError):
    """A file cannot be used; its text is one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class LoadedSite:
    """A valid site, and the text that it came from.

    Attributes:
        path: the site file, absolute.
        version: first 12 hex digits of the text's sha256.
        text: as written, environment variables unexpanded; may hold passwords.
        written: the site as the file alone says it. ``site`` may differ where a deployment
            overrides it or where a change waits for the next start.
    """

    site: Site
    path: Path
    version: str
    text: str
    written: Site


def load_site(path: Path, *, check_files: bool = False) -> LoadedSite:
    """Reads and validates a site file.

    ``${NAME}`` is expanded from the environment. Relative file sources and a relative SQLite path
    are resolved against the file's folder.

    Args:
        check_files: whether the files that cameras play must exist. Where a site runs, a file that
            is gone is its camera's trouble alone, which ingest reports.

    Raises:
        SiteFileError: with everything that is wrong.
    """
    return site_of_text(read_text(path), path, check_files=check_files)


def site_of_text(text: str, path: Path, *, check_files: bool = False) -> LoadedSite:
    """The site that ``text`` would be as the file ``path``, which need not hold it yet.

    Raises:
        SiteFileError: with everything that is wrong.
    """
    document = parse(text, os.environ)
    _raise_faults(path, document, unreadable=True)
    site, faults = validate(document, Site)
    document.faults += _without_echoes(faults, list(check(document, path.parent, check_files)))
    _raise_faults(path, document)
    assert site is not None
    site = resolved(site, path.parent.resolve())
    return LoadedSite(site, path.resolve(), version_of(text), text, site)


def version_of(text: str) -> str:
    """What a configuration is called: the first 12 hex digits of its text's sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_section(path: Path, kind: type[Kind]) -> Kind:
    """The one section that a YAML file holds, read as strictly as a site file.

    ``${NAME}`` is left alone.

    Raises:
        SiteFileError: with everything that is wrong.
    """
    document = parse(read_text(path))
    _raise_faults(path, document, unreadable=True)
    section, faults = validate(document, kind)
    document.faults += faults
    _raise_faults(path, document)
    assert section is not None
    return section


def format_place(place: Place) -> str:
    """``("cameras", 0, "fps")`` as ``cameras[0].fps``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        SiteFileError: it cannot be read, is too large or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise _unreadable(path, "the file does not exist") from None
    except IsADirectoryError:
        raise _unreadable(path, "this is a folder; a YAML file is expected") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"the file cannot be read: {reason}") from None
    if len(content) > LARGEST_FILE:
        raise _unreadable(path, "the file is larger than 1 MB; this is no site file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "the file is not UTF-8 text", line) from None


def _unreadable(path: Path, message: str, line: int = 1) -> SiteFileError:
    return SiteFileError([Problem(str(path), line, "", message)])


def _without_echoes(validation: list[Fault], checks: list[Fault]) -> list[Fault]:
    """All faults, without what a section repeats of a name used twice inside it."""
    twice = [fault.place for fault in checks if "is used twice" in fault.message]

    def is_echo(fault: Fault) -> bool:
        around = len(fault.place)
        return "is used twice" in fault.message and any(
            place[:around] == fault.place for place in twice
        )

    return [fault for fault in validation if not is_echo(fault)] + checks


def _raise_faults(path: Path, document: Document, *, unreadable: bool = False) -> None:
    """Raises what was found; with ``unreadable`` only where there is nothing to validate."""
    if not document.faults or (unreadable and document.value is not None):
        return
    problems = {
        Problem(
            str(path),
            fault.line or document.line(fault.place),
            format_place(fault.place),
            redact(fault.message),
        )
        for fault in document.faults
    }
    raise SiteFileError(sorted(problems, key=lambda item: (item.line, item.path, item.message)))
