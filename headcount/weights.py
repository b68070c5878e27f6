"""Where a model's weights lie, without loading torch."""

from __future__ import annotations

from pathlib import Path

import models
from headcount.failures import InputError

SUFFIX = ".safetensors"


class WeightsMissingError(InputError):
    """The site names weights that are not there."""


def weights_folder() -> Path:
    """The folder of the weights that come with Headcount."""
    return Path(models.__file__).parent / "weights"


def known_weights() -> list[str]:
    """Names of the weights that come with Headcount."""
    return sorted(path.stem for path in weights_folder().glob(f"*{SUFFIX}"))


def weights_path(name: str) -> Path:
    """The file that ``model.name`` means: a path where it looks like one, else shipped weights."""
    path = Path(name)
    if path.suffix == SUFFIX or len(path.parts) > 1:
        return path
    return weights_folder() / f"{name}{SUFFIX}"


def require_weights(name: str) -> None:
    """Check that the weights that a site names exist.

    Raises:
        WeightsMissingError: they do not.
    """
    path = weights_path(name)
    if path.is_file():
        return
    known = ", ".join(known_weights()) or "none"
    raise WeightsMissingError(
        f"model.name {name!r}: there is no weights file {path} "
        f"(weights that come with Headcount: {known})"
    )
