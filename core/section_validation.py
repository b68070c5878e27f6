"""Turns what pydantic finds wrong with a YAML into sentences for the person who wrote it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from core.schema_words import Allowed
from core.strict_yaml import Document, Fault, Place

_LONGEST_SHOWN = 60
Kind = TypeVar("Kind", bound=BaseModel)


def validate(document: Document, kind: type[Kind]) -> tuple[Kind | None, list[Fault]]:
    """The section of this kind that a document describes, or what is wrong with it."""
    if not isinstance(document.value, dict):
        fields = kind.model_fields
        keys = [name for name in fields if fields[name].is_required()] or [*fields]
        needed = f"a section with the key{'s' if len(keys) > 1 else ''} {', '.join(keys)}"
        found = found_words(document, ())
        return None, [Fault(f"the file must be {needed}; found {found}")]
    try:
        # Strict JSON: a list is a tuple, a whole number is a number, but true is no number.
        return kind.model_validate_json(json.dumps(document.value), strict=True), []
    except ValidationError as error:
        return None, list(_Sentences(document, kind).faults(error))


@dataclass(frozen=True)
class _Sentences:
    """Words for errors in one document, which should be a section of one kind."""

    document: Document
    kind: type[BaseModel]

    def faults(self, error: ValidationError) -> Iterator[Fault]:
        seen: set[Place] = set()
        for details in error.errors(include_url=False):
            fault = self._fault(details)
            # A union gives one error for each of its branches; one sentence covers them.
            is_repeated = fault.place in seen and details["type"] != "extra_forbidden"
            if not is_repeated and not self._touches_broken(fault.place):
                yield fault
            seen.add(fault.place)

    def _touches_broken(self, place: Place) -> bool:
        return any(place[: len(broken)] == broken for broken in self.document.broken if broken)

    def _fault(self, details: ErrorDetails) -> Fault:
        place = details["loc"]
        kind = details["type"]
        if kind == "missing" and isinstance(place[-1], str):
            return Fault(f"is missing; allowed is {self._allowed_words(place)}", place)
        if kind == "extra_forbidden":
            return Fault(self._unknown_key(place), place)
        # A branch of a union, or an item that lacks, has no line of its own.
        while place and place not in self.document.lines:
            place = place[:-1]
        if kind == "value_error":
            return self._custom_fault(place, str(details["ctx"]["error"]))
        allowed = self._allowed_words(place)
        if allowed == "text" and isinstance(_value_at(self.document, place), bool | int | float):
            allowed = "text (put it in quotes)"
        return Fault(f"found {found_words(self.document, place)}; allowed is {allowed}", place)

    def _unknown_key(self, place: Place) -> str:
        section = self._allowed(place[:-1])
        keys = list(section.kind.model_fields) if section else []
        close = difflib.get_close_matches(str(place[-1]), keys, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"unknown key; {hint}allowed are {', '.join(keys)}"

    def _custom_fault(self, place: Place, message: str) -> Fault:
        """A fault that a validator of ours found, at the key that its sentence begins with."""
        if place in self.document.unexpanded:
            # The sentence may quote the value, which is nobody's business.
            found = found_words(self.document, place)
            allowed = self._allowed_words(place)
            allowed = self._description(place) if allowed == "text" else f"allowed is {allowed}"
            return Fault(f"{found} cannot be used; {allowed}", place)
        first_word = tuple(message.partition(" ")[0].split("."))
        if (*place, *first_word) in self.document.lines:
            place = (*place, *first_word)
        return Fault(message, place)

    def _allowed(self, place: Place) -> Allowed | None:
        allowed: Allowed | None = Allowed.of(self.kind)
        for step in place:
            allowed = allowed.inside(step) if allowed else None
        return allowed

    def _allowed_words(self, place: Place) -> str:
        allowed = self._allowed(place)
        return allowed.words() if allowed else "nothing"

    def _description(self, place: Place) -> str:
        section = self._allowed(place[:-1])
        description = section.kind.model_fields[str(place[-1])].description if section else None
        return f"expected: {description}"


def found_words(document: Document, place: Place) -> str:
    """What stands at a place: ``"fast"``, ``true``, ``a list of 2``; never a variable's value."""
    if place in document.unexpanded:
        return f"the value of {document.unexpanded[place]}"
    value = _value_at(document, place)
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _value_at(document: Document, place: Place) -> Any:
    value = document.value
    for step in place:
        value = value[step]
    return value
