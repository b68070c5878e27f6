"""One delivery through Apprise, with a reason when it fails and no secret in that reason."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote

import apprise

from alerts.notices import Notice
from core.logging import redact

# Schemes of Apprise whose services take headers: `+Name=value` in the URL.
SCHEMES_WITH_HEADERS = ("json", "jsons", "xml", "xmls", "form", "forms")
TIMEOUT_S = 20.0
TYPES = {
    "normal": apprise.NotifyType.SUCCESS,
    "watch": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}

# What Apprise logs of a failure comes back as our error, redacted; it is not logged twice.
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").addHandler(logging.NullHandler())


def deliver(url: str, notice: Notice, picture: Path | None = None) -> str | None:
    """Send one notice; returns None when it was accepted, else one sentence without secrets.

    Args:
        url: an Apprise URL; the schemes json, xml and form also get ``Idempotency-Key``.
        notice: its level chooses the mark that services show.
        picture: attached where the service takes attachments.
    """
    service = apprise.Apprise()
    try:
        if not service.add(with_key(url, notice.key)):
            return "the channel's URL is not one that Apprise understands"
        attaches = picture is not None and service[0].attachment_support
        with service.notify(
            title=notice.title,
            body=notice.body,
            notify_type=TYPES[notice.level],
            body_format=apprise.NotifyFormat.TEXT,
            attach=str(picture) if attaches else None,
            timeout=TIMEOUT_S,
        ) as result:
            if result:
                return None
            said = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR")]
    except Exception as error:  # a plugin of Apprise may raise anything
        said = [f"{type(error).__name__}: {error}"]
    return redact(" ".join(said)[:500]) or "the receiver did not accept it"


def with_key(url: str, key: str) -> str:
    """The URL that also sends ``key`` as a header, where the scheme has headers."""
    if url.partition("://")[0].lower() not in SCHEMES_WITH_HEADERS:
        return url
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}+Idempotency-Key={quote(key)}"
