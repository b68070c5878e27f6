"""Every route that the dashboard has, found by itself, for every role and camera.

Nobody lists a route here: a new one is asked like all others. Anonymous people get 401 unless the
path is one of the open ones; what changes something needs the role that the contract names, else an
admin; and no answer to somebody who may not see a camera says anything of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.dashboard.locked import HIDDEN, HIDDEN_WORDS, SEEN, USERS, Locked
from tests.waiting import wait_until

OPEN = ("/healthz", "/login", "/auth/")
SAFE = ("GET", "HEAD", "OPTIONS")
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
OPERATORS_MAY = (r"/api/v1/incidents/\d+/ack", r"/api/v1/count")
RESTRICTED = ("visitor", "guard")
MOST_BYTES = 300_000  # of an answer that never ends
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def incidents(locked: Locked) -> dict[str, int]:
    """An incident of each camera, and both cameras shown with their counts."""
    found = {
        camera: locked.feeder.incident(
            camera=camera, zone="all", acknowledged_at=1, acknowledged_by=camera, note=camera
        )
        for camera in (SEEN, HIDDEN)
    }
    with locked.program("chief") as http:
        wait_until(
            lambda: {77.0, 12.0} == {each["count"] for each in http.get("/api/v1/cameras").json()}
        )
    return found


def filled(path: str, camera: str, incident: int) -> str:
    """A route's path with its parameters replaced."""
    values = {"camera": camera, "id": str(incident), "incident": str(incident)}
    return PARAMETER.sub(lambda match: values.get(match[1], "x"), path)


def of_a_camera(path: str) -> bool:
    return bool({"camera", "incident", "id"} & set(PARAMETER.findall(path)))


def requests(locked: Locked) -> Iterator[tuple[str, str]]:
    """Every method of every route."""
    for path, methods in locked.routes:
        for method in methods:
            yield method, path


def ask(http: httpx.Client, method: str, path: str) -> tuple[int, bytes]:
    """Status and body, or the beginning of one that goes on."""
    if method == "WEBSOCKET":
        # Refused it is an answer like any other; opened it would never be one.
        headers = {**WEBSOCKET, "Origin": str(http.base_url)}
        with http.stream("GET", path, headers=headers) as answer:
            return answer.status_code, b"" if answer.status_code == 101 else answer.read()
    headers = {"Accept": "application/json"}
    with http.stream(method, path, headers=headers) as answer:
        body = b""
        for chunk in answer.iter_bytes():
            body += chunk
            is_endless = answer.headers.get("content-type", "").startswith(
                ("text/event-stream", "multipart/x-mixed-replace")
            )
            if len(body) > MOST_BYTES or (is_endless and len(body) > 2000):
                break
        return answer.status_code, body


def test_the_routes_were_found(locked: Locked) -> None:
    paths = {path for path, _ in locked.routes}

    assert {"/api/v1/cameras", "/metrics", "/live/{camera}.jpg", "/login", "/"} <= paths
    assert any(path.startswith("/_stcore/stream") for path in paths)  # Streamlit's own
    assert len(paths) > 25


def test_nobody_gets_in_without_a_login(locked: Locked, incidents: dict[str, int]) -> None:
    with locked.client() as http:
        for method, route in requests(locked):
            path = filled(route, SEEN, incidents[SEEN])
            status, body = ask(http, method, path)
            if path.startswith(OPEN):
                assert b"hall" not in body, (method, path)
            else:
                assert status == 401, (method, path, status)
                assert SEEN.encode() not in body


def test_what_cannot_be_named_is_denied_too(locked: Locked) -> None:
    with locked.client() as http:
        for path in (
            "/no/such/page", "/api/v9/x", "/live/x.gif", "/static/js/x.js", "//evil", "/%2e",
            "/auth/../api/v1/cameras", "/healthz/x", "/login/../live/hall.jpg",
        ):  # fmt: skip
            assert http.get(path).status_code == 401, path


@pytest.mark.parametrize("user", list(USERS))
def test_what_changes_something_needs_its_role(
    locked: Locked, incidents: dict[str, int], user: str
) -> None:
    role = USERS[user][0].value
    with locked.program(user) as http:
        for method, route in requests(locked):
            path = filled(route, SEEN, incidents[SEEN])
            if method in (*SAFE, "WEBSOCKET") or path.startswith(OPEN):
                continue
            operators = any(re.fullmatch(pattern, path) for pattern in OPERATORS_MAY)
            allowed = role == "admin" or (role == "operator" and operators)
            status, body = ask(http, method, path)
            refused = status == 403 and b"needs the role" in body
            assert refused is not allowed, (user, method, path, status)


@pytest.mark.parametrize("user", RESTRICTED)
def test_a_camera_that_may_not_be_seen_does_not_exist(
    locked: Locked, incidents: dict[str, int], user: str
) -> None:
    with locked.program(user) as http:
        for method, route in requests(locked):
            if method == "WEBSOCKET":
                continue
            path = filled(route, HIDDEN, incidents[HIDDEN])
            status, body = ask(http, method, path)
            if of_a_camera(route):
                assert status in (403, 404, 405), (user, method, path, status)
                assert method not in SAFE or status != 403, (user, method, path)
            else:
                assert not any(word.encode() in body for word in HIDDEN_WORDS), (user, path)


@pytest.mark.parametrize("user", RESTRICTED)
def test_asking_for_a_hidden_camera_in_the_query_gives_nothing(
    locked: Locked, incidents: dict[str, int], user: str
) -> None:
    with locked.program(user) as http:
        for method, route in requests(locked):
            if method != "GET" or not route.startswith("/api/v1/"):
                continue
            path = filled(route, HIDDEN, incidents[HIDDEN])
            # One at a time: a route may refuse a parameter that it does not know.
            for query in (f"camera={HIDDEN}", f"id={incidents[HIDDEN]}"):
                status, body = ask(http, method, f"{path}?{query}")
                hidden = any(word.encode() in body for word in HIDDEN_WORDS)
                assert status == 404 or not hidden, (user, path, status)


def test_whoever_may_see_everything_does(locked: Locked, incidents: dict[str, int]) -> None:
    with locked.program("watcher") as http:
        for path in (
            "/api/v1/cameras", "/metrics", "/api/v1/events", "/api/v1/incidents",
            f"/api/v1/history?camera={HIDDEN}", f"/live/{HIDDEN}.jpg", f"/live/{HIDDEN}.mjpg",
        ):  # fmt: skip
            status, _ = ask(http, "GET", path)
            assert status == 200, path
        for path in ("/api/v1/cameras", "/metrics", "/api/v1/events", "/api/v1/incidents"):
            assert HIDDEN.encode() in ask(http, "GET", path)[1], path


def test_an_operator_acknowledges_only_what_it_may_see(locked: Locked) -> None:
    mine, hidden = (locked.feeder.incident(camera=camera) for camera in (SEEN, HIDDEN))
    with locked.program("guard") as http:
        assert http.post(f"/api/v1/incidents/{hidden}/ack", json={}).status_code == 404
        answer = http.post(f"/api/v1/incidents/{mine}/ack", json={"note": "sent two people"})
        again = http.post(f"/api/v1/incidents/{mine}/ack", json={})

    assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "guard")
    assert again.status_code == 409


def test_unknown_paths_of_the_api_are_404_and_never_the_page(locked: Locked) -> None:
    with locked.program("visitor") as http:
        for path in ("/api", "/api/v2/cameras", "/live/", "/live/hall.gif", "/api/v1/nothing"):
            answer = http.get(path, headers={"Accept": "text/html"})
            assert answer.status_code == 404, path
            assert "<html" not in answer.text
