"""A site file's text without its secrets, as it is kept in the history, and back again.

Only the values that hold a secret are replaced; all else stays as it was written, comments and
layout included. A reference such as ``${CAMERA_PASSWORD}`` is no secret and stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from core.redaction import HIDDEN, names_a_secret, redact

Place = tuple[
    str, ...
]  # keys, and the id or name of a list's item: ("cameras", "gate-1", "source")

_COMMENT = re.compile(r"(?m)(?<=[ \t])#.*$|^#.*$")
# Where a variable stands in for the secret, nothing has to be hidden.
_USER_AND_VARIABLE = re.compile(r"(?<=://)[^\s/?#@:]*(:\$\{\w+\})?@")
_VARIABLE_PARAMETER = re.compile(r"=\$\{\w+\}")
_VARIABLE_PATH = re.compile(r"[a-z][a-z0-9+.-]*://(?:\$\{\w+\}|[/:@?&=])*", re.IGNORECASE)


class SecretUnknownError(ValueError):
    """An older text cannot be completed; the message is one sentence."""


@dataclass(frozen=True)
class _Scalar:
    place: Place
    value: str
    start: int
    end: int


def without_secrets(text: str) -> str:
    """A valid site file's text with ``***`` in place of each secret."""
    found = [
        (scalar.start, scalar.end, _hidden(scalar))
        for scalar in _scalars(text)
        if _hidden(scalar) != scalar.value
    ]
    for start, end, value in reversed(found):
        text = text[:start] + json.dumps(value, ensure_ascii=False) + text[end:]
    return _COMMENT.sub(lambda comment: redact(comment[0]), text)


def with_secrets(text: str, current: str) -> str:
    """``text``, which `without_secrets` made, with the secrets that ``current`` has for it.

    Raises:
        SecretUnknownError: ``current`` has none for one of the values.
    """
    known = {(scalar.place, _hidden(scalar)): scalar.value for scalar in _scalars(current)}
    missing = []
    for scalar in reversed(list(_scalars(text))):
        if HIDDEN not in scalar.value:
            continue
        value = known.get((scalar.place, scalar.value))
        if value is None:
            missing.append(" / ".join(scalar.place))
            continue
        quoted = json.dumps(value, ensure_ascii=False)
        text = text[: scalar.start] + quoted + text[scalar.end :]
    if missing:
        raise SecretUnknownError(
            "passwords are not kept in the history, and the site file has none for "
            f"{', '.join(reversed(missing))}: add what is missing to the file by hand"
        )
    return text


def _hidden(scalar: _Scalar) -> str:
    """The value with what is secret in it hidden."""
    value = scalar.value
    if "${" in value:
        if names_a_secret(scalar.place[-1]) or _VARIABLE_PATH.fullmatch(value):
            return value
        plain = _VARIABLE_PARAMETER.sub("", _USER_AND_VARIABLE.sub("", value))
        return value if redact(plain) == plain else redact(value)
    return HIDDEN if value and names_a_secret(scalar.place[-1]) else redact(value)


def _scalars(text: str) -> Iterator[_Scalar]:
    """Every text and number of a document, in its order."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        yield from _inside(root, ())


def _inside(node: yaml.Node, place: Place) -> Iterator[_Scalar]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _inside(value, (*place, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _inside(item, (*place, _name(item) or str(index)))
    elif isinstance(node, yaml.ScalarNode) and place:
        yield _Scalar(place, str(node.value), node.start_mark.index, node.end_mark.index)


def _name(item: yaml.Node) -> str | None:
    """The id or name of a list's item."""
    if not isinstance(item, yaml.MappingNode):
        return None
    names = {str(key.value): str(value.value) for key, value in item.value}
    return names.get("id") or names.get("name")
