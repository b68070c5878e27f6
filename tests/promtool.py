"""Prometheus' own programs, which judge what is written for it."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import NO_SKIP


def installed(program: str) -> str:
    """Path of ``promtool`` or ``prometheus``; skips without it, fails under HEADCOUNT_NO_SKIP."""
    path = shutil.which(program)
    if path is None:
        message = f"{program} is not installed (Debian: prometheus)"
        if NO_SKIP:
            pytest.fail(message)
        pytest.skip(message)
    return path
