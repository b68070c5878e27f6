"""What is kept of an incident: rows in the history database, files in ``evidence.dir``.

A file's name is made by the alerts service and looked up in the database by whoever serves it, so
that no name from outside ever becomes part of a path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, case, delete, select

from core.history_rows import put_row
from core.history_schema import evidence as table

MEDIA_TYPES = {
    "picture": "image/jpeg",
    "map": "image/png",
    "heads": "application/json",
    "clip": "video/mp4",
}  # by kind
CHECKSUMS = "SHA256SUMS"  # in each incident's folder, for `sha256sum -c`


@dataclass(frozen=True)
class EvidenceFile:
    """One file of an incident."""

    incident: int
    name: str
    kind: str  # picture | map | heads | clip
    captured_at: int  # ms UTC, of the reading that it is about
    bytes: int
    sha256: str
    created_at: int  # ms UTC

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.kind]

    @property
    def url(self) -> str:
        """Where the dashboard serves it."""
        return f"/api/v1/incidents/{self.incident}/evidence/{self.name}"

    def path(self, folder: Path) -> Path:
        """The file below ``evidence.dir``."""
        return incident_folder(folder, self.incident) / self.name


def incident_folder(folder: Path, incident: int) -> Path:
    """Where an incident's files lie."""
    return folder / str(incident)


def add_evidence(connection: Connection, file: EvidenceFile) -> None:
    """Remember a file that was written; a file of the same name was replaced by it."""
    put_row(connection, table, vars(file))


def forget_evidence(connection: Connection, file: EvidenceFile) -> None:
    """Forget a file."""
    same = (table.c.incident == file.incident) & (table.c.name == file.name)
    connection.execute(delete(table).where(same))


def evidence_of(connection: Connection, incidents: Iterable[int]) -> dict[int, list[EvidenceFile]]:
    """The files of incidents, oldest first, and of one moment the picture first.

    Incidents without any are missing.
    """
    rank = case({kind: rank for rank, kind in enumerate(MEDIA_TYPES)}, value=table.c.kind)
    found: dict[int, list[EvidenceFile]] = {}
    rows = connection.execute(
        select(table)
        .where(table.c.incident.in_(list(incidents)))
        .order_by(table.c.captured_at, rank, table.c.name)
    )
    for row in rows.mappings():
        file = EvidenceFile(**row)
        found.setdefault(file.incident, []).append(file)
    return found


def find_evidence(connection: Connection, incident: int, name: str) -> EvidenceFile | None:
    """The file of this name, if the incident has one."""
    same = (table.c.incident == incident) & (table.c.name == name)
    row = connection.execute(select(table).where(same)).mappings().one_or_none()
    return None if row is None else EvidenceFile(**row)


def old_evidence(connection: Connection, before_ms: int, limit: int) -> list[EvidenceFile]:
    """Files written before an instant, the oldest first."""
    rows = connection.execute(
        select(table)
        .where(table.c.created_at < before_ms)
        .order_by(table.c.created_at, table.c.name)
        .limit(limit)
    )
    return [EvidenceFile(**row) for row in rows.mappings()]
