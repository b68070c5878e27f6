"""Edits of a site file: what changes, what stays, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from core.site_edit import FileChangedError, NotWritableError, SiteDraft, is_changed, save
from core.site_file import SiteFileError, load_site, read_text, site_of_text

SITE = """\
# The station's cameras.
site: {name: Central Station, timezone: Asia/Seoul}

cameras:
  # The gate was calibrated in May.
  - id: gate                  # above the ticket hall
    name: "Gate 1"
    source: rtsp://viewer:${GATE_PASSWORD}@192.0.2.1/live
    zones:
      - id: platform
        polygon: [[0.10, 0.35], [0.92, 0.35], [0.98, 0.98]]   # round the feet
        levels: {unit: persons, watch: 20, raise_after: 5s}

  # The stairs have no zones yet.
  - id: stairs
    source: rtsp://192.0.2.2/live     # the old recorder
    # zones:
    #   - id: landing

# Whom we tell.
alerts:
  channels: []
"""
SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]
PLATFORM = {"id": "platform", "polygon": [[0.10, 0.35], [0.92, 0.35], [0.98, 0.98]]}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATE_PASSWORD", "hunter2")
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    return file


def edited(change: Callable[[SiteDraft], None], text: str = SITE) -> str:
    draft = SiteDraft(text)
    change(draft)
    return draft.text()


def lines_that_differ(text: str, before: str = SITE) -> tuple[list[str], list[str]]:
    """Lines that are gone and lines that are new."""
    old, new = before.splitlines(), text.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize("file", ["example.yaml", "demo.yaml"])
def test_without_an_edit_the_file_stays_as_it_is(file: str) -> None:
    text = (Path(__file__).parents[2] / "configs" / file).read_text()

    assert SiteDraft(text).text() == text


def test_a_new_camera_comes_behind_the_others_and_before_the_next_heading(path: Path) -> None:
    text = edited(lambda draft: draft.add_camera("hall", "rtsp://192.0.2.3/live", name="Hall"))

    assert lines_that_differ(text) == (
        [],
        ["  - id: hall", "    source: rtsp://192.0.2.3/live", "    name: Hall"],
    )
    assert text.index("- id: hall") < text.index("# Whom we tell.")
    assert site_of_text(text, path).site.camera("hall").title == "Hall"


def test_defaults_are_not_written(path: Path) -> None:
    def add(draft: SiteDraft) -> None:
        draft.add_camera("hall", "rtsp://h/live", name=None, transport="tcp", fps=1.0)

    assert lines_that_differ(edited(add))[1] == ["  - id: hall", "    source: rtsp://h/live"]


@pytest.mark.parametrize("camera", ["gate", "stairs"])
def test_a_removed_camera_leaves_the_comments_of_the_others(path: Path, camera: str) -> None:
    text = edited(lambda draft: draft.remove_camera(camera))

    assert [each.id for each in site_of_text(text, path).site.cameras] != [camera]
    assert "# The station's cameras." in text
    assert "# Whom we tell." in text
    assert ("# the old recorder" in text) == (camera == "gate")


def test_only_what_changed_is_written_anew(path: Path) -> None:
    zone = {**PLATFORM, "levels": {"unit": "persons", "watch": 25, "raise_after": 5.0}}

    text = edited(lambda draft: draft.set_zones("gate", [zone]))

    assert lines_that_differ(text) == (
        ["        levels: {unit: persons, watch: 20, raise_after: 5s}"],
        ["        levels: {unit: persons, watch: 25, raise_after: 5s}"],
    )


def test_zones_are_added_changed_and_removed(path: Path) -> None:
    new = {"id": "landing", "polygon": SQUARE, "levels": {"unit": "persons", "watch": 8.0}}

    text = edited(lambda draft: draft.set_zones("gate", [PLATFORM, new]))
    zones = site_of_text(text, path).site.camera("gate").zones
    assert [zone.id for zone in zones] == ["platform", "landing"]
    assert "polygon: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]" in text
    assert "watch: 8}" in text

    text = edited(lambda draft: draft.set_zones("gate", [new]), text)
    zones = site_of_text(text, path).site.camera("gate").zones
    assert [zone.id for zone in zones] == ["landing"]
    assert "# The stairs have no zones yet." in text


def test_the_first_zone_of_a_camera_without_any(path: Path) -> None:
    text = edited(lambda draft: draft.set_zones("stairs", [{"id": "all", "polygon": None}]))
    assert text == SITE

    text = edited(lambda draft: draft.set_zones("stairs", [{"id": "landing", "polygon": SQUARE}]))
    assert [zone.id for zone in site_of_text(text, path).site.camera("stairs").zones] == ["landing"]
    assert text.index("polygon: [[0.1") < text.index("# Whom we tell.")


def test_a_key_that_is_taken_out_leaves_the_rest(path: Path) -> None:
    text = edited(lambda draft: draft.set_zones("gate", [{**PLATFORM, "levels": None}]))

    gone, new = lines_that_differ(text)
    assert gone == ["        levels: {unit: persons, watch: 20, raise_after: 5s}"]
    assert new == []


def test_keys_that_an_edit_does_not_know_stay(path: Path) -> None:
    text = edited(lambda draft: draft.set_zones("gate", [{"id": "platform", "name": "Platform"}]))

    zone = site_of_text(text, path).site.camera("gate").zones[0]
    assert zone.name == "Platform"
    assert zone.levels is not None
    assert zone.polygon is not None


def test_an_edit_works_on_any_layout(tmp_path: Path) -> None:
    plain = {"cameras": [{"id": "a", "source": "rtsp://a/", "zones": [PLATFORM]}], "alerts": {}}
    for text in (
        yaml.safe_dump(plain, sort_keys=False),
        yaml.safe_dump(plain, sort_keys=False, default_flow_style=True),
        yaml.safe_dump(plain, sort_keys=False).replace("\n", "\r\n"),
    ):

        def change(draft: SiteDraft) -> None:
            draft.add_camera("b", "rtsp://b/")
            draft.set_zones("a", [{"id": "platform", "polygon": SQUARE}, {"id": "all"}])

        result = edited(change, text)
        site = site_of_text(result, tmp_path / "site.yaml").site
        assert [camera.id for camera in site.cameras] == ["a", "b"]
        assert [list(point) for point in site.cameras[0].zones[0].polygon or []] == SQUARE
        assert ("\r\n" in result) == ("\r\n" in text)


def test_saving_writes_the_file_with_its_variables_and_rights(path: Path) -> None:
    path.chmod(0o640)
    draft = SiteDraft(read_text(path))
    draft.change_camera("stairs", name="Stairs")

    loaded = save(draft.text(), path, draft.version)

    assert path.read_text() == draft.text()
    assert load_site(path).version == loaded.version
    assert "${GATE_PASSWORD}" in path.read_text()
    assert "hunter2" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in path.parent.iterdir()] == ["site.yaml"]


def test_what_check_refuses_is_not_saved(path: Path) -> None:
    draft = SiteDraft(read_text(path))
    draft.set_zones("gate", [{"id": "platform", "polygon": [[0, 0], [1, 1], [0, 1], [1, 0]]}])

    with pytest.raises(SiteFileError, match="crosses itself"):
        save(draft.text(), path, draft.version)
    assert path.read_text() == SITE


def test_a_file_edited_by_hand_meanwhile_is_not_overwritten(path: Path) -> None:
    draft = SiteDraft(read_text(path))
    draft.change_camera("stairs", name="Stairs")
    by_hand = SITE.replace("Gate 1", "Gate one")
    path.write_text(by_hand)

    assert is_changed(path, draft.version)
    with pytest.raises(FileChangedError, match="changed on disk"):
        save(draft.text(), path, draft.version)
    assert path.read_text() == by_hand


def test_a_folder_that_cannot_be_written_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("core.site_edit.tempfile.mkstemp", refuse)
    draft = SiteDraft(read_text(path))

    with pytest.raises(NotWritableError, match="Permission denied"):
        save(draft.text(), path, draft.version)
