"""The OpenAPI document says what the code does: routes, roles, limits and words."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from core.evidence import MEDIA_TYPES
from core.history_series import AUTO_POINTS, MOST_POINTS, STEPS, VALUES
from core.messages import Reason
from core.sections import Identifier
from core.settings import Levels
from dashboard.answers import LARGEST_ID
from dashboard.api import FORMATS, HISTORY_QUERY, INCIDENTS_QUERY, NOTE_LIMIT
from dashboard.identity import COOKIE
from dashboard.openapi import document
from dashboard.overlay import LAYERS, parse_layers
from dashboard.permissions import is_open, needed_role
from dashboard.pictures import DEFAULT_OVERLAY
from dashboard.trial import MOST, MOST_MEGABYTES
from dashboard.values import LEVELS
from tests.dashboard.locked import Locked

OF_THE_API = ("/api/", "/live/", "/healthz", "/metrics")
METHODS = {"get", "post", "put", "patch", "delete"}
SCHEMAS: dict[str, Any] = document()["components"]["schemas"]


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of everything that the document describes."""
    return [
        (method.upper(), path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def operation(name: str) -> dict[str, Any]:
    return next(each for _, _, each in operations() if each["operationId"] == name)


def parameters(name: str) -> dict[str, dict[str, Any]]:
    """The schemas of an operation's parameters in the query."""
    given = operation(name).get("parameters", ())
    return {each["name"]: each["schema"] for each in given if each.get("in") == "query"}


def test_it_describes_the_routes_that_there_are_and_no_other(locked: Locked) -> None:
    registered = {
        (method, re.sub(r":\w+\}", "}", path))
        for path, methods in locked.routes
        for method in methods
        # What answers unknown paths takes every path.
        if path.startswith(OF_THE_API) and "{path:path}" not in path
        if method not in ("HEAD", "WEBSOCKET")
    }

    assert {(method, path) for method, path, _ in operations()} == registered


@pytest.mark.parametrize(("method", "path", "described"), operations())
def test_it_says_who_may(method: str, path: str, described: dict[str, Any]) -> None:
    filled = re.sub(r"\{\w+\}", "7", path)

    if is_open(filled):
        assert described["security"] == []
        assert "x-role" not in described
    else:
        assert described["x-role"] == needed_role(method, filled)
        assert {"401", "403", "503"} <= described["responses"].keys()


def test_its_names_of_operations_are_unique() -> None:
    names = [each["operationId"] for _, _, each in operations()]

    assert len(names) == len(set(names))


def test_its_words_are_those_of_the_code() -> None:
    assert SCHEMAS["Level"]["enum"] == [*LEVELS, None]
    assert SCHEMAS["Reason"]["enum"] == [*(reason.value for reason in Reason), None]
    assert SCHEMAS["HistoryRow"]["required"] == ["at", *VALUES]
    incident = SCHEMAS["Incident"]["properties"]
    assert incident["level"]["enum"] == incident["peak_level"]["enum"] == list(LEVELS)
    units = get_args(Levels.model_fields["unit"].annotation)
    assert incident["unit"]["enum"] == [*units, ""]
    assert parameters("history")["step"]["enum"] == [*STEPS, "auto"]
    assert parameters("history")["format"]["enum"] == list(FORMATS)
    assert operation("evidence")["responses"]["200"]["content"].keys() == set(MEDIA_TYPES.values())
    assert document()["components"]["securitySchemes"]["session"]["name"] == COOKIE


def test_its_parameters_are_those_that_the_code_looks_at() -> None:
    assert parameters("history").keys() == set(HISTORY_QUERY)
    assert parameters("incidents").keys() == set(INCIDENTS_QUERY)
    assert parameters("count").keys() == MOST.keys()


def test_its_limits_are_those_of_the_code() -> None:
    assert {name: each["maximum"] for name, each in parameters("count").items()} == MOST
    assert f"{MOST_MEGABYTES} MB" in operation("count")["requestBody"]["description"]
    assert SCHEMAS["Acknowledgement"]["properties"]["note"]["maxLength"] == NOTE_LIMIT
    shared = document()["components"]["parameters"]
    assert shared["IncidentId"]["schema"]["maximum"] == LARGEST_ID
    assert SCHEMAS["Id"]["pattern"] == get_args(Identifier)[1].metadata[0].pattern
    step = next(each for each in operation("history")["parameters"] if each["name"] == "step")
    assert f"{AUTO_POINTS:,} rows" in step["description"]
    assert f"{MOST_POINTS:,}." in step["description"].replace("\n", " ")


def test_its_overlays_are_those_that_can_be_drawn() -> None:
    schema = document()["components"]["parameters"]["Overlay"]["schema"]

    assert schema["default"] == DEFAULT_OVERLAY
    for overlay in (*LAYERS, ",".join(LAYERS), "none", ""):
        assert re.search(schema["pattern"], overlay)
        parse_layers(overlay)
    assert not re.search(schema["pattern"], "faces")


def test_everything_in_it_is_used_and_explained() -> None:
    text = str(document())
    for kind in ("schemas", "parameters", "responses"):
        for name in document()["components"][kind]:
            # An event is a text to HTTP; its description names what is in that text.
            assert f"#/components/{kind}/{name}'" in text or f"`{name}`" in text, name
    for _, path, described in operations():
        assert described["summary"], path
        assert set(described["tags"]) <= {each["name"] for each in document()["tags"]}


def keys_without_value(value: Any, place: str = "") -> list[str]:
    """Where a key has none: an unquoted comma in braces makes one out of half a sentence."""
    if isinstance(value, dict):
        pairs = [(key, each) for key, each in value.items() if key not in ("example", "examples")]
        empty = [f"{place}/{key}" for key, each in pairs if each is None]
        return empty + [
            found for key, each in pairs for found in keys_without_value(each, f"{place}/{key}")
        ]
    if isinstance(value, list):
        return [found for each in value for found in keys_without_value(each, place)]
    return []


def test_no_sentence_of_it_was_cut_off() -> None:
    assert keys_without_value(document()) == []
    for name, schema in SCHEMAS.items():
        for key, described in schema.get("properties", {}).items():
            assert described.get("description", "full.").strip().endswith("."), (name, key)
