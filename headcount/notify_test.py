"""``headcount notify-test``: one test notice to every channel."""

from __future__ import annotations

from pathlib import Path

import typer

from headcount.failures import INPUT_AT_FAULT, InputError, say
from headcount.site_loading import load


def send_test_notices(site_path: Path) -> None:
    """Send a test notice to each channel of the site and say how each went; exit 1 if one failed.

    Raises:
        InputError: the site has no channels.
    """
    loaded = load(site_path)
    if not loaded.site.alerts.receivers:
        raise InputError(
            f"{site_path}: alerts has neither channels nor mqtt, so there is nobody to notify"
        )
    from alerts.notify_test import send_test

    results = send_test(loaded)
    for name, delivered, error in results:
        if delivered:
            print(f"{name}: delivered")
        else:
            say(f"{name}: {error}")
    if not all(delivered for _, delivered, _ in results):
        raise typer.Exit(INPUT_AT_FAULT)
