"""The strict YAML that Headcount reads: a small, predictable part of YAML 1.2.

Scalars follow YAML 1.2's core schema, so ``off``, ``yes`` and ``8:30`` are text. Keys given twice,
tags, anchors, aliases, merge keys, infinities and a second document are faults, each with its
line. Only plain data comes out: dicts with text keys, lists, text, numbers, booleans and None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Place = tuple[str | int, ...]  # keys and indices that lead to a value: ("cameras", 0, "fps")

_DEEPEST = 32
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What PyYAML says, in words for somebody who wrote the file.
_PLAINER = (
    ("found character '\\t'", "a tab is used for indentation; YAML allows only spaces"),
    (
        "mapping values are not allowed",
        "a ': ' stands where no key can be; check the indentation, or quote the text",
    ),
    ("could not find expected ':'", "a key has no ':' after it, or a quote is missing"),
    ("expected <block end>", "the indentation does not line up with the lines above"),
    ("unexpected end of stream", "a quote or a bracket is never closed"),
    ("expected ',' or", "a bracket is never closed, or a comma is missing"),
    ("cannot start any token", "text that begins with @, %, ` or such must be in quotes"),
    ("nested deeper", f"nested deeper than {_DEEPEST} levels"),
    ("expected a single document", "a second document begins here ('---'); one is allowed"),
)


@dataclass(frozen=True)
class Fault:
    """What is wrong at one place of a file; without a line it is that of the place."""

    message: str
    place: Place = ()
    line: int | None = None


@dataclass
class Document:
    """What a text says, and where it says it."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)  # of the key, or of the list's item
    unexpanded: dict[Place, str] = field(default_factory=dict)  # values with ${ENV}, as written
    broken: set[Place] = field(default_factory=set)  # values that could not be read
    faults: list[Fault] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest section around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def parse(text: str, environment: Mapping[str, str] | None = None) -> Document:
    """Reads one YAML document and collects every fault that can be found in one go.

    Args:
        environment: expands ``${NAME}`` in values (``$${`` is a plain ``${``); None leaves them.
    """
    document = Document()
    loader: _Composer | None = None
    try:
        loader = _Composer(text)
        root = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.faults.append(Fault("a control character is not allowed", line=line))
        return document
    except yaml.MarkedYAMLError as error:
        document.faults.append(_syntax_fault(error))
        return document
    finally:
        if loader is not None:
            document.faults.extend(loader.faults)
            loader.dispose()
    if root is None:
        document.faults.append(Fault("the file is empty", line=1))
        return document
    document.value = _Builder(document, environment).build(root, ())
    return document


def _syntax_fault(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    if "could not find expected ':'" in str(error.problem):
        mark = error.context_mark  # of the key; the problem shows only after it
    said = f"{error.context or ''} {error.problem or ''}".strip()
    plain = next((words for known, words in _PLAINER if known in said), f"not valid YAML: {said}")
    if "never closed" in plain and error.context_mark:
        plain += f" (opened on line {error.context_mark.line + 1})"
    return Fault(plain, line=mark.line + 1 if mark else 1)


class _Composer(yaml.SafeLoader):
    """PyYAML's own parser up to the tree of nodes, refusing what we do not read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.faults: list[Fault] = []
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            self.faults.append(Fault(f"aliases (*{event.anchor}) are not allowed", line=line))
            return yaml.ScalarNode("", "", event.start_mark, event.end_mark)  # type: ignore[arg-type]
        if event.anchor is not None:
            self.faults.append(Fault(f"anchors (&{event.anchor}) are not allowed", line=line))
            event.anchor = None
        if event.tag is not None:
            self.faults.append(Fault(f"tags ({event.tag}) are not allowed", line=line))
            event.tag = None
        if self._depth >= _DEEPEST:
            problem = f"nested deeper than {_DEEPEST} levels"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _Builder:
    """Plain data from the tree of nodes."""

    def __init__(self, document: Document, environment: Mapping[str, str] | None) -> None:
        self._document = document
        self._environment = environment

    def build(self, node: yaml.Node, place: Place) -> Any:
        self._document.lines.setdefault(place, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault("a key must be plain text", place, key_node)
                continue
            key = str(key_node.value)
            inside = (*place, key)
            if key == "<<" and key_node.style is None:
                self._fault("merge keys (<<) are not allowed", place, key_node)
            elif key in result:
                first = self._document.lines[inside]
                message = f"the key is given twice (first on line {first})"
                self._document.faults.append(Fault(message, inside, _line(key_node)))
            else:
                self._document.lines[inside] = _line(key_node)
                result[key] = self.build(value_node, inside)
        return result

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        text = str(node.value)
        if self._environment is not None and "${" in text:
            self._document.unexpanded[place] = text
            text = self._expanded(text, place, node, self._environment)
        if node.style is not None:  # quoted, or a block of text
            return text
        try:
            return _plain_value(text)
        except ValueError as error:
            self._fault(str(error), place, node)
            return None

    def _expanded(
        self, text: str, place: Place, node: yaml.Node, environment: Mapping[str, str]
    ) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if match[0] == "$${":
                return "${"
            if name is None:
                self._fault("'${' is never closed; write $${ for a plain ${", place, node)
            elif not _VARIABLE_NAME.fullmatch(name):
                self._fault(
                    "between ${ and } the name of an environment variable is expected: letters, "
                    "digits and _ (write $${ for a plain ${)",
                    place,
                    node,
                )
            elif name not in environment:
                self._fault(f"the environment variable {name} is not set", place, node)
            else:
                return environment[name]
            return ""

        return _VARIABLE.sub(value, text)

    def _fault(self, message: str, place: Place, node: yaml.Node) -> None:
        self._document.broken.add(place)
        self._document.faults.append(Fault(message, place, _line(node)))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _plain_value(text: str) -> Any:
    """An unquoted scalar's value by YAML 1.2's core schema.

    Raises:
        ValueError: it is infinite, not a number, or too large.
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return bool(_TRUE.fullmatch(text))
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not allowed; a finite number is expected")
    is_whole = _DECIMAL.fullmatch(text) is not None
    if not (is_whole or _FLOAT.fullmatch(text)):
        if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
            return int(text, 0)
        return text
    number = float(text)
    if not math.isfinite(number) or len(text) > 300:
        raise ValueError("the number is too large")
    return int(text) if is_whole else number
