# ruff: noqa: E501 - a mistake and what is said of it read best on one line
import hashlib
import json
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from core.sections import Section
from core.site_file import Problem, SiteFileError, load_section, load_site

EXAMPLE = """\
site: {name: Central Station, timezone: Asia/Seoul}
broker: {url: "redis://localhost:6379/0"}
history: {url: "sqlite:///history.db", keep: {raw: 35d, minute: 90d, hour: 5y}}
model: {name: tiny, steps: 2, samples: 1, device: auto, max_side: auto}
cameras:
  - id: gate-1
    name: Gate 1
    source: rtsp://user:${CAMERA_PASSWORD}@camera.local:554/stream1
    transport: tcp
    fps: 1
    age_limit: 3s
    stall_timeout: 10s
    play: {repeat: true, pace: real, policy: newest}
    zones:
      - id: platform
        polygon: [[0.10, 0.35], [0.92, 0.35], [0.98, 0.98], [0.02, 0.98]]
        ground:
          picture: [[0.2, 0.5], [0.8, 0.5], [0.95, 0.95], [0.05, 0.95]]
          metres: [[0, 0], [12, 0], [12, 8], [0, 8]]
          head_height: 1.6
        levels: {unit: persons/m2, measure: mean, watch: 3, warning: 4, critical: 5, \
raise_after: 5s, clear_after: 30s, clear_margin: 0.5}
  - id: hall
    source: videos/hall.mp4
  - id: webcam
    source: 0
alerts:
  heartbeat: "https://watchdog.example/ping"
  channels:
    - {name: control-room, url: "json://127.0.0.1:9000/hook", min_level: warning, cooldown: 5m}
dashboard: {host: 127.0.0.1, port: 8501}
access: {login: off}
privacy: {pictures: full}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "hall.mp4").write_bytes(b"video")
    monkeypatch.setenv("CAMERA_PASSWORD", "hunter2")
    monkeypatch.delenv("NOT_SET", raising=False)
    return tmp_path


def problems(folder: Path, text: str | bytes) -> list[Problem]:
    path = folder / "site.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SiteFileError) as caught:
        load_site(path, check_files=True)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return caught.value.problems


def problem(folder: Path, text: str | bytes) -> tuple[int, str, str]:
    (only,) = problems(folder, text)
    return only.line, only.path, only.message


def test_the_example_is_read(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_text(EXAMPLE)
    loaded = load_site(path)
    gate, hall, webcam = loaded.site.cameras
    assert gate.source == "rtsp://user:hunter2@camera.local:554/stream1"
    assert gate.zones[0].polygon == [(0.1, 0.35), (0.92, 0.35), (0.98, 0.98), (0.02, 0.98)]
    assert gate.zones[0].levels is not None
    assert gate.zones[0].levels.raise_after == 5
    assert (hall.kind, hall.source) == ("file", str(folder / "videos" / "hall.mp4"))
    assert (webcam.kind, webcam.source) == ("webcam", "0")
    assert hall.zones[0].id == "all"
    assert loaded.site.access.login == "off"
    assert loaded.site.history.url == f"sqlite:///{folder}/history.db"
    assert loaded.site.history.keep.raw == 35 * 86400
    assert loaded.path == path
    assert loaded.text == EXAMPLE


def test_the_version_is_that_of_the_text(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_text("cameras: [{id: a, source: 0}]")
    first = load_site(path).version
    assert first == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    path.write_text("cameras: [{id: a, source: 1}]")
    assert load_site(path).version != first


def test_a_relative_path_of_the_file_itself_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "site.yaml").write_text("cameras: [{id: a, source: videos/hall.mp4}]")
    monkeypatch.chdir(folder)
    loaded = load_site(Path("site.yaml"))
    assert loaded.path == folder / "site.yaml"
    assert loaded.site.cameras[0].source == str(folder / "videos" / "hall.mp4")


def test_a_byte_order_mark_and_windows_lines_are_fine(folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_bytes(b"\xef\xbb\xbfcameras:\r\n  - id: a\r\n    source: 0\r\n")
    assert load_site(path).site.cameras[0].id == "a"


CAMERA = "cameras:\n  - id: a\n    source: 0\n"
ZONE = CAMERA + "    zones:\n      - id: z\n"


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        (CAMERA + "    fsp: 2\n", 4, "cameras[0].fsp", "unknown key; did you mean fps? allowed are id, name,"),
        (CAMERA + "site:\n  colour: red\n", 5, "site.colour", "unknown key; allowed are name, timezone"),
        (CAMERA + "    fps: fast\n", 4, "cameras[0].fps", 'found "fast"; allowed is a number, above 0 and at most 60'),
        (CAMERA + "    fps: 0\n", 4, "cameras[0].fps", "found 0; allowed is a number, above 0"),
        (CAMERA + "    fps: true\n", 4, "cameras[0].fps", "found true; allowed is a number"),
        (CAMERA + "    fps:\n", 4, "cameras[0].fps", "found nothing; allowed is a number"),
        (CAMERA + "    fps: '2'\n", 4, "cameras[0].fps", 'found "2"; allowed is a number'),
        (CAMERA + "    name: 5\n", 4, "cameras[0].name", "found 5; allowed is text (put it in quotes)"),
        (CAMERA + "    name: [a]\n", 4, "cameras[0].name", "found a list of 1; allowed is text"),
        (CAMERA + "    transport: tpc\n", 4, "cameras[0].transport", 'found "tpc"; allowed is tcp or udp'),
        (CAMERA + "    age_limit: 3 weeks\n", 4, "cameras[0].age_limit", "'3 weeks' is no duration; write 3s"),
        (CAMERA + "    stall_timeout: 0.5s\n", 4, "cameras[0].stall_timeout", 'found "0.5s"; allowed is a duration such as 3s, 5m or 2h, 1s or more'),
        (CAMERA + "    play: {repeat: off}\n", 4, "cameras[0].play.repeat", 'found "off"; allowed is true or false'),
        (CAMERA + "    zones: {id: a}\n", 4, "cameras[0].zones", "found a section; allowed is a list of sections"),
        (CAMERA + "model: {max_side: 64}\n", 4, "model.max_side", "found 64; allowed is a whole number from 128 to 4096, or auto"),
        (CAMERA + "model: {steps: 2.5}\n", 4, "model.steps", "found 2.5; allowed is a whole number from 1 to 500"),
        (CAMERA + "dashboard: 8501\n", 4, "dashboard", "found 8501; allowed is a section with the keys host, port"),
        (CAMERA + "site: {timezone: Asia/Soul}\n", 4, "site.timezone", "'Asia/Soul' is no IANA time zone"),
        (CAMERA + "broker: {url: 'http://x'}\n", 4, "broker.url", "allowed are redis://"),
        (CAMERA + "history: {url: 'mysql://x/y'}\n", 4, "history.url", "not the address of a database"),
        (CAMERA + "dashboard:\n  host: 0.0.0.0\n", 5, "dashboard.host", "dashboard.host '0.0.0.0' is reachable from outside"),
        ("cameras:\n  - source: 0\n", 2, "cameras[0].id", "is missing; allowed is a name of a-z, 0-9 and -"),
        ("cameras:\n  - id: Gate 1\n    source: 0\n", 2, "cameras[0].id", 'found "Gate 1"; allowed is a name of a-z'),
        ("cameras:\n  - id: a\n    source: ftp://x/y\n", 3, "cameras[0].source", "scheme 'ftp' is not allowed; allowed are rtsp://"),
        ("cameras:\n  - id: a\n    source: nope.mp4\n", 3, "cameras[0].source", "the file 'nope.mp4' does not exist"),
        ("cameras:\n  - id: a\n    source: videos\n", 3, "cameras[0].source", "'videos' is a folder; a video file is expected"),
        ("cameras:\n  - id: a\n    source: ''\n", 3, "cameras[0].source", "must not be empty"),
        ("cameras:\n  - id: a\n    source: 0\n  - id: a\n    source: 1\n", 4, "cameras[1].id", "camera id 'a' is used twice (first on line 2)"),
        (CAMERA + "cameras: []\n", 4, "cameras", "the key is given twice (first on line 1)"),
        ("cameras: []\n", 1, "cameras", "found an empty list; allowed is a list of 1 to 64 sections"),
        ("site: {name: x}\n", 1, "cameras", "is missing; allowed is a list of 1 to 64 sections"),
        ("- a\n- b\n", 1, "", "the file must be a section with the key cameras; found a list of 2"),
        ("hello\n", 1, "", 'the file must be a section with the key cameras; found "hello"'),
        (ZONE + "        polygon: [[0, 0], [1, 0]]\n", 6, "cameras[0].zones[0].polygon", "found a list of 2; allowed is a list of 3 to 64 pairs"),
        (ZONE + "        polygon: [[0, 0], [1, 0], [1.5, 1]]\n", 6, "cameras[0].zones[0].polygon[2][0]", "found 1.5; allowed is a number from 0 to 1"),
        (ZONE + "        polygon: [[0, 0], [1, 0], [1]]\n", 6, "cameras[0].zones[0].polygon[2]", "found a list of 1; allowed is a pair"),
        (ZONE + "        polygon: [[0, 0], [1, 0], [1, 1, 1]]\n", 6, "cameras[0].zones[0].polygon[2]", "found a list of 3; allowed is a pair"),
        (ZONE + "        polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]\n", 6, "cameras[0].zones[0].polygon", "the outline crosses itself"),
        (ZONE + "        polygon: [[0, 0], [0.5, 0.5], [1, 1]]\n", 6, "cameras[0].zones[0].polygon", "the zone has no area"),
        (ZONE + "        levels: {unit: persons, watch: 5, warning: 4}\n", 6, "cameras[0].zones[0].levels.watch", "watch (5) must be below warning (4)"),
        (ZONE + "        levels: {unit: persons}\n", 6, "cameras[0].zones[0].levels", "at least one of watch, warning and critical"),
        (ZONE + "        levels: {watch: 5}\n", 6, "cameras[0].zones[0].levels", "levels in persons/m2 need `ground`"),
        (ZONE + "      - id: z\n", 6, "cameras[0].zones[1].id", "zone id 'z' is used twice (first on line 5)"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place_and_what_is_allowed(
    folder: Path, text: str, line: int, path: str, message: str
) -> None:
    found = problem(folder, text)
    assert found[:2] == (line, path)
    assert found[2].startswith(message)


GROUND = ZONE + "        ground:\n          picture: {}\n          metres: {}\n"
SQUARE = "[[0, 0], [1, 0], [1, 1], [0, 1]]"


@pytest.mark.parametrize(
    ("picture", "metres", "line", "key", "message"),
    [
        ("[[0, 0], [0.5, 0], [1, 0], [0, 1]]", SQUARE, 7, ".picture", "three of the four points lie on one line"),
        (SQUARE, "[[0, 0], [5, 0], [10, 0], [0, 8]]", 8, ".metres", "three of the four points lie on one line"),
        (SQUARE, "[[0, 0], [0, 0], [10, 0], [0, 8]]", 8, ".metres", "three of the four points lie on one line"),
        ("[[0, 0], [1, 1], [1, 0], [0, 1]]", SQUARE, 7, ".picture", "the sides cross"),
        ("[[0, 0], [1, 0], [0.3, 0.3], [0, 1]]", SQUARE, 6, "", "picture and metres cannot be the same four points"),
    ],
)  # fmt: skip
def test_a_ground_that_cannot_be_is_refused(
    folder: Path, picture: str, metres: str, line: int, key: str, message: str
) -> None:
    found = problem(folder, GROUND.format(picture, metres))
    assert found[:2] == (line, f"cameras[0].zones[0].ground{key}")
    assert found[2].startswith(message)


def test_two_channels_of_one_name_are_refused(folder: Path) -> None:
    channels = "alerts:\n  channels:\n" + "    - {name: a, url: 'json://h'}\n" * 2
    line, path, message = problem(folder, CAMERA + channels)
    assert (line, path) == (7, "alerts.channels[1].name")
    assert message == "channel name 'a' is used twice (first on line 6)"


def test_all_problems_are_told_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = (
        "site: {timezone: Nowhere}\n"
        "cameras:\n"
        "  - id: a\n"
        "    source: missing.mp4\n"
        "    fps: none\n"
        "    fps: 2\n"
        "  - id: a\n"
        "    source: rtsp://u:${NOT_SET}@h/\n"
        "    zones: [{id: z, polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}]\n"
        "dashboard: {port: 0}\n"
        "unheard: of\n"
    )
    found = problems(folder, text)
    assert [item.line for item in found] == [1, 4, 5, 6, 7, 8, 9, 10, 11]
    assert "the environment variable NOT_SET is not set" in str(found[5])


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", 1, "the file is empty"),
        (b"cameras:\n  - id: \xff\xfe\n", 2, "the file is not UTF-8 text"),
        (b"cameras:\n\t- id: a\n", 2, "a tab is used for indentation; YAML allows only spaces"),
        (b"#" * 1_000_001, 1, "the file is larger than 1 MB; this is no site file"),
        (b"\x00\x01\x02", 1, "a control character is not allowed"),
    ],
)
def test_a_file_that_is_no_site_file_is_told_in_one_sentence(
    folder: Path, content: bytes, line: int, message: str
) -> None:
    assert problem(folder, content) == (line, "", message)


def test_a_missing_file_and_a_folder_are_told_in_one_sentence(folder: Path) -> None:
    with pytest.raises(SiteFileError, match=r"nope\.yaml:1: the file does not exist$"):
        load_site(folder / "nope.yaml")
    with pytest.raises(SiteFileError, match=r"this is a folder; a YAML file is expected$"):
        load_site(folder)


def test_a_problem_reads_file_line_path_message(folder: Path) -> None:
    (found,) = problems(folder, CAMERA + "    fps: 0\n")
    assert str(found).startswith(f"{folder}/site.yaml:4: cameras[0].fps: found 0; allowed is")


@pytest.mark.parametrize(
    "line",
    [
        "    source: ${CAMERA_PASSWORD}://host",
        "    source: /nowhere/${CAMERA_PASSWORD}",
        "    source: 0\n    fps: ${CAMERA_PASSWORD}",
        "    source: 0\n    age_limit: ${CAMERA_PASSWORD}",
        "    source: 0\n    transport: ${CAMERA_PASSWORD}",
        "    source: ftp://u:hunter2@host/x",
        "    source: 0\n    fps: rtsp://u:hunter2@host/x",
    ],
)
def test_no_problem_shows_a_password_or_a_variables_value(folder: Path, line: str) -> None:
    found = problems(folder, f"cameras:\n  - id: a\n{line}\n")
    assert "hunter2" not in "\n".join(map(str, found))


class Sizes(Section):
    channels: tuple[Annotated[int, Field(ge=1)], ...] = (8,)
    name: str = ""
    shares: dict[str, Annotated[float, Field(gt=0)]] = {}  # noqa: RUF012 - never written to
    pair: tuple[int, int] = (1, 2)


def test_other_files_are_read_as_strictly_but_keep_variables(folder: Path) -> None:
    path = folder / "tiny.yaml"
    path.write_text("channels: [32, 64]\nname: ${NAME}\nshares: {a/b: 1}\n")
    sizes = load_section(path, Sizes)
    assert sizes == Sizes(channels=(32, 64), name="${NAME}", shares={"a/b": 1.0})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nname: b\n", "tiny.yaml:2: name: the key is given twice"),
        ("", "tiny.yaml:1: the file is empty"),
        ("- 1\n", "the file must be a section with the keys channels, name, shares, pair; found"),
        ("chanels: [1]\n", "chanels: unknown key; did you mean channels? allowed are channels, "),
        ("name: x\nchannels: [1, 0]\n", "tiny.yaml:2: channels[1]: found 0; allowed is a whole "),
        ("channels: 3\n", "channels: found 3; allowed is a list of whole numbers, 1 or more"),
        ("shares: {a: 0}\n", "shares.a: found 0; allowed is a number, above 0"),
        ("shares: 1\n", "shares: found 1; allowed is a section of names and numbers, above 0"),
        ("pair: [1]\n", "pair: found a list of 1; allowed is a pair of whole numbers"),
    ],
)
def test_faults_of_other_files_are_said_the_same_way(folder, text, expected) -> None:
    path = folder / "tiny.yaml"
    path.write_text(text)
    with pytest.raises(SiteFileError) as caught:
        load_section(path, Sizes)
    assert expected in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["id", "source", "fps", "zones", "play", "age_limit", "transport", "x"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab:$[]{}#\n ", max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a"]), inner),
        max_leaves=6,
    ),
)  # fmt: skip
def test_whatever_stands_in_a_key_it_loads_or_is_a_problem_with_a_line(
    folder: Path, key: str, value: object
) -> None:
    path = folder / "site.yaml"
    path.write_text(json.dumps({"cameras": [{"id": "a", "source": "0", key: value}]}))
    found: list[Problem] = []
    try:
        load_site(path)
    except SiteFileError as error:
        found = error.problems
    assert all(item.line >= 1 and item.message for item in found)
