"""Where weights lie: the files that come with Headcount, and what a name means. Loads no torch."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "weights"
SUFFIX = ".safetensors"


def known_weights() -> list[str]:
    """Names of the weights that come with Headcount."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def weights_path(name: str | Path) -> Path:
    """The file of a name: a path where it looks like one, else shipped weights."""
    path = Path(name)
    if path.suffix == SUFFIX or len(path.parts) > 1:
        return path
    return FOLDER / f"{name}{SUFFIX}"
