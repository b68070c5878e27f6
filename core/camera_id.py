"""Ids for cameras that have none yet."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit


def suggested_id(source: str, taken: Collection[str]) -> str:
    """A short unique id made from a source's host or file name.

    >>> suggested_id("rtsp://gate.local/live", ["gate-local"])
    'gate-local-2'
    """
    if "://" in source:
        stem = urlsplit(source).hostname or "camera"
        if stem[0].isdigit():
            stem = f"camera-{stem}"
    elif source.isdecimal():
        stem = f"webcam-{source}"
    else:
        stem = Path(source).stem
    stem = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:50].strip("-") or "camera"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name
