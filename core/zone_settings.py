"""A zone: where it is on the picture and on the ground, and when it is at which level."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.sections import Duration, Identifier, Section
from core.week_settings import LevelHours

LEVEL_NAMES = ("watch", "warning", "critical")
DEFAULT_DENSITY_LEVELS = (3.0, 4.0, 5.0)  # persons/m2: Seoul's crowd CCTV scheme

Fraction = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Fraction, Fraction]
Metres = tuple[float, float]


class Ground(Section):
    """Four points of the picture with their places on the ground: gives persons per m2."""

    picture: Annotated[list[Point], Field(min_length=4, max_length=4)] = Field(
        description="Four points as fractions of width and height, on the ground."
    )
    metres: Annotated[list[Metres], Field(min_length=4, max_length=4)] = Field(
        description="The same four points on the ground, in metres."
    )
    head_height: float = Field(1.6, gt=0, le=2.5, description="Height of heads above ground, m.")
    camera_height: float | None = Field(
        None, gt=0, description="Height of the camera above the ground, m, where it must be given."
    )
    cell_m2: float = Field(
        4.0, gt=0, le=100, description="The densest place is measured over so many square metres."
    )


_NAMES = ", ".join(LEVEL_NAMES)


def _must_rise(given: list[tuple[str, float]], where: str) -> None:
    for (lower, low), (upper, high) in pairwise(given):
        if low >= high:
            raise ValueError(f"{where}{lower} ({low:g}) must be below {upper} ({high:g})")


class Levels(Section):
    """When a zone is at watch, warning or critical."""

    unit: Literal["persons/m2", "persons"] = Field(
        "persons/m2", description="What the levels are measured in."
    )
    measure: Literal["mean", "worst_cell"] = Field(
        "mean", description="People over area, or the densest place of the zone."
    )
    watch: float | None = Field(None, gt=0, description="Level 1.")
    warning: float | None = Field(None, gt=0, description="Level 2.")
    critical: float | None = Field(None, gt=0, description="Level 3.")
    raise_after: Duration = Field(5.0, description="Time above a level until it is raised.")
    clear_after: Duration = Field(30.0, description="Time below it until it is cleared.")
    clear_margin: float | None = Field(
        None,
        ge=0,
        description="How far below counts as below; default 0.5 persons/m2 or 10 % of the level.",
    )
    top_by: Literal["value", "upper"] = Field(
        "value",
        description="The highest level is reached by the value, or already by the upper end of its "
        "90 % interval (a probable breach).",
    )
    approaching: Duration = Field(
        180.0, description="Warn of a level that the trend reaches within this time; 0s never."
    )
    schedule: list[LevelHours] = Field(
        [], description="Other levels at some hours of the week; the first that fits is taken."
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        given = list(self.thresholds().items())
        if not given:
            raise ValueError("at least one of watch, warning and critical is needed")
        if self.measure == "worst_cell" and self.unit == "persons":
            raise ValueError("`measure: worst_cell` is a density: it needs `unit: persons/m2`")
        _must_rise(given, "")
        for index, hours in enumerate(self.schedule):
            if all(getattr(hours, name) is None for name in LEVEL_NAMES):
                raise ValueError(f"schedule[{index}]: give at least one of {_NAMES}")
            _must_rise(list(self.thresholds(hours).items()), f"schedule[{index}]: ")
        return self

    def thresholds(self, hours: LevelHours | None = None) -> dict[str, float]:
        """The levels given, lowest first; at some hours of the week or else."""
        values = {name: getattr(self, name) for name in LEVEL_NAMES}
        if hours is not None:
            values = {name: getattr(hours, name) or value for name, value in values.items()}
        return {name: value for name, value in values.items() if value is not None}

    def margin(self, threshold: float) -> float:
        """How far below ``threshold`` the value must fall to clear it."""
        if self.clear_margin is not None:
            return self.clear_margin
        return 0.5 if self.unit == "persons/m2" else 0.1 * threshold


class Zone(Section):
    id: Identifier = Field(description="a-z, 0-9 and -, unique on its camera.")
    name: str | None = Field(None, description="Shown on the screen; by default the id.")
    polygon: Annotated[list[Point], Field(min_length=3, max_length=64)] | None = Field(
        None, description="Corners as fractions of width and height, round the feet of people."
    )
    ground: Ground | None = Field(None, description="Calibration; without it only counts.")
    levels: Levels | None = Field(None, description="When to alert.")

    @model_validator(mode="after")
    def _levels_fit(self) -> Self:
        if self.levels and self.levels.unit == "persons/m2" and self.ground is None:
            raise ValueError("levels in persons/m2 need `ground`; or write `unit: persons`")
        if self.levels is None and self.ground is not None:
            watch, warning, critical = DEFAULT_DENSITY_LEVELS
            levels = Levels(watch=watch, warning=warning, critical=critical)
            object.__setattr__(self, "levels", levels)
        return self

    @property
    def title(self) -> str:
        return self.name or self.id
