"""Every configuration that was applied, in the history database, without its secrets."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from core.history_schema import config_versions
from core.site_file import LoadedSite
from core.site_secrets import without_secrets


@dataclass(frozen=True)
class ConfigVersion:
    """A configuration as it was applied once.

    Attributes:
        version: first 12 hex digits of its text's sha256, secrets included.
        at: when it was applied, ms UTC.
        by: a user's name, or what applied it.
        text: of the site file; ``***`` stands for each secret, ``${ENV}`` is unexpanded.
    """

    id: int
    version: str
    at: int
    by: str
    text: str


def record(connection: Connection, loaded: LoadedSite, by: str, at_ms: int) -> None:
    """Note that a configuration is applied; once, where it already is the last one noted."""
    last = latest(connection)
    if last is not None and last.version == loaded.version:
        return
    connection.execute(
        insert(config_versions).values(
            version=loaded.version, at=at_ms, by=by, text=without_secrets(loaded.text)
        )
    )


def latest(connection: Connection) -> ConfigVersion | None:
    """The one applied last."""
    return next(iter(versions(connection, 1)), None)


def versions(connection: Connection, at_most: int = 100) -> list[ConfigVersion]:
    """The ones applied last, newest first."""
    newest = select(config_versions).order_by(config_versions.c.id.desc()).limit(at_most)
    return [ConfigVersion(**row) for row in connection.execute(newest).mappings()]
