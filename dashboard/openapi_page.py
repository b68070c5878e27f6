"""The OpenAPI document as a page to read: one file made on the server, which loads nothing else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from starlette.responses import HTMLResponse

from dashboard.openapi_examples import Caller, curl
from dashboard.shell import CHOSEN_THEME
from dashboard.theme import PALETTE

STYLE = Path(__file__).with_name("openapi.css")
METHODS = ("get", "post", "put", "patch", "delete")
EVERYWHERE = ("Unauthorised", "Forbidden", "Away")  # answers that are told of once
ROLES = {"viewer": "any role", "operator": "operator", "admin": "admin", None: "no login"}

ANSWERS = ("Status", "", "")

_markdown = MarkdownIt("commonmark", {"html": False})


def openapi_page(document: Mapping[str, Any], source: str, caller: Caller) -> HTMLResponse:
    """The page.

    Args:
        document: OpenAPI 3.1, as plain data.
        source: path at which it is served as JSON.
        caller: for whom the examples are.
    """
    nonce = secrets.token_urlsafe(16)
    info = document["info"]
    writer = _Writer(document, caller)
    operations = "".join(writer.tag(tag) for tag in document["tags"])
    schemas = "".join(writer.schema(name) for name in writer.objects())
    script = f"{CHOSEN_THEME}document.documentElement.dataset.theme = light ? 'light' : 'dark';"
    page = f"""<!doctype html>
