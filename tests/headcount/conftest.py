"""The command as a user calls it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.shipped import weights_path
from scenes.clip import write_clip

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**changes: str) -> dict[str, str]:
    """This environment without what would steer a command, plus changes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADCOUNT_")}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **changes}


def headcount(
    *arguments: str | Path, timeout_s: float = 60, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run ``headcount ARGUMENTS`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "headcount", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment(**changes),
        check=False,
    )


def write_site(folder: Path, **sections: Any) -> Path:
    """A site file of one RTSP camera, with any section replaced."""
    camera = {"id": "gate-1", "source": "rtsp://127.0.0.1:9/gate"}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({"cameras": [camera], **sections}, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of each scene, small."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("plaza", "concourse"):
        write_clip(name, folder, 6.0, width=480, height=270)
    return folder


@pytest.fixture(scope="session")
def weights() -> Path:
    """The weights that come with Headcount."""
    path = weights_path("tiny")
    assert path.is_file(), f"{path} is missing: it is part of the repository"
    return path
