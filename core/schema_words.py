"""Says in plain English what a field of a pydantic model allows.

Error sentences of the site file and the reference table of its keys use the same words.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from core.settings import Identifier, parse_duration

_COUNTS = {2: "pair", 3: "triple"}
_UNITS = (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Allowed:
    """A type with the constraints that pydantic was given for it."""

    kind: Any
    constraints: tuple[Any, ...] = ()

    @classmethod
    def of(cls, annotation: Any, constraints: Iterable[Any] = ()) -> Allowed:
        """Takes `Annotated`, nested `Field`s and a union with None apart."""
        found = list(constraints)
        while True:
            if get_origin(annotation) is Annotated:
                annotation, *more = get_args(annotation)
                found += more
            elif _is_union(annotation) and types.NoneType in get_args(annotation):
                rest = [item for item in get_args(annotation) if item is not types.NoneType]
                annotation = Union[tuple(rest)]  # noqa: UP007 - built at run time
            else:
                break
        flat: list[Any] = []
        for item in found:
            flat += item.metadata if isinstance(item, FieldInfo) else [item]
        return cls(annotation, tuple(flat))

    @property
    def is_duration(self) -> bool:
        return any(
            isinstance(item, BeforeValidator) and item.func is parse_duration
            for item in self.constraints
        )

    def inside(self, step: str | int) -> Allowed | None:
        """What is allowed one step further: at a key of a section, or at an index of a list."""
        if isinstance(self.kind, type) and issubclass(self.kind, BaseModel):
            field = self.kind.model_fields.get(str(step))
            return Allowed.of(field.annotation, field.metadata) if field else None
        items = get_args(self.kind)
        if get_origin(self.kind) is list or (get_origin(self.kind) is tuple and ... in items):
            return Allowed.of(items[0])
        if get_origin(self.kind) is tuple and isinstance(step, int) and step < len(items):
            return Allowed.of(items[step])
        if get_origin(self.kind) is dict:
            return Allowed.of(items[1])
        return None

    def words(self, plural: bool = False) -> str:
        """``a number from 0 to 1``, or in the plural ``numbers from 0 to 1``."""
        if self.is_duration:
            noun = "durations" if plural else "a duration"
            return f"{noun} such as 3s, 5m or 2h{self._bounds(format_duration)}"
        if self.kind is bool:
            return "true or false"
        if self.kind in (int, float):
            whole = "whole " if self.kind is int else ""
            noun = f"{whole}numbers" if plural else f"a {whole}number"
            return noun + self._bounds(lambda value: f"{value:.15g}")
        if self.kind is str:
            if self.constraints and self.constraints == Allowed.of(Identifier).constraints:
                return "names of a-z, 0-9 and -" if plural else "a name of a-z, 0-9 and -"
            return "texts" if plural else "text"
        if get_origin(self.kind) is Literal:
            return either([str(item) for item in get_args(self.kind)])
        if _is_union(self.kind):
            return ", or ".join(Allowed.of(item).words(plural) for item in get_args(self.kind))
        if isinstance(self.kind, type) and issubclass(self.kind, BaseModel):
            noun = "sections" if plural else "a section"
            return f"{noun} with the keys {', '.join(self.kind.model_fields)}"
        return self._sequence_words(plural)

    def _sequence_words(self, plural: bool) -> str:
        items = get_args(self.kind)
        if get_origin(self.kind) is dict:
            noun = "sections" if plural else "a section"
            return f"{noun} of names and {Allowed.of(items[1]).words(plural=True)}"
        if get_origin(self.kind) is tuple and ... not in items:
            noun = _COUNTS.get(len(items), f"group of {len(items)}")
            noun = f"{noun}s" if plural else f"a {noun}"
            return f"{noun} of {Allowed.of(items[0]).words(plural=True)}"
        if get_origin(self.kind) in (list, tuple):
            noun = "lists" if plural else "a list"
            return f"{noun} of {self._count()}{Allowed.of(items[0]).words(plural=True)}"
        return str(self.kind)

    def _count(self) -> str:
        least = next((item.min_length for item in self.constraints if type(item) is MinLen), None)
        most = next((item.max_length for item in self.constraints if type(item) is MaxLen), None)
        if least is not None and least == most:
            return f"{least} "
        if least is not None and most is not None:
            return f"{least} to {most} "
        return f"at least {least} " if least else f"at most {most} " if most else ""

    def _bounds(self, shown: Callable[[float], str]) -> str:
        above, least = max(self._limits(Gt), default=None), max(self._limits(Ge), default=None)
        below, most = min(self._limits(Lt), default=None), min(self._limits(Le), default=None)
        if above is not None and least is not None and above >= least:
            least = None
        if least is not None and most is not None:
            return f" from {shown(least)} to {shown(most)}"
        parts = []
        if least is not None and not (self.is_duration and least == 0):
            parts.append(f"{shown(least)} or more")
        elif least is None and above is not None:
            parts.append(f"above {shown(above)}")
        if most is not None:
            parts.append(f"at most {shown(most)}")
        if below is not None:
            parts.append(f"below {shown(below)}")
        return f", {' and '.join(parts)}" if parts else ""

    def _limits(self, kind: type[Ge | Gt | Le | Lt]) -> list[float]:
        name = kind.__name__.lower()
        return [float(getattr(item, name)) for item in self.constraints if type(item) is kind]


def either(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def format_duration(seconds: float) -> str:
    """The shortest way to write a duration in YAML: ``90`` is ``90s``, ``3600`` is ``1h``."""
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.15g}{unit}"
    return f"{seconds:.15g}s"


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)
