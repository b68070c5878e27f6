"""The recipe of a training: a YAML of ``configs/training``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from core.sections import Section
from core.site_file import load_section

STRIDE = 32  # whole pictures are padded to it as well

Share = Annotated[float, Field(ge=0, le=1)]


class TrainingRecipe(Section):
    """What crops are cut from, how large, how many a step, and in what condition."""

    batch: Annotated[int, Field(ge=1)]
    crop: Annotated[int, Field(ge=STRIDE)]  # side in pixels
    shares: dict[str, Annotated[float, Field(gt=0)]]  # of the crops, by data set
    native: Share = 0.0  # of the crops, cut pixel for pixel
    damaged: Share = 1.0  # of the crops, damaged as streams are
    blanked: Share = 0.0  # of the crops, with a part that has no picture
    cut_above_heads: tuple[str, ...] = ()  # data sets whose far people nobody annotated
    # Pictures that are left out, by data set.
    incomplete: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.crop % STRIDE:
            raise ValueError(f"crop must be a multiple of {STRIDE} pixels")
        if not self.shares:
            raise ValueError("shares must name at least one data set")
        for key in ("cut_above_heads", "incomplete"):
            if unknown := set(getattr(self, key)) - set(self.shares):
                raise ValueError(f"{key} names {min(unknown)}, which has no share")
        return self

    def changed(self, **changes: Any) -> Self:
        """The recipe with other values; None leaves one as it is."""
        known = {key: value for key, value in changes.items() if value is not None}
        return self.model_copy(update=known)


def recipe_of(config: Path) -> TrainingRecipe:
    """The recipe in a YAML file.

    Raises:
        core.site_file.SiteFileError: with everything that is wrong.
    """
    return load_section(config, TrainingRecipe)
