"""The running API against its OpenAPI document: schemathesis sends what it allows and what not.

Once as an admin with the document narrowed to what the site under test has, so that what it allows
must succeed; once as an operator who sees one camera, with the document as it is. What it does not
allow must be refused, and every answer must be one that it describes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import settings, strategies
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from core.commands import CommandListener
from core.evidence import EvidenceFile, add_evidence
from core.messages import Command, Keys, Reply, Service
from core.site_file import load_site
from inference.decoding import PictureError, decode_picture
from inference.result_item import result_item
from tests.dashboard.closed_document import closed_document
from tests.dashboard.conftest import SITE
from tests.dashboard.feeder import a_picture
from tests.dashboard.locked import Locked, locked_dashboard
from tests.waiting import wait_until

EXAMPLES = 15  # of each operation and kind, besides the edges of every parameter
STREAMS = ("events", "pictures")  # which do not end; asked for below
PRIVATE = {"id": "vault", "source": "rtsp://127.0.0.1:9/vault", "privacy": "none"}
OPEN, KEPT = 7001, 7002  # incidents
CLIP = "warning-clip.mp4"
HEADS = np.array([[1, 2, 0.9], [3.5, 4, 1.1]], np.float32)
COUNTED: Any = SimpleNamespace(count=2.0, low=1.0, high=4.0, heads=HEADS, ms=90.0)

schemathesis.openapi.media_type("image/jpeg", strategies.just(a_picture()))
schemathesis.openapi.media_type("image/png", strategies.just(a_picture()))


def narrowed() -> dict[str, Any]:
    """The document with the cameras, incidents and times that there are."""
    narrow = closed_document()
    parameters, paths = narrow["components"]["parameters"], narrow["paths"]
    parameters["CameraId"]["schema"] = {"enum": ["hall", "gate"]}
    parameters["IncidentId"]["schema"] |= {"enum": [OPEN, KEPT]}
    evidence = paths["/api/v1/incidents/{id}/evidence/{name}"]["get"]["parameters"]
    evidence[1]["schema"] = {"enum": [CLIP]}
    for method in paths["/api/v1/cameras/{camera}/background"].values():
        method["parameters"] = [{**parameters["CameraId"], "schema": {"const": "vault"}}]
    allowed = {
        "camera": {"enum": ["hall", "gate", "vault"]},
        "zone": {"enum": ["floor"]},
        "from": {"enum": ["2026-01-31T18:00:00Z", "2026-01-31T18:30:00+09:00", "2026-01-31"]},
        "to": {"enum": ["2026-02-01T02:00:00Z", "2026-02-01 09:00:00.5"]},
    }
    for path in ("/api/v1/history", "/api/v1/incidents"):
        for parameter in paths[path]["get"]["parameters"]:
            parameter["schema"] = allowed.get(parameter["name"], parameter["schema"])
            parameter.pop("example", None)
            # Seconds of more than a day are too many rows.
            parameter["required"] = parameter["name"] in ("camera", "to")
    return narrow


def loaded(api: dict[str, Any]) -> Any:
    """What schemathesis makes its requests from: always the same ones."""
    generation = GenerationConfig(deterministic=True)
    projects = ProjectsConfig(default=ProjectConfig(generation=generation))
    schema = schemathesis.openapi.from_dict(
        api, config=SchemathesisConfig(seed=1, projects=projects)
    )
    return schema.exclude(operation_id=list(STREAMS))


REPEATABLE = settings(max_examples=EXAMPLES, derandomize=True, database=None)


def counts(command: Command) -> Reply:
    """A worker's answer to a picture."""
    try:
        decode_picture(command.payload or b"")
    except PictureError as error:
        return Reply(id=command.id, ok=False, error=str(error))
    return Reply(id=command.id, ok=True, result=result_item(COUNTED, "picture", 0, None))


def takes(command: Command) -> Reply:
    """Ingest's answer, asked for a picture of a camera."""
    return Reply(id=command.id, ok=True, payload=a_picture(shade=200))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """A dashboard behind a login with counts, incidents and evidence; worker and ingest answer."""
    folder = tmp_path_factory.mktemp("api")
    with locked_dashboard(folder, cameras=[*SITE["cameras"], PRIVATE]) as running:
        feeder = running.feeder
        feeder.counts = {"hall": 12.0, "gate": 4.0, "vault": 3.0}
        feeder.levels = {("hall", "floor"): ("warning", 4.2), ("gate", "all"): ("normal", None)}
        feeder.incident(id=OPEN)
        feeder.incident(id=KEPT, cleared_at=feeder.clock.now_ms())
        for incident in (OPEN, KEPT):
            keep_clip(running, incident)
        url, keys = feeder.url, Keys()
        with (
            CommandListener(url, keys, Service.WORKER, {"count": counts}) as worker,
            CommandListener(url, keys, Service.INGEST, {"probe": takes}) as ingest,
            running.program("chief") as http,
        ):
            assert worker.wait_until_ready(5)
            assert ingest.wait_until_ready(5)
            wait_until(lambda: http.get("/live/hall.jpg").status_code == 200)
            wait_until(lambda: http.get("/live/gate.jpg").status_code == 200)
            yield running


def keep_clip(running: Locked, incident: int) -> None:
    data = bytes(range(256))
    site = load_site(running.folder / "site.yaml").site
    digest = hashlib.sha256(data).hexdigest()
    file = EvidenceFile(incident, CLIP, "clip", 5, len(data), digest, 6)
    path = file.path(Path(site.evidence.dir))
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with running.history.transaction() as connection:
        add_evidence(connection, file)


@loaded(narrowed()).parametrize()
@REPEATABLE
def test_what_the_document_allows_succeeds(case: schemathesis.Case, api: Locked) -> None:
    case.call_and_validate(base_url=api.address, headers=bearer(api, "chief"))


@loaded(closed_document()).parametrize()
@REPEATABLE
def test_an_operator_of_one_camera_is_answered_as_described(
    case: schemathesis.Case, api: Locked
) -> None:
    headers = bearer(api, "guard")
    not_there = [positive_data_acceptance]
    case.call_and_validate(base_url=api.address, headers=headers, excluded_checks=not_there)


def bearer(api: Locked, user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.tokens[user]}"}
