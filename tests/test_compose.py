"""docker-compose.yml without a Docker engine: its schema, and each service as it would run it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from headcount.ports import free_port
from models.shipped import weights_path
from tests.conftest import NO_SKIP
from tests.headcount.conftest import environment, headcount, write_site
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parent.parent
FILE = REPOSITORY / "docker-compose.yml"
OURS = ("ingest", "worker", "alerts", "dashboard")
START_WITHIN_S = 60


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def test_the_file_follows_the_compose_specification() -> None:
    tool = Path(sys.executable).parent / "check-jsonschema"
    command = [tool, "--builtin-schema", "vendor.compose-spec", FILE]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_compose_itself_accepts_the_file() -> None:
    tool = shutil.which("docker-compose")
    if tool is None:
        message = "docker-compose is not installed"
        if NO_SKIP:
            pytest.fail(message)
        pytest.skip(message)
    command = [tool, "--file", str(FILE), "config", "-q"]
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=REPOSITORY, env=environment(), check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_broker_is_not_published_and_keeps_nothing() -> None:
    broker = compose()["services"]["broker"]
    assert "ports" not in broker
    assert broker["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}
    command = " ".join(broker["command"])
    assert "--save  --appendonly no" in command
    assert "--maxmemory-policy noeviction" in command


def test_what_people_open_is_published_on_loopback_only() -> None:
    published = {
        name: service["ports"]
        for name, service in compose()["services"].items()
        if "ports" in service
    }
    assert list(published) == ["dashboard", "grafana"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_what_the_monitoring_mounts_is_there() -> None:
    for name in ("prometheus", "grafana"):
        service = compose()["services"][name]
        assert service["profiles"] == ["monitoring"]
        sources = [volume.split(":")[0] for volume in service["volumes"]]
        files = [source for source in sources if source.startswith("./deploy/")]
        assert files
        assert all((REPOSITORY / source).is_file() for source in files)


@pytest.mark.parametrize("name", [*OURS, "worker-gpu"])
def test_services_run_without_privileges(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    # Only the dashboard may write the site file: its Set-up page saves it.
    assert f"./site:/site{'' if name == 'dashboard' else ':ro'}" in service["volumes"]
    assert "USER headcount" in (REPOSITORY / "Dockerfile").read_text()


def resolved(value: str, folder: Path, redis_url: str) -> str:
    """A value of the file as it is inside a container, with this test's places put in."""
    value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
    value = value.replace("redis://broker:6379/0", redis_url)
    return value.replace("/site/", f"{folder}/").replace("/data/", f"{folder}/")


@contextmanager
def service_running(name: str, folder: Path, redis_url: str) -> Iterator[None]:
    """The service's own command with its own environment; stopped by SIGTERM, as compose does."""
    service = compose()["services"][name]
    variables = {
        key: resolved(value, folder, redis_url) for key, value in service["environment"].items()
    }
    if "HEADCOUNT_DASHBOARD_BIND" in variables:
        variables["HEADCOUNT_DASHBOARD_BIND"] = "127.0.0.1"  # no other machine may look in here
    arguments = [resolved(part, folder, redis_url) for part in service["command"]]
    log = (folder / f"{name}.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "headcount", *arguments],
        env=environment(**variables),
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield
        process.terminate()
        assert process.wait(20) == 0, (folder / f"{name}.log").read_text()
    finally:
        process.kill()
        process.wait()
        log.close()


def test_each_service_becomes_healthy_and_stops_when_told(tmp_path: Path, redis_url: str) -> None:
    assert weights_path("tiny").is_file()
    site = write_site(tmp_path, dashboard={"port": free_port()})
    services = compose()["services"]

    def unhealthy(name: str) -> bool:
        kind, program, *arguments = services[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "headcount")
        arguments = [resolved(part, tmp_path, redis_url) for part in arguments]
        return headcount(*arguments, HEADCOUNT_REDIS_URL=redis_url).returncode != 0

    assert site == tmp_path / "site.yaml"
    assert unhealthy("ingest")
    with ExitStack() as running:
        for name in OURS:
            running.enter_context(service_running(name, tmp_path, redis_url))
        waiting = set(OURS)

        def all_healthy() -> bool:
            for name in sorted(waiting):
                if not unhealthy(name):
                    waiting.discard(name)
            return not waiting

        wait_until(all_healthy, timeout_s=START_WITHIN_S, every_s=0.5)
