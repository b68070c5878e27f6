"""Rows about kept files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert

from core.evidence import (
    EvidenceFile,
    add_evidence,
    evidence_of,
    find_evidence,
    forget_evidence,
    old_evidence,
)
from core.history import History
from core.history_schema import incidents


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    with history.transaction() as connection:
        for number in (1, 2, 3):
            connection.execute(
                insert(incidents).values(
                    id=number,
                    kind="crowd",
                    camera="gate",
                    level="warning",
                    peak_level="warning",
                    unit="persons",
                    peak=5.0,
                    raised_at=number,
                    change=1,
                )
            )
        yield connection
    history.close()


def file(incident: int, name: str, created_at: int = 50) -> EvidenceFile:
    return EvidenceFile(incident, name, "picture", 40, 1234, "0" * 64, created_at)


def test_files_are_found_by_incident_and_name(connection: Connection) -> None:
    first, second = file(1, "warning-picture.jpg"), file(2, "warning-picture.jpg")
    add_evidence(connection, first)
    add_evidence(connection, second)
    assert evidence_of(connection, [1, 2, 3]) == {1: [first], 2: [second]}
    assert find_evidence(connection, 1, "warning-picture.jpg") == first
    assert find_evidence(connection, 3, "warning-picture.jpg") is None
    assert first.url == "/api/v1/incidents/1/evidence/warning-picture.jpg"
    assert first.path(Path("/e")) == Path("/e/1/warning-picture.jpg")


def test_a_file_written_again_takes_the_place_of_the_first(connection: Connection) -> None:
    add_evidence(connection, file(1, "a.jpg", 50))
    add_evidence(connection, file(1, "a.jpg", 60))
    assert evidence_of(connection, [1])[1][0].created_at == 60


def test_old_files_come_first_and_can_be_forgotten(connection: Connection) -> None:
    for number, created_at in ((1, 30), (2, 10), (3, 20)):
        add_evidence(connection, file(number, "a.jpg", created_at))
    assert [each.incident for each in old_evidence(connection, 30, 10)] == [2, 3]
    forget_evidence(connection, file(2, "a.jpg"))
    assert [each.incident for each in old_evidence(connection, 40, 1)] == [3]


def test_a_deleted_incident_takes_its_rows_along(connection: Connection) -> None:
    add_evidence(connection, file(1, "a.jpg"))
    connection.execute(delete(incidents).where(incidents.c.id == 1))
    assert evidence_of(connection, [1]) == {}
