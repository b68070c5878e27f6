"""Evidence over HTTP: only what the database names, to those who may see the camera."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest
from sqlalchemy import insert

from core.evidence import EvidenceFile, add_evidence
from core.history_schema import incidents
from tests.dashboard.conftest import RunningDashboard

numbers = itertools.count(9100)


@pytest.fixture
def kept(dashboard: RunningDashboard) -> EvidenceFile:
    """A clip of an incident of the hall."""
    incident = next(numbers)
    data = bytes(range(256)) * 8
    folder = Path(dashboard.loaded.site.evidence.dir)
    digest = hashlib.sha256(data).hexdigest()
    file = EvidenceFile(incident, "warning-clip.mp4", "clip", 5, len(data), digest, 6)
    file.path(folder).parent.mkdir(parents=True)
    file.path(folder).write_bytes(data)
    (folder / "secret.txt").write_text("of somebody else")
    with dashboard.feeder.history.transaction() as connection:
        connection.execute(
            insert(incidents).values(
                id=incident,
                kind="crowd",
                camera="hall",
                zone="floor",
                level="warning",
                peak_level="warning",
                unit="persons/m2",
                peak=4.2,
                raised_at=1_000,
                cleared_at=2_000,
                change=2,
            )
        )
        add_evidence(connection, file)
    return file


def test_an_incident_lists_its_evidence_and_each_file_is_served(
    dashboard: RunningDashboard, kept: EvidenceFile
) -> None:
    query = {"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:00:03Z"}
    listed = dashboard.http.get("/api/v1/incidents", params=query).json()
    (mine,) = [each for each in listed if each["id"] == kept.incident]
    assert mine["evidence"] == [f"/api/v1/incidents/{kept.incident}/evidence/warning-clip.mp4"]
    answer = dashboard.http.get(mine["evidence"][0])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert hashlib.sha256(answer.content).hexdigest() == kept.sha256


def test_what_the_browser_has_is_not_sent_again(
    dashboard: RunningDashboard, kept: EvidenceFile
) -> None:
    first = dashboard.http.get(kept.url)
    tag = first.headers["etag"]
    same, weak, other = (
        dashboard.http.get(kept.url, headers={"If-None-Match": each})
        for each in (tag, f'"other", W/{tag}', '"other"')
    )

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (weak.status_code, other.status_code) == (304, 200)
    assert first.headers["x-content-type-options"] == "nosniff"


def test_a_player_may_ask_for_a_part(dashboard: RunningDashboard, kept: EvidenceFile) -> None:
    answer = dashboard.http.get(kept.url, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, bytes(range(10, 20)))


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "..%2Fsecret.txt", "%2e%2e%2fsecret.txt", "..%5Csecret.txt", "SHA256SUMS",
     "warning-clip.mp4/../../secret.txt", "/etc/passwd", "%2Fetc%2Fpasswd", ".", "%00"],
)  # fmt: skip
def test_no_other_name_leads_to_a_file(
    dashboard: RunningDashboard, kept: EvidenceFile, name: str
) -> None:
    folder = Path(dashboard.loaded.site.evidence.dir)
    (folder / str(kept.incident) / "SHA256SUMS").write_text("not in the database")
    answer = dashboard.http.get(f"/api/v1/incidents/{kept.incident}/evidence/{name}")
    assert answer.status_code in (400, 404)  # 400: refused before any route sees it
    assert b"somebody else" not in answer.content


def test_a_file_that_is_gone_and_an_unknown_incident_are_404(
    dashboard: RunningDashboard, kept: EvidenceFile
) -> None:
    kept.path(Path(dashboard.loaded.site.evidence.dir)).unlink()
    answer = dashboard.http.get(kept.url)
    assert (answer.status_code, "not in the folder" in answer.json()["error"]) == (404, True)
    assert dashboard.http.get("/api/v1/incidents/77/evidence/x.jpg").status_code == 404
