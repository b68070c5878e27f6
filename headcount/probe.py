"""``headcount probe``: try one source and say what it gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeAlias

from core.redaction import redact
from ingest.probe import probe

Transport: TypeAlias = Literal["tcp", "udp"]


def probe_source(
    source: str, *, transport: Transport, timeout_s: float, snapshot: Path, as_json: bool
) -> None:
    """Open the source, print its facts and save its first frame.

    Raises:
        ingest.source.SourceError: it cannot be opened; one sentence without credentials.
    """
    result = probe(source, transport=transport, timeout_s=timeout_s)
    snapshot.write_bytes(result.snapshot_jpeg)
    facts = {
        "source": redact(source),
        "codec": result.codec,
        "width": result.width,
        "height": result.height,
        "fps": round(result.fps, 3),
        "seconds_to_first_frame": round(result.seconds_to_first_frame, 3),
        "snapshot": str(snapshot),
    }
    if as_json:
        print(json.dumps(facts))
        return
    print(f"{facts['source']}: it works.")
    print(f"  codec                {facts['codec']}")
    print(f"  size                 {facts['width']} x {facts['height']}")
    print(f"  frames a second      {facts['fps']:g}")
    print(f"  first frame after    {facts['seconds_to_first_frame']:.2f} s")
    print(f"  snapshot             {snapshot}")
