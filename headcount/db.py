"""``headcount db``: its commands; what they do is in `headcount.database`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headcount.arguments import SiteFile

app = typer.Typer(help="Look after the history database.", no_args_is_help=True)


@app.command("upgrade")
def db_upgrade(site: SiteFile) -> None:
    """Bring the history database to this version's schema (services also do it at their start)."""
    from headcount.database import upgrade

    upgrade(site)


@app.command("backup")
def db_backup(
    site: SiteFile,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; must not exist.")],
) -> None:
    """Write a consistent copy of the history as one SQLite file, while the services run."""
    from headcount.database import backup

    backup(site, out)


@app.command("restore")
def db_restore(
    site: SiteFile,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What db backup wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the history holds data: they are lost.")
    ] = False,
) -> None:
    """Put a backup in the place of the history, SQLite or PostgreSQL; stop the services first."""
    from headcount.database import restore

    restore(site, file, replace=replace)
