"""Whether the weights that a site names are there, without loading torch."""

from __future__ import annotations

from headcount.failures import InputError
from models.shipped import known_weights, weights_path


class WeightsMissingError(InputError):
    """The site names weights that are not there."""


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
