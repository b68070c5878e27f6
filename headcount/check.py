"""``headcount check``: is the site file right, and can this machine do what it asks?"""

from __future__ import annotations

from pathlib import Path

from core.settings import Site
from dashboard.calibration import calibration_faults
from headcount.failures import InputError, say
from headcount.site_loading import load
from headcount.weights import require_weights


def capacity_sentence(site: Site) -> tuple[str, bool]:
    """What this machine counts beside what the site asks for, and whether that is enough."""
    from inference.capacity import fitted_capacity
    from models.counter import Counter

    counter = Counter.load(site.model.name, device=site.model.device)
    capacity = fitted_capacity(counter, site.model, site.frames_per_second)
    text = (
        f"This machine counts {capacity.capacity_fps:.1f} frames/s with max_side "
        f"{capacity.max_side}; the site asks for {site.frames_per_second:g}."
    )
    return text, capacity.capacity_fps >= site.frames_per_second


def require_usable(path: Path, site: Site) -> None:
    """What a valid file can still have wrong.

    Raises:
        InputError: a calibration cannot be used.
        WeightsMissingError: the model's weights are not there.
    """
    require_weights(site.model.name)
    faults = calibration_faults(site)
    if faults:
        raise InputError("\n".join(f"{path}: {fault}" for fault in faults))


def check_site(path: Path, *, measure: bool) -> None:
    """Print what is right; raise what is wrong.

    Raises:
        SiteFileError: the file has problems, each with file, line, path and what is allowed.
        InputError: a calibration cannot be used.
        WeightsMissingError: the model's weights are not there.
    """
    site = load(path, check_files=True).site
    require_usable(path, site)
    zones = sum(len(camera.zones) for camera in site.cameras)
    channels = len(site.alerts.channels)
    print(
        f"{path}: fine. {_plural(len(site.cameras), 'camera')}, {_plural(zones, 'zone')}, "
        f"{_plural(channels, 'notification channel')}."
    )
    if measure:
        sentence, enough = capacity_sentence(site)
        print(sentence)
        if not enough:
            say("Warning: that is too few; lower fps or model.steps, or add workers.")


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
