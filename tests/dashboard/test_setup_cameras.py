"""The zone editor's page without a browser: who may see it, and what it says when saving fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Never

import pytest
import streamlit as st
from sqlalchemy.exc import OperationalError
from streamlit.testing.v1 import AppTest

from core.roles import LOCAL, Role, Viewer
from dashboard import setup_cameras
from dashboard.text import say
from tests.conftest import MakeSite

EDITOR, SAVED = "draw-gate-1", "saved draw-gate-1"


@pytest.fixture
def station(make_site: MakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site of the camera `gate-1`, which an admin sets up."""
    loaded = make_site(tmp_path)
    dashboard = SimpleNamespace(site=loaded.site, loaded=loaded)
    monkeypatch.setattr(setup_cameras, "running", lambda: dashboard)
    be(LOCAL, monkeypatch)


def be(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is this viewer from now on."""
    monkeypatch.setattr("dashboard.viewer.current_viewer", lambda: viewer)
    monkeypatch.setattr(setup_cameras, "current_viewer", lambda: viewer)


def editor_of_a_camera_that_is_gone() -> None:
    from dashboard import setup_cameras

    setup_cameras._show_zones("gate-9")


@pytest.mark.usefixtures("station")
def test_the_editor_is_for_admins_also_when_it_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    be(Viewer("guard", Role.OPERATOR), monkeypatch)

    page = AppTest.from_function(editor_of_a_camera_that_is_gone).run()

    assert not page.exception
    assert [each.value for each in page.warning] == [say("setup.admins_only")]


@pytest.mark.usefixtures("station")
def test_a_camera_that_was_removed_meanwhile_is_told() -> None:
    page = AppTest.from_function(editor_of_a_camera_that_is_gone).run()

    assert not page.exception
    assert [each.value for each in page.warning] == [say("setup.gone", camera="gate-9")]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser has sent zones to be saved."""
    monkeypatch.setitem(st.session_state, EDITOR, {"save": {"zones": []}})
    monkeypatch.setitem(st.session_state, SAVED, {"n": 4})


@pytest.mark.usefixtures("station", "asked")
def test_a_save_that_the_history_refuses_is_told_in_the_editor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def edit(*_: object) -> Never:
        raise OperationalError("insert", {}, OSError("disk is full"))

    monkeypatch.setattr(setup_cameras, "edit", edit)

    setup_cameras._save("gate-1", EDITOR)

    saved = st.session_state[SAVED]
    assert (saved["n"], saved["failed"]) == (5, True)
    assert saved["text"].startswith("The history database cannot be read: ")
    assert "disk is full" in saved["text"]


@pytest.mark.usefixtures("station", "asked")
def test_a_save_of_a_camera_that_is_gone_is_told_in_the_editor() -> None:
    setup_cameras._save("gate-9", EDITOR)

    assert st.session_state[SAVED] == {
        "n": 5,
        "failed": True,
        "text": "There is no camera 'gate-9' any more.",
    }
