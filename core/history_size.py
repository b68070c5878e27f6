"""How many bytes a history takes."""

from __future__ import annotations

from sqlalchemy import Connection, text


def history_bytes(connection: Connection) -> int:
    """Size of the database, bytes; of SQLite without the log that is not yet written back."""
    if connection.dialect.name == "sqlite":
        pages: int = connection.execute(text("PRAGMA page_count")).scalar_one()
        return pages * int(connection.execute(text("PRAGMA page_size")).scalar_one())
    size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return int(size)