<html lang="en" class="headcount" data-theme="dark"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>HTTP API · {escape(info["title"])}</title>
<script nonce="{nonce}">{script}</script>
<style nonce="{nonce}">{PALETTE.read_text("utf-8")}{STYLE.read_text("utf-8")}</style></head>
<body><nav aria-label="Routes"><a class="back" href="/">← Headcount</a>{writer.contents()}</nav>
<main><h1>HTTP API</h1>{_blocks(info["description"])}
<p>For programs that generate code or requests: <a href="{source}">{source}</a>, OpenAPI
{escape(document["openapi"])}.</p>
<section id="access"><h2>Access</h2>{writer.access()}</section>
{operations}<section id="schemas"><h2>Schemas</h2>{schemas}</section></main></body></html>"""
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


class _Writer:
    """Writes the parts of the page."""

    def __init__(self, document: Mapping[str, Any], caller: Caller) -> None:
        self.document = document
        self.caller = caller
        self.schemas: Mapping[str, Any] = document["components"]["schemas"]

    def operations(self, tag: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Path, method and operation of each route with this tag."""
        for path, methods in self.document["paths"].items():
            for method in METHODS:
                if tag in methods.get(method, {}).get("tags", ()):
                    yield path, method, methods[method]

    def objects(self) -> list[str]:
        """Names of the schemas that are shown by themselves; others stand where they are used."""
        return [name for name in self.schemas if self._is_object(name)]

    def contents(self) -> str:
        parts = ['<a href="#access">Access</a>']
        for tag in self.document["tags"]:
            parts.append(f"<strong>{escape(tag['name'])}</strong>")
            for path, method, operation in self.operations(tag["name"]):
                target = f"#{escape(operation['operationId'])}"
                short = _breakable(path.removeprefix("/api/v1"))
                parts.append(f'<a href="{target}">{_method(method)}<span>{short}</span></a>')
        parts.append("<strong>Schemas</strong>")
        parts += [f'<a href="#schema-{name}">{name}</a>' for name in self.objects()]
        return "".join(parts)

    def access(self) -> str:
        """How to say who you are, and what every route answers to those it does not let in."""
        words = "Login is off here: programs need nothing. Otherwise, one of these:"
        intro = "" if self.caller.with_token else f"<p>{words}</p>"
        answers = self.document["components"]["responses"]
        rows = (self._answer(status, answers[name]) for status, name in self._everywhere())
        return f"{intro}{self._schemes()}<h4>Answers of every route</h4>{_table(ANSWERS, rows)}"

    def _everywhere(self) -> Iterator[tuple[str, str]]:
        """Status and name of the answers in `EVERYWHERE`."""
        found = {
            (status, name)
            for methods in self.document["paths"].values()
            for operation in methods.values()
            for status, answer in operation["responses"].items()
            if (name := _referenced(answer)) in EVERYWHERE
        }
        yield from sorted(found)

    def _schemes(self) -> str:
        schemes = self.document["components"]["securitySchemes"]
        says = {"http": "Authorization: Bearer TOKEN", "apiKey": "Cookie: {name}=..."}
        rows = (
            (_code(says[scheme["type"]].format(**scheme)), _inline(scheme["description"]))
            for scheme in schemes.values()
        )
        return _table(("Header", ""), rows)

    def tag(self, tag: Mapping[str, str]) -> str:
        """A section with all routes of a tag."""
        body = "".join(self.operation(*each) for each in self.operations(tag["name"]))
        title, words = escape(tag["name"]), _inline(tag["description"])
        return f"<section><h2>{title}</h2><p>{words}</p>{body}</section>"

    def operation(self, path: str, method: str, operation: Mapping[str, Any]) -> str:
        """One route: what it does, what it takes, what it answers, and how to call it."""
        parameters = [self._resolved(each) for each in operation.get("parameters", ())]
        command = curl(path, method, operation, parameters, self.caller)
        role = ROLES[operation.get("x-role")]
        return (
            f'<article id="{escape(operation["operationId"])}">'
            f"<h3>{_method(method)}<code>{_breakable(path)}</code>"
            f'<span class="role">{role}</span></h3>'
            f'<p class="summary">{_inline(operation["summary"])}</p>'
            f"{_blocks(operation.get('description', ''))}"
            f"<pre tabindex='0'><code>{escape(command)}</code></pre>"
            f"{self._parameters(parameters)}{self._body(operation)}"
            f"<h4>Answers</h4>{_table(ANSWERS, self._answers(operation))}</article>"
        )

    def _parameters(self, parameters: list[dict[str, Any]]) -> str:
        rows = [
            (
                _code(each["name"]) + ("" if each.get("required") else " <i>optional</i>"),
                self._kind(each["schema"]),
                _inline(each["description"]),
            )
            for each in parameters
        ]
        return f"<h4>Parameters</h4>{_table(('Name', 'Value', ''), rows)}" if rows else ""

    def _body(self, operation: Mapping[str, Any]) -> str:
        body = operation.get("requestBody")
        if body is None:
            return ""
        rows = [(_code(kind), self._kind(each["schema"])) for kind, each in body["content"].items()]
        needed = "" if body["required"] else " <i>optional</i>"
        words = f"<p>{_inline(body['description'])}</p>" if "description" in body else ""
        return f"<h4>Body{needed}</h4>{words}{_table(('Type', ''), rows)}"

    def _answers(self, operation: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        for status, answer in operation["responses"].items():
            if _referenced(answer) not in EVERYWHERE:
                yield self._answer(status, self._resolved(answer))

    def _answer(self, status: str, answer: Mapping[str, Any]) -> tuple[str, ...]:
        content = answer.get("content", {}).items()
        kinds = [f"{_code(kind)} {self._kind(each['schema'])}" for kind, each in content]
        return _code(status), _inline(answer["description"]), "<br>".join(kinds)

    def schema(self, name: str) -> str:
        """One schema: its properties, and an example."""
        schema = self.schemas[name]
        words = _blocks(schema.get("description", ""))
        properties, required = self._properties(schema)
        rows = [
            (
                _code(key) + ("" if key in required else " <i>optional</i>"),
                self._kind(each),
                _inline(self._described(each)),
            )
            for key, each in properties.items()
        ]
        example = ""
        if "example" in schema:
            text = escape(json.dumps(schema["example"], indent=2))
            example = f"<details><summary>Example</summary><pre><code>{text}</code></pre></details>"
        table = _table(("Key", "Value", ""), rows)
        return f'<article id="schema-{name}"><h3>{name}</h3>{words}{table}{example}</article>'

    def _properties(self, schema: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """Properties and the names of the required ones, those of ``allOf`` first."""
        found: dict[str, Any] = {}
        required: set[str] = set()
        for each in [*map(self._resolved, schema.get("allOf", ())), schema]:
            found |= each.get("properties", {})
            required |= set(each.get("required", ()))
        return found, required

    def _kind(self, schema: Mapping[str, Any]) -> str:
        """What values a schema allows, in words, as HTML."""
        name = _referenced(schema)
        if name is not None and self._is_object(name):
            return f'<a href="#schema-{name}">{name}</a>'
        schema = self._resolved(schema)
        words = _allowed(schema)
        if "items" in schema:
            words = f"list of {self._kind(schema['items'])}"
        if "default" in schema and schema["default"] != "":
            words += f"; by default {_code(json.dumps(schema['default']).strip(chr(34)))}"
        return words

    def _described(self, schema: Mapping[str, Any]) -> str:
        return str(schema.get("description") or self._resolved(schema).get("description", ""))

    def _is_object(self, name: str) -> bool:
        schema = self.schemas[name]
        return "allOf" in schema or (schema.get("type") == "object" and not self._is_part(name))

    def _is_part(self, name: str) -> bool:
        """Whether a schema is only there for others to build upon."""
        part = {"$ref": f"#/components/schemas/{name}"}
        return any(part in each.get("allOf", ()) for each in self.schemas.values())

    def _resolved(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        """What a reference of the document leads to; other data as it is."""
        if "$ref" not in reference:
            return dict(reference)
        found: Any = self.document
        for key in reference["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        return {**found, **{key: value for key, value in reference.items() if key != "$ref"}}


def _allowed(schema: Mapping[str, Any]) -> str:
    """The values of a schema that refers to no other, as HTML."""
    if "const" in schema:
        return _code(json.dumps(schema["const"]))
    if "enum" in schema:
        return " · ".join(
            _code("null" if each is None else each or '""') for each in schema["enum"]
        )
    if schema.get("format") == "binary":
        return "the file"
    kinds = schema.get("type", "any JSON")
    words = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    if schema.get("format") == "date-time" or "examples" in schema:
        words = words.replace("string", "instant")
    if "maxLength" in schema:
        words += f" of at most {schema['maxLength']:,} characters"
    if "minimum" in schema and "maximum" in schema:
        words += f" from {schema['minimum']:,} to {schema['maximum']:,}"
    return words


def _referenced(schema: Mapping[str, Any]) -> str | None:
    reference = schema.get("$ref")
    return None if reference is None else str(reference).rpartition("/")[2]


def _method(method: str) -> str:
    return f'<b class="method {method}">{method.upper()}</b>'


def _breakable(path: str) -> str:
    """A path that may be broken after its slashes."""
    return escape(path).replace("/", "/<wbr>")


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _inline(text: str) -> str:
    return str(_markdown.renderInline(text))


def _blocks(text: str) -> str:
    return str(_markdown.render(text))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of cells that are HTML already."""
    titles = "".join(f"<th scope='col'>{title}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    kind = "answers" if head == ANSWERS else ""
    table = f"<table class='{kind}'><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='table' tabindex='0'>{table}</div>"
