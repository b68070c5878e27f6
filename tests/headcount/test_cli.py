"""What a user sees of the command line: sentences, exit codes, help."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from headcount.ports import free_port
from models.shipped import weights_path
from tests.headcount.conftest import headcount, write_site

COMMANDS = (
    *("demo", "run", "ingest", "worker", "alerts", "dashboard", "health"),
    *("check", "init", "probe", "doctor", "notify-test", "count", "train", "evaluate"),
    *("db", "bench", "users"),
)


def test_help_names_every_command() -> None:
    result = headcount("--help")
    assert result.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in result.stdout


def test_wrong_usage_exits_with_2() -> None:
    assert headcount("run").returncode == 2
    assert headcount("no-such-command").returncode == 2
    assert headcount("health", "kitchen", "site.yaml").returncode == 2


def test_the_version_is_said() -> None:
    result = headcount("--version")
    assert (result.returncode, result.stdout.split()[0]) == (0, "headcount")


def test_check_says_file_line_path_and_what_is_allowed(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        "cameras:\n  - id: gate-1\n    source: rtsp://127.0.0.1/x\n    transport: pigeon\n"
    )
    result = headcount("check", site)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"{site}:4: cameras[0].transport: ")
    assert "tcp" in line
    assert "udp" in line


def test_check_names_a_video_file_that_is_not_there(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("cameras:\n  - id: hall\n    source: gone.mp4\n")
    result = headcount("check", site)
    assert result.returncode == 1
    assert f"{site}:3: cameras[0].source: the file 'gone.mp4' does not exist" in result.stderr


def test_check_lists_every_problem(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("cameras:\n  - id: A b\n    source: ftp://x/y\nsite: {timezone: Mars}\n")
    result = headcount("check", site)
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 3


@pytest.mark.usefixtures("weights")
def test_check_accepts_the_example() -> None:
    example = Path(__file__).parent.parent.parent / "configs" / "example.yaml"
    result = headcount("check", example, "--no-measure")
    assert (result.returncode, result.stderr) == (0, "")
    assert "3 cameras, 3 zones, 2 notification channels" in result.stdout


def test_a_site_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    for command in ("check", "run", "worker", "db upgrade"):
        result = headcount(*command.split(), tmp_path / "none.yaml")
        assert result.returncode == 1
        assert len(result.stderr.strip().splitlines()) == 1
        assert "none.yaml" in result.stderr
        assert "Traceback" not in result.stderr


def test_missing_weights_are_one_sentence(tmp_path: Path) -> None:
    site = write_site(tmp_path, model={"name": "huge"})
    for command in ("check", "run"):
        result = headcount(command, site)
        assert result.returncode == 1
        (line,) = result.stderr.strip().splitlines()
        assert "'huge'" in line
        assert str(weights_path("huge")) in line


@pytest.mark.usefixtures("weights")
def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = headcount("run", write_site(tmp_path, dashboard={"port": port}))
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert str(port) in line
    assert "dashboard.port" in line


@pytest.mark.usefixtures("weights")
def test_a_broker_that_is_away_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    broker = {"url": "redis://user:hunter2@127.0.0.1:9/0"}
    site = write_site(tmp_path, broker=broker, dashboard={"port": free_port()})
    for command in (("run",), ("alerts",), ("health", "alerts")):
        result = headcount(*command, site)
        assert result.returncode == 1
        assert "127.0.0.1:9" in result.stderr
        assert "hunter2" not in result.stderr + result.stdout
        assert "Traceback" not in result.stderr


def test_a_service_alone_says_that_it_needs_a_broker(tmp_path: Path) -> None:
    result = headcount("alerts", write_site(tmp_path))
    assert result.returncode == 1
    assert "HEADCOUNT_REDIS_URL" in result.stderr


def test_health_without_heartbeats_is_1(tmp_path: Path, redis_url: str) -> None:
    result = headcount("health", "ingest", write_site(tmp_path), HEADCOUNT_REDIS_URL=redis_url)
    assert (result.returncode, result.stdout) == (1, "")
    assert "no heartbeat" in result.stderr


def test_notify_test_without_channels_says_so(tmp_path: Path) -> None:
    result = headcount("notify-test", write_site(tmp_path))
    assert result.returncode == 1
    assert "neither channels nor mqtt" in result.stderr


def test_db_upgrade_makes_and_backup_copies_the_history(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    copy = tmp_path / "copy.db"
    assert headcount("db", "backup", site, copy).returncode == 1
    assert headcount("db", "upgrade", site).returncode == 0
    assert (tmp_path / "history.db").is_file()
    assert headcount("db", "backup", site, copy).returncode == 0
    assert copy.read_bytes().startswith(b"SQLite format 3")
    again = headcount("db", "backup", site, copy)
    assert again.returncode == 1
    assert "exists already" in again.stderr


def test_the_history_can_be_put_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "volume.db"
    url = f"sqlite:///{elsewhere}"
    result = headcount("db", "upgrade", write_site(tmp_path), HEADCOUNT_HISTORY_URL=url)
    assert result.returncode == 0
    assert elsewhere.is_file()
    assert not (tmp_path / "history.db").exists()


def test_probe_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    url = "rtsp://user:hunter2@127.0.0.1:9/live"
    result = headcount("probe", url, "--snapshot", tmp_path / "x.jpg", "--timeout", "3")
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.strip().splitlines()) == 1
    assert "hunter2" not in result.stderr


@pytest.mark.data
def test_probe_of_a_video_as_json(tmp_path: Path, data_folder: Path) -> None:
    video = data_folder / "videos" / "street_1280x720.mp4"
    snapshot = tmp_path / "x.jpg"
    result = headcount("probe", video, "--snapshot", snapshot, "--json")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert (facts["codec"], facts["width"], facts["height"]) == ("h264", 1280, 720)
    assert facts["fps"] == pytest.approx(30, abs=0.1)
    assert snapshot.read_bytes().startswith(b"\xff\xd8")


@pytest.mark.usefixtures("weights")
def test_doctor_says_what_the_machine_counts(tmp_path: Path) -> None:
    result = headcount("doctor", write_site(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "Redis" in result.stdout
    assert "frames/s" in result.stdout
    assert "the site asks for 1" in result.stdout


def test_doctor_says_what_is_missing() -> None:
    result = headcount("doctor", "--weights", "huge")
    assert result.returncode == 1
    assert "MISSING" in result.stdout


@pytest.mark.usefixtures("weights")
def test_check_refuses_a_zone_beyond_the_horizon_of_its_calibration(tmp_path: Path) -> None:
    ground = {
        "picture": [[0.45, 0.4], [0.55, 0.4], [0.9, 0.9], [0.1, 0.9]],
        "metres": [[0, 10], [5, 10], [5, 0], [0, 0]],
    }
    sky = [[0.1, 0.0], [0.9, 0.0], [0.9, 0.9], [0.1, 0.9]]
    zones = [{"id": "sky", "polygon": sky, "ground": ground}]
    site = write_site(
        tmp_path, cameras=[{"id": "a", "source": "rtsp://127.0.0.1:9/a", "zones": zones}]
    )
    result = headcount("check", site, "--no-measure")
    assert result.returncode == 1
    assert "cameras[0].zones[0].ground" in result.stderr
    assert "horizon" in result.stderr
    assert "Traceback" not in result.stderr
