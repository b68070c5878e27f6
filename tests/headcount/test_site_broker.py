"""The broker of a site: how large it must be, and what is said of one that is configured badly."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from core.settings import Site
from headcount.site_broker import SMALLEST_MB, needed_mb, site_broker


def site(cameras: int, **settings: Any) -> Site:
    each = [{"id": f"c{n}", "source": "rtsp://127.0.0.1:9/x", **settings} for n in range(cameras)]
    return Site.model_validate({"cameras": each})


def test_a_small_site_needs_less_than_a_broker_has_anyway() -> None:
    assert needed_mb(site(8)) < SMALLEST_MB


def test_many_fast_cameras_need_more() -> None:
    assert needed_mb(site(64, fps=5)) > 800


def test_a_broker_of_our_own_is_as_large_as_the_site_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEADCOUNT_REDIS_URL", raising=False)
    large = site(64, fps=5)
    with site_broker(large) as broker:
        assert broker.local is not None
        assert broker.local.memory_mb == needed_mb(large)


def test_a_configured_broker_that_is_too_small_or_forgets_is_said(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADCOUNT_REDIS_URL", redis_url)
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with capture_logs() as logs, site_broker(site(64, fps=5)) as broker:
            assert broker.local is None
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")
    assert [entry["event"] for entry in logs] == [
        "the broker may run out of memory",
        "the broker may forget messages: set noeviction",
    ]
