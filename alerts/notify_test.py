"""``headcount notify-test``: one test notice to every channel."""

from __future__ import annotations

from alerts.channels import deliver
from alerts.mqtt_connection import publish_once
from alerts.notices import Happening, notice
from core.clock import local_ms
from core.settings import MQTT_CHANNEL
from core.site_file import LoadedSite


def send_test(loaded: LoadedSite) -> list[tuple[str, bool, str | None]]:
    """Send one test notice to every channel of a site, whatever its level.

    Returns:
        For each channel its name, whether it accepted the notice, and else what went wrong.
    """
    site = loaded.site
    now_ms = local_ms()
    happening = Happening(
        0,
        now_ms,  # so that no receiver takes the next test for a repetition of this one
        "test",
        "normal",
        site.site.name,
        now_ms,
        remark="all is well",
        detail="This is a test; no action is needed.",
    )
    text = notice(happening, site.site.zone, site.site.language)
    results = []
    for channel in site.alerts.receivers:
        if channel.name == MQTT_CHANNEL and site.alerts.mqtt is not None:
            error = publish_once(site.alerts.mqtt, text)
        else:
            error = deliver(channel.url, text)
        results.append((channel.name, error is None, error))
    return results
