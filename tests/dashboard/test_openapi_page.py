"""The API's description as it is served: the document, the page, and the streams it tells of."""

from __future__ import annotations

import html
import json
import re
import shlex
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser

from dashboard.openapi import document
from tests.dashboard.closed_document import closed_document
from tests.dashboard.conftest import RunningDashboard
from tests.dashboard.locked import SEEN, Locked

DOCS = "/api/v1/docs"


def commands(page: str) -> list[list[str]]:
    """The words of each example on the page."""
    blocks = re.findall(r"<code>(curl .*?)</code>", page)
    return [shlex.split(html.unescape(block)) for block in blocks]


def test_the_document_is_served(dashboard: RunningDashboard) -> None:
    assert dashboard.http.get("/api/v1/openapi.json").json() == document()


def test_every_event_is_as_described(fed: RunningDashboard) -> None:
    schema: dict[str, Any] = {**closed_document(), "$ref": "#/components/schemas/ValuesEvent"}
    validator = Draft202012Validator(schema)

    with fed.http.stream("GET", "/api/v1/events") as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        events = [json.loads(next(lines).removeprefix("data: "))]
        number = fed.feeder.incident()
        # An incident of an earlier test may be seen to close first.
        while number not in [each["id"] for each in events[-1].get("incidents", [])]:
            events.append(json.loads(next(lines).removeprefix("data: ")))
            assert len(events) < 60

    first = events[0]
    assert first["full"]
    assert [error.message for event in events for error in validator.iter_errors(event)] == []
    assert list(validator.iter_errors({**first, "count": 3}))  # it would be seen


def test_the_pages_examples_work_as_they_stand(fed: RunningDashboard) -> None:
    found = commands(fed.http.get(DOCS).text)

    assert len(found) == sum(len(methods) for methods in document()["paths"].values())
    for command in found:
        assert not any("Authorization" in word for word in command)  # there is no login
        url = command[-1]
        assert url.startswith(fed.address)
        if "-X" in command or "-N" in command or "/incidents/17/" in url or url.endswith(".mjpg"):
            continue
        assert fed.http.get(url).status_code == 200, url


def test_the_pages_examples_carry_a_token_where_one_is_needed(locked: Locked) -> None:
    with locked.program("guard") as http:
        found = commands(http.get(DOCS).text)

    token = "Authorization: Bearer $TOKEN"
    assert {command[-1].partition("?")[0] for command in found if token not in command} == {
        f"{locked.address}/healthz"
    }
    assert any(f"camera={SEEN}" in command[-1] for command in found)


def test_a_person_who_is_not_signed_in_is_led_to_the_login(locked: Locked) -> None:
    with locked.client() as http:
        person = http.get(DOCS, headers={"Accept": "text/html"})
        program = http.get(DOCS, headers={"Accept": "application/json"})

    assert person.status_code == 303
    assert person.headers["location"] == "/login?next=%2Fapi%2Fv1%2Fdocs"
    assert program.status_code == 401


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_the_page_is_complete_by_itself(
    browser: Browser, dashboard: RunningDashboard, theme: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.add_init_script(f"localStorage.setItem('stActiveTheme-/-v2', '\"{theme}\"')")
    page = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    page.goto(dashboard.address + DOCS)

    assert page.locator("html").get_attribute("data-theme") == theme.lower()
    targets = page.locator("a[href^='#']").evaluate_all("all => all.map(each => each.hash)")
    assert len(targets) > 30
    for target in set(targets):
        assert page.locator(target).count() == 1, target
    assert page.evaluate("document.documentElement.scrollWidth") == 390  # nothing sticks out
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
    assert problems == []
    assert [url for url in asked if not url.startswith((dashboard.address, "data:"))] == []
    context.close()
