"""``headcount notify-test``: one test notice to every channel."""

from __future__ import annotations

from pathlib import Path

import typer

from headcount.failures import INPUT_AT_FAULT, InputError, say
from headcount.site_loading import load


def send_test_notices(site_path: Path) -> None:
    """Send a test notice to each channel of the site and say how each went.

    Raises:
        InputError: the site has no channels.
    """
    from alerts.delivery import send_test_notice

    site = load(site_path).site
    if not site.alerts.channels:
        raise InputError(f"{site_path}: alerts.channels is empty, so there is nobody to notify")
    failed = 0
    for channel in site.alerts.channels:
        error = send_test_notice(site, channel)
        if error:
            failed += 1
            say(f"{channel.name}: {error}")
        else:
            print(f"{channel.name}: delivered")
    if failed:
        raise typer.Exit(INPUT_AT_FAULT)
