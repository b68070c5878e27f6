"""What every section of the site file is made of: its base, durations, identifiers."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "y": 365 * 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdy])")


def parse_duration(value: Any) -> float:
    """Seconds of ``3s``, ``5m``, ``2h``, ``35d``, ``5y`` or a number of seconds.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"{value!r} is no duration; write 3s, 5m, 2h, 35d or 5y")
    return float(match[1]) * _UNITS[match[2]]


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
