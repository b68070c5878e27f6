"""``headcount users``: who may sign in to the dashboard, and with which rights."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headcount.arguments import AsJson, SiteFile
from headcount.failures import InputError, say

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from core.accounts import User
    from core.settings import Site

app = typer.Typer(help="Who may sign in to the dashboard and use its API.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]


@app.command("add")
def add(
    site: SiteFile,
    name: Name,
    role: Annotated[
        Literal["viewer", "operator", "admin"],
        typer.Option(
            help="viewer looks; operator also acknowledges incidents; admin also changes the site."
        ),
    ],
    cameras: Annotated[
        str | None, typer.Option(metavar="ID,...", help="Cameras it may see; by default all.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin: one line.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change a user that exists; its sessions end.")
    ] = False,
) -> None:
    """Add a user; the password is asked for, or read from stdin."""
    from core.accounts import account_name, add_user
    from core.clock import local_ms
    from core.roles import Role

    loaded = _load(site)
    name = account_name(name)
    seen = _cameras(cameras, loaded)
    password = _password(from_stdin=password_stdin)
    with _history(loaded) as connection:
        add_user(connection, name, password, Role(role), seen, local_ms(), replace=replace)
        rights = role if seen is None else f"{role} of {', '.join(seen)}"
        _audit(connection, "user changed" if replace else "user added", name, rights)
    print(f"{'Changed' if replace else 'Added'} {name}, {rights}.")
    if loaded.access.login != "local":
        say(f"note: {name} signs in with this password once {site} says `access: {{login: local}}`")


@app.command("token")
def token(
    site: SiteFile,
    name: Name,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End all API tokens of this user instead.")
    ] = False,
) -> None:
    """Make an API token for a user and print it; it is shown only this once."""
    from core.accounts import account_name, add_token, revoke_tokens
    from core.clock import local_ms

    loaded, name = _load(site), account_name(name)
    with _history(loaded) as connection:
        if revoke:
            number = revoke_tokens(connection, name)
            _audit(connection, "tokens revoked", name, str(number))
            made = ""
        else:
            made = add_token(connection, name, local_ms())
            _audit(connection, "token made", name, "")
    if made:
        print(made)  # alone on stdout, so that it can be piped into a secret store
        say("Send it as `Authorization: Bearer TOKEN`; it cannot be shown again.")
    else:
        print(f"Ended {number} tokens of {name}.")


@app.command("remove")
def remove(site: SiteFile, name: Name) -> None:
    """Remove a user, with its tokens; its sessions end within seconds."""
    from core.accounts import account_name, remove_user

    loaded, name = _load(site), account_name(name)
    with _history(loaded) as connection:
        remove_user(connection, name)
        _audit(connection, "user removed", name, "")
    print(f"Removed {name}.")


@app.command("list")
def show(
    site: SiteFile,
    as_json: AsJson = False,
) -> None:
    """List the users, their roles, their cameras and how many API tokens they have."""
    from core.accounts import list_users

    loaded = _load(site)
    with _history(loaded) as connection:
        found = list_users(connection)
    if as_json:
        print(json.dumps([_as_json(user) for user in found], ensure_ascii=False))
        return
    for user in found:
        seen = "all cameras" if user.cameras is None else ", ".join(sorted(user.cameras)) or "none"
        print(f"{user.name}  {user.role}  {seen}  {user.tokens} tokens")
    if not found:
        say(f"no users yet: headcount users add {site} NAME --role admin")


def _as_json(user: User) -> dict[str, object]:
    seen = None if user.cameras is None else sorted(user.cameras)
    return {"name": user.name, "role": user.role, "cameras": seen, "tokens": user.tokens}


def _load(path: Path) -> Site:
    from headcount.site_loading import load

    return load(path).site


@contextmanager
def _history(site: Site) -> Iterator[Connection]:
    from core.history import History

    history = History.open(site.history.url)
    try:
        with history.transaction() as connection:
            yield connection
    finally:
        history.close()


def _audit(connection: Connection, action: str, subject: str, detail: str) -> None:
    from core.audit import record_audit
    from core.clock import local_ms
    from core.logging import configure_logging

    configure_logging("users")
    record_audit(connection, local_ms(), _who(), action, subject, detail)


def _who() -> str:
    try:
        return f"command line ({getpass.getuser()})"
    except (KeyError, OSError):  # a container's user has no name
        return f"command line ({os.getuid()})"


def _cameras(text: str | None, site: Site) -> list[str] | None:
    """The ids in ``--cameras``.

    Raises:
        InputError: one of them is not in the site.
    """
    if text is None:
        return None
    asked = [part.strip() for part in text.split(",") if part.strip()]
    known = [camera.id for camera in site.cameras]
    unknown = sorted(set(asked) - set(known))
    if unknown or not asked:
        raise InputError(
            f"--cameras: {', '.join(unknown) or 'nothing'} is no camera of this site; "
            f"allowed are {', '.join(known)}"
        )
    return sorted(set(asked))


def _password(*, from_stdin: bool) -> str:
    """A password that was typed twice, or the first line of stdin.

    Raises:
        InputError: the two differ, or nobody is there to ask.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask for the password: use --password-stdin")
    first = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != first:
        raise InputError("the two passwords differ; nothing was changed")
    return first
