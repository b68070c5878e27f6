"""Users and their API tokens, in the history database."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from core.accounts_schema import sessions, tokens, users
from core.passwords import hash_password
from core.roles import Role, Viewer

TOKEN_PREFIX = "hc_"  # noqa: S105 - it tells what leaked, where one is found
_NAME = re.compile(r"[\w.@+-]{1,64}")


class AccountError(ValueError):
    """An account cannot be made, changed or found; the text is one sentence."""


@dataclass(frozen=True)
class User:
    """A user as the command line lists it."""

    name: str
    role: Role
    cameras: frozenset[str] | None  # None for all
    tokens: int
    created_at: int  # ms UTC


def account_name(text: str) -> str:
    """The name as it is stored: upper and lower case are the same.

    Raises:
        AccountError: it is no name.

    >>> account_name("Kim")
    'kim'
    """
    name = unicodedata.normalize("NFKC", text.strip()).casefold()
    if not _NAME.fullmatch(name):
        raise AccountError(
            f"{text[:80]!r} is no user's name; allowed are 1 to 64 letters, digits and . _ @ + -"
        )
    return name


def add_user(
    connection: Connection,
    name: str,
    password: str,
    role: Role,
    cameras: Collection[str] | None,
    now_ms: int,
    *,
    replace: bool = False,
) -> None:
    """Make a user, or with ``replace`` change one: its sessions end, its tokens stay.

    Args:
        name: from `account_name`.
        cameras: ids of those it may see; None for all.

    Raises:
        AccountError: there is one of this name already, or an admin's cameras are limited.
        PasswordError: the password is not accepted.
    """
    if role is Role.ADMIN and cameras is not None:
        raise AccountError("an admin sees all cameras: the site file names them")
    values = {
        "password_hash": hash_password(password),
        "role": role.value,
        "cameras": cameras_json(cameras),
    }
    known = connection.execute(select(users.c.name).where(users.c.name == name)).first()
    if known is None:
        connection.execute(insert(users).values(name=name, created_at=now_ms, **values))
        return
    if not replace:
        raise AccountError(f"there is a user {name} already; --replace changes it")
    connection.execute(update(users).where(users.c.name == name).values(values))
    connection.execute(delete(sessions).where(sessions.c.account == name))


def remove_user(connection: Connection, name: str) -> None:
    """Remove a user, with its tokens and sessions.

    Raises:
        AccountError: there is none of this name.
    """
    _require(connection, name)
    connection.execute(delete(users).where(users.c.name == name))


def list_users(connection: Connection) -> list[User]:
    """All users, by name."""
    query = (
        select(users, func.count(tokens.c.hash).label("tokens"))
        .select_from(users.outerjoin(tokens, tokens.c.account == users.c.name))
        .group_by(*users.c)
        .order_by(users.c.name)
    )
    return [
        User(row.name, Role(row.role), cameras_of(row.cameras), row.tokens, row.created_at)
        for row in connection.execute(query)
    ]


def is_anybody(connection: Connection) -> bool:
    """Whether there is any user."""
    return connection.execute(select(users.c.name).limit(1)).first() is not None


def add_token(connection: Connection, name: str, now_ms: int) -> str:
    """A new API token of a user; only its hash is stored, so it is shown once.

    Raises:
        AccountError: there is no such user.
    """
    _require(connection, name)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = {"hash": secret_hash(token), "account": name, "created_at": now_ms}
    connection.execute(insert(tokens).values(row))
    return token


def revoke_tokens(connection: Connection, name: str) -> int:
    """End all tokens of a user; how many there were.

    Raises:
        AccountError: there is no such user.
    """
    _require(connection, name)
    return connection.execute(delete(tokens).where(tokens.c.account == name)).rowcount


def password_hash_of(connection: Connection, name: str) -> str | None:
    """The hash of a user's password, or None where there is no such user."""
    query = select(users.c.password_hash).where(users.c.name == name)
    return connection.execute(query).scalar()


def token_viewer(connection: Connection, token: str) -> Viewer | None:
    """Whose token this is, or None."""
    query = (
        select(users)
        .join(tokens, tokens.c.account == users.c.name)
        .where(tokens.c.hash == secret_hash(token))
    )
    row = connection.execute(query).first()
    return None if row is None else Viewer(row.name, Role(row.role), cameras_of(row.cameras))


def secret_hash(secret: str) -> str:
    """What is stored of a token or a session. They are random and long: no salt is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def cameras_json(cameras: Collection[str] | None) -> str | None:
    """Cameras as a row holds them."""
    return None if cameras is None else json.dumps(sorted(cameras))


def cameras_of(text: str | None) -> frozenset[str] | None:
    """Cameras of a row."""
    return None if text is None else frozenset(json.loads(text))


def _require(connection: Connection, name: str) -> None:
    if connection.execute(select(users.c.name).where(users.c.name == name)).first() is None:
        raise AccountError(f"there is no user {name}")
