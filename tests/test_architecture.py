"""The rules of the tree that a reader can rely on."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
ROOMS = (
    "alerts",
    "core",
    "crowd",
    "dashboard",
    "headcount",
    "inference",
    "ingest",
    "models",
    "scenes",
)
LONGEST_FILE = 400  # lines
FORBIDDEN_IMPORTS = {"pickle", "dill", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec"}
FORBIDDEN_NAMES = ("utils", "helpers", "manager", "common", "misc")


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_rooms_import_each_other_one_way_only() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([lint], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_runs_what_it_was_sent(room: str) -> None:
    """No pickle, no eval, no shell: messages stay data."""
    for path in (REPOSITORY / room).rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
            else:
                continue
            assert not names & FORBIDDEN_IMPORTS, path
        for call in calls(tree):
            named = call.func.id if isinstance(call.func, ast.Name) else ""
            assert named not in FORBIDDEN_CALLS, f"{path}:{call.lineno}"
            for keyword in call.keywords:
                is_shell = keyword.arg == "shell" and getattr(keyword.value, "value", None) is True
                assert not is_shell, f"{path}:{call.lineno}"


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_files_are_named_after_what_they_hold() -> None:
    vague = [path for path in sources() if path.stem in FORBIDDEN_NAMES]
    assert vague == []


def test_tests_mirror_the_rooms() -> None:
    missing = [room for room in ROOMS if not any((REPOSITORY / "tests" / room).glob("test_*.py"))]
    assert missing == []


def test_only_workers_load_the_model() -> None:
    code = (
        "import ingest.service, alerts.service, dashboard.service, sys; "
        "sys.exit('torch is loaded' if 'torch' in sys.modules else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_help_is_fast_because_it_loads_no_room() -> None:
    code = (
        "import headcount.cli, sys; "
        "loaded = {'torch', 'cv2', 'av', 'streamlit', 'sqlalchemy', 'apprise'} & set(sys.modules); "
        "sys.exit(' '.join(loaded) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
