"""The reference of a site file's keys, made from the settings themselves.

``python -m core.settings_reference > docs/site-file.md`` brings the document up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.schema_words import Allowed, format_duration
from core.settings import Site

_HEADER = ("Key", "Allowed", "Default", "Meaning")
_INTRODUCTION = """\
# The site file

Every key of a site file. Only `cameras` must be there; all else has a default. `headcount check
SITE.yaml` names the line of whatever is wrong.

- The file is strict YAML 1.2: `off`, `yes` and `8:30` are text; keys given twice, tags, anchors and
  merge keys are refused.
- `${NAME}` in a value stands for the environment variable of that name, so that passwords need not
  be in the file; write `$${` for a plain `${`.
- Durations are written `3s`, `5m`, `2h`, `35d` or `5y`; a plain number is seconds.
- Relative paths start at the folder of the file.
- Points of a picture are fractions of its width and height, from the top left corner.

This document is made by `python -m core.settings_reference`; edit its settings instead."""


def reference_markdown() -> str:
    """The whole document: an introduction, then one table per section. Ends with a newline."""
    tables = [_table(path, model) for path, model in _sections("", Site)]
    return "\n\n".join([_INTRODUCTION, *tables]) + "\n"


def _sections(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section with its path, in the order of the file."""
    if path:
        yield path, model
    for name, field in model.model_fields.items():
        inner, is_list = _section_of(field)
        if inner is not None:
            yield from _sections(_join(path, name) + ("[]" if is_list else ""), inner)


def _section_of(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """The model of a field that is a section or a list of sections."""
    kind = Allowed.of(field.annotation, field.metadata).kind
    is_list = get_origin(kind) is list
    if is_list:
        kind = get_args(kind)[0]
    is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
    return (kind if is_section else None), is_list


def _table(path: str, model: type[BaseModel]) -> str:
    rows = [_HEADER, ("---",) * len(_HEADER)]
    rows += [_row(path, name, field) for name, field in model.model_fields.items()]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## `{path}`\n\n{lines}"


def _row(path: str, name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    allowed = Allowed.of(field.annotation, field.metadata)
    section, is_list = _section_of(field)
    key = f"`{_join(path, name)}{'[]' if section and is_list else ''}`"
    if section is not None:
        words = "a list of sections, below" if is_list else "a section, below"
    else:
        words = allowed.words()
    meaning = field.description or ""
    return key, _escaped(words), _default(field, allowed), _escaped(meaning)


def _default(field: FieldInfo, allowed: Allowed) -> str:
    if field.is_required():
        return "**required**"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value == []:
        return "not set"
    if isinstance(value, BaseModel):
        return "as below"
    if allowed.is_duration:
        return f"`{format_duration(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())
