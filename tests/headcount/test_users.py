"""``headcount users`` as somebody types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.accounts import password_hash_of, token_viewer
from core.audit import audit_lines
from core.history import History
from core.passwords import is_password
from core.roles import Role, Viewer

PASSWORD = "correct horse"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(
        "cameras:\n"
        "  - {id: gate, source: 'rtsp://127.0.0.1/a'}\n"
        "  - {id: hall, source: 'rtsp://127.0.0.1/b'}\n"
        "access: {login: local}\n"
    )
    return path


def users(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headcount", "users", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_user_from_beginning_to_end(site: Path) -> None:
    added = users(
        "add", site, "Kim", "--role", "operator", "--cameras", "gate", "--password-stdin",
        stdin=PASSWORD + "\n",
    )  # fmt: skip
    made = users("token", site, "kim")
    listed = users("list", site, "--json")
    history = History.open(f"sqlite:///{site.parent}/history.db")
    with history.snapshot() as connection:
        assert is_password(password_hash_of(connection, "kim"), PASSWORD)
        viewer = token_viewer(connection, made.stdout.strip())
    removed = users("remove", site, "kim")
    with history.snapshot() as connection:
        lines = audit_lines(connection)
        gone = token_viewer(connection, made.stdout.strip())
    history.close()

    assert added.stdout == "Added kim, operator of gate.\n"
    assert viewer == Viewer("kim", Role.OPERATOR, frozenset({"gate"}))
    assert json.loads(listed.stdout) == [
        {"name": "kim", "role": "operator", "cameras": ["gate"], "tokens": 1}
    ]
    assert (removed.stdout, gone) == ("Removed kim.\n", None)
    assert [line["action"] for line in lines] == ["user removed", "token made", "user added"]
    assert all(line["who"].startswith("command line (") for line in lines)
    said = added.stdout + added.stderr + str(lines) + listed.stdout
    assert PASSWORD not in said
    assert made.stdout.strip() not in said + made.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (("add", "{}", "kim", "--role", "admin", "--password-stdin"), "short\n", "10 to 256"),
        (("add", "{}", "a b", "--role", "admin", "--password-stdin"), PASSWORD, "no user's name"),
        (("add", "{}", "kim", "--role", "admin"), "", "use --password-stdin"),
        (
            ("add", "{}", "kim", "--role", "viewer", "--cameras", "gate,x", "--password-stdin"),
            PASSWORD,
            "--cameras: x is no camera of this site; allowed are gate, hall",
        ),
        (
            ("add", "{}", "kim", "--role", "admin", "--cameras", "gate", "--password-stdin"),
            PASSWORD,
            "an admin sees all cameras",
        ),
        (("token", "{}", "nobody"), "", "there is no user nobody"),
        (("remove", "{}", "nobody"), "", "there is no user nobody"),
    ],
)
def test_a_mistake_is_one_sentence(
    site: Path, arguments: tuple[str, ...], stdin: str, sentence: str
) -> None:
    result = users(*(each.format(site) for each in arguments), stdin=stdin)

    assert result.returncode == 1
    assert result.stdout == ""
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_role_that_does_not_exist_is_wrong_usage(site: Path) -> None:
    assert users("add", site, "kim", "--role", "king").returncode == 2


def test_an_empty_list_says_how_to_add_somebody(site: Path) -> None:
    result = users("list", site)

    assert (result.returncode, result.stdout) == (0, "")
    assert "--role admin" in result.stderr
