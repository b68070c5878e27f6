"""Users, tokens and sessions in a real database."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select, text

from core.accounts import (
    AccountError,
    account_name,
    add_token,
    add_user,
    list_users,
    password_hash_of,
    remove_user,
    revoke_tokens,
    token_viewer,
)
from core.accounts_schema import audit, sessions, tokens, users
from core.audit import audit_lines, record_audit
from core.history import History
from core.passwords import PasswordError, hash_password, is_password
from core.roles import Role, Viewer
from core.sessions import (
    Lifetime,
    begin_session,
    delete_ended,
    end_session,
    session_viewer,
    touch_session,
)

PASSWORD = "correct horse"
LIFETIME = Lifetime(idle_ms=1000, whole_ms=10_000)


@pytest.fixture
def connection(history_url: str) -> Iterator[Connection]:
    history = History.open(history_url)
    with history.transaction() as connection:
        add_user(connection, "kim", PASSWORD, Role.OPERATOR, ["gate"], now_ms=1)
        yield connection
    history.close()


def test_a_password_is_stored_as_an_argon2_hash(connection: Connection) -> None:
    stored = password_hash_of(connection, "kim")

    assert stored is not None
    assert stored.startswith("$argon2id$")
    assert is_password(stored, PASSWORD)
    assert not is_password(stored, PASSWORD + "x")


def test_nobody_has_no_password_however_it_is_written() -> None:
    assert not is_password(None, PASSWORD)
    assert not is_password("broken", PASSWORD)


def test_a_password_typed_on_another_machine_is_the_same() -> None:
    composed = "비밀번호는 길어야 합니다"
    decomposed = unicodedata.normalize("NFD", composed)

    assert composed != decomposed
    assert is_password(hash_password(composed), decomposed)


@pytest.mark.parametrize("password", ["short", "x" * 257, ""])
def test_short_and_endless_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordError, match="10 to 256"):
        hash_password(password)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a\x00b", "<b>", "line\nbreak"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(AccountError, match="no user's name"):
        account_name(name)


def test_names_do_not_differ_by_case() -> None:
    assert account_name(" Kim@Example.ORG ") == "kim@example.org"
    assert account_name("김철수") == "김철수"


def test_a_user_is_not_overwritten_by_mistake(connection: Connection) -> None:
    with pytest.raises(AccountError, match="--replace"):
        add_user(connection, "kim", PASSWORD, Role.ADMIN, None, now_ms=2)

    assert [(user.name, user.role) for user in list_users(connection)] == [("kim", Role.OPERATOR)]


def test_changing_a_user_ends_its_sessions_and_keeps_its_tokens(connection: Connection) -> None:
    token = add_token(connection, "kim", 1)
    viewer = token_viewer(connection, token)
    assert viewer == Viewer("kim", Role.OPERATOR, frozenset({"gate"}))
    session = begin_session(connection, viewer, 1, local=True)

    add_user(connection, "kim", "another password", Role.VIEWER, None, now_ms=2, replace=True)

    assert session_viewer(connection, session, LIFETIME, 2) is None
    assert token_viewer(connection, token) == Viewer("kim", Role.VIEWER, None)


def test_removing_a_user_ends_its_tokens_and_sessions(connection: Connection) -> None:
    add_token(connection, "kim", 1)
    begin_session(connection, Viewer("kim", Role.OPERATOR), 1, local=True)

    remove_user(connection, "kim")

    for table in (users, tokens, sessions):
        assert connection.execute(select(table)).all() == []
    with pytest.raises(AccountError, match="there is no user kim"):
        remove_user(connection, "kim")


def test_tokens_and_sessions_are_stored_as_hashes_only(connection: Connection) -> None:
    token = add_token(connection, "kim", 1)
    session = begin_session(connection, Viewer("kim", Role.OPERATOR), 1, local=True)

    everything = "".join(
        str(row)
        for table in ("users", "tokens", "sessions")
        for row in connection.execute(text(f"SELECT * FROM {table}"))
    )

    assert token not in everything
    assert session not in everything
    assert PASSWORD not in everything


def test_revoked_tokens_open_nothing(connection: Connection) -> None:
    given = [add_token(connection, "kim", 1) for _ in range(2)]
    assert list_users(connection)[0].tokens == 2

    assert revoke_tokens(connection, "kim") == 2

    assert [token_viewer(connection, token) for token in given] == [None, None]


@pytest.mark.parametrize("token", ["", "hc_", "hc_x\udcff", "x" * 10_000])
def test_a_token_that_was_never_given_opens_nothing(connection: Connection, token: str) -> None:
    assert token_viewer(connection, token) is None


def test_a_session_ends_when_nobody_uses_it(connection: Connection) -> None:
    session = begin_session(connection, Viewer("kim", Role.OPERATOR), 0, local=True)

    assert session_viewer(connection, session, LIFETIME, 1000) is not None
    assert session_viewer(connection, session, LIFETIME, 1001) is None


def test_a_session_ends_at_last_however_much_it_is_used(connection: Connection) -> None:
    session = begin_session(connection, Viewer("kim", Role.OPERATOR), 0, local=True)
    for now in range(0, 11_000, 500):
        touch_session(connection, session, now)

    assert session_viewer(connection, session, LIFETIME, 10_000) is not None
    assert session_viewer(connection, session, LIFETIME, 10_001) is None


def test_a_session_follows_its_user_and_a_providers_keeps_its_rights(
    connection: Connection,
) -> None:
    ours = begin_session(connection, Viewer("kim", Role.ADMIN), 0, local=True)
    theirs = begin_session(
        connection, Viewer("Lee", Role.VIEWER, frozenset({"hall"})), 0, local=False
    )

    found = [session_viewer(connection, session, LIFETIME, 1) for session in (ours, theirs)]

    assert [each and each[0] for each in found] == [
        Viewer("kim", Role.OPERATOR, frozenset({"gate"})),
        Viewer("Lee", Role.VIEWER, frozenset({"hall"})),
    ]


def test_ended_sessions_are_forgotten(connection: Connection) -> None:
    viewer = Viewer("kim", Role.OPERATOR)
    begin_session(connection, viewer, 0, local=True)
    left = begin_session(connection, viewer, 1500, local=True)
    kept = begin_session(connection, viewer, 1500, local=True)
    end_session(connection, left)

    delete_ended(connection, LIFETIME, 2000)

    assert len(connection.execute(select(sessions)).all()) == 1
    assert session_viewer(connection, kept, LIFETIME, 2000) is not None


def test_the_audit_is_in_order_and_without_secrets(connection: Connection) -> None:
    record_audit(connection, 5, "kim", "signed in")
    record_audit(connection, 6, "kim", "changed", "gate", "source rtsp://u:pw@cam/1" + "x" * 5000)

    lines = audit_lines(connection)

    assert [(line["at"], line["who"], line["action"]) for line in lines] == [
        (6, "kim", "changed"),
        (5, "kim", "signed in"),
    ]
    assert "pw" not in lines[0]["detail"]
    assert len(lines[0]["detail"]) <= 2000
    assert audit_lines(connection, limit=1) == lines[:1]
    assert connection.execute(select(audit.c.id)).all() == [(1,), (2,)]
