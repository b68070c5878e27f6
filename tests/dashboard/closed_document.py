"""The OpenAPI document for tests: an answer with a key that it does not describe breaks it."""

from __future__ import annotations

import copy
from typing import Any

from dashboard.openapi import document


def closed_document() -> dict[str, Any]:
    """A copy whose objects have the described keys and no other.

    To clients the document leaves that open, since keys may be added.
    """
    closed = copy.deepcopy(document())
    schemas = closed["components"]["schemas"]
    built_upon = {each["$ref"] for schema in schemas.values() for each in schema.get("allOf", ())}
    for name, schema in schemas.items():
        has_keys = "properties" in schema or "allOf" in schema
        if has_keys and f"#/components/schemas/{name}" not in built_upon:
            schema["unevaluatedProperties"] = False
    return closed
