"""Where a model's weights lie, without loading torch."""

from __future__ import annotations

from pathlib import Path

import models
from core.settings import Site
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


def require_weights(site: Site) -> None:
    """Check that the site's weights exist.

    Raises:
        WeightsMissingError: they do not.
    """
    path = weights_path(site.model.name)
    if path.is_file():
        return
    known = ", ".join(known_weights()) or "none"
    raise WeightsMissingError(
        f"model.name {site.model.name!r}: there is no weights file {path} "
        f"(weights that come with Headcount: {known})"
    )
