import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.strict_yaml import parse


def value(text: str, **environment: str) -> Any:
    document = parse(text, environment)
    assert document.faults == []
    return document.value


def faults(text: str, **environment: str) -> list[tuple[int, str]]:
    document = parse(text, environment)
    return [(fault.line or document.line(fault.place), fault.message) for fault in document.faults]


@pytest.mark.parametrize(
    "text",
    ["off", "on", "yes", "no", "Off", "y", "n", "8:30", "1:30:00", "2026-01-01", "1_000", "0b1",
     "'true'", '"5"', "1.2.3", "+", ".", "0x", "<", "=", "1e", "08:15"],
)  # fmt: skip
def test_what_looks_like_text_is_text(text: str) -> None:
    assert value(f"key: {text}") == {"key": text.strip("'\"")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("5", 5),
        ("-3", -3), ("007", 7), ("0o17", 15), ("0xff", 255), ("1.5", 1.5), (".5", 0.5),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015), ("5.", 5.0),
    ],
)  # fmt: skip
def test_other_scalars_follow_yaml_1_2(text: str, expected: object) -> None:
    found = value(f"key: {text}")["key"]
    assert found == expected
    assert type(found) is type(expected)


def test_lines_are_those_of_the_keys() -> None:
    document = parse("a:\n  b: 1\n  c:\n    - 2\n    - {d: 3}\n")
    assert document.lines[("a",)] == 1
    assert document.lines[("a", "c")] == 3
    assert document.lines[("a", "c", 1, "d")] == 5
    assert document.line(("a", "c", 1, "missing")) == 5


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key is given twice (first on line 1)"),
        ("a:\n  b: 1\n  'b': 2", 3, "the key is given twice (first on line 2)"),
        ("a: !!str 5", 1, "tags (tag:yaml.org,2002:str) are not allowed"),
        ("a: !!python/object/apply:os.system [ls]", 1, "tags ("),
        ("a: ! b", 1, "tags (!) are not allowed"),
        ("a: &x 1", 1, "anchors (&x) are not allowed"),
        ("a: &x 1\nb: *x", 2, "aliases (*x) are not allowed"),
        ("a: {<<: {b: 1}}", 1, "merge keys (<<) are not allowed"),
        ("? [a, b]\n: 1", 1, "a key must be plain text"),
        ("a: 1\n---\nb: 2", 2, "a second document begins here"),
        ("a: 1\n\tb: 2", 2, "a tab is used for indentation"),
        ("a: b: c", 1, "a ': ' stands where no key can be"),
        ("a:\n  b: 1\n c: 2", 3, "the indentation does not line up"),
        ("a: [1, 2", 1, "a bracket is never closed, or a comma is missing (opened on line 1)"),
        ("a: @b", 1, "text that begins with @"),
        ("a: 'b\nc: d", 2, "a quote or a bracket is never closed (opened on line 1)"),
        ("a: 1\nb\nc: 2", 2, "a key has no ':' after it"),
        ("a: \x00b", 1, "a control character is not allowed"),
        ("a: 1\nb: \x07", 2, "a control character is not allowed"),
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("a: .inf", 1, ".inf is not allowed"),
        ("a: -.INF", 1, "-.INF is not allowed"),
        ("a: .nan", 1, ".nan is not allowed"),
        ("a: 1e999", 1, "the number is too large"),
        (f"a: {'9' * 5000}", 1, "the number is too large"),
        ("a: " + "[" * 100 + "]" * 100, 1, "nested deeper than 32 levels"),
        ("%YAML 9.9\n---\na: 1", 1, "not valid YAML"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(text: str, line: int, message: str) -> None:
    assert [
        found for found in faults(text) if found[0] == line and found[1].startswith(message)
    ] != []


def test_a_bomb_of_aliases_is_not_unfolded() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for first, second in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{second}: &{second} [{', '.join(f'*{first}' for _ in range(9))}]\n"
    assert any("aliases" in message for _, message in faults(bomb))


def test_a_flood_of_brackets_is_one_fault() -> None:
    assert len(faults("[" * 500_000)) == 1


def test_several_faults_are_found_in_one_go() -> None:
    found = faults("a: !x 1\nb: &y 2\nc: 1\nc: 2\nd: ${NOPE}\n")
    assert [line for line, _ in found] == [1, 2, 4, 5]


def test_variables_are_expanded_then_typed() -> None:
    text = "a: rtsp://u:${PW}@h/x\nb: ${PORT}\nc: '${PORT}'\nd: ${EMPTY}\ne: [\"${PW}\"]"
    assert value(text, PW="p#:w", PORT="85", EMPTY="") == {
        "a": "rtsp://u:p#:w@h/x", "b": 85, "c": "85", "d": None, "e": ["p#:w"],
    }  # fmt: skip


def test_a_dollar_and_a_brace_can_be_written() -> None:
    assert value("a: p$${PW}$x", PW="secret") == {"a": "p${PW}$x"}


def test_variables_in_a_value_are_not_expanded_again() -> None:
    assert value("a: ${A}", A="${B}", B="b") == {"a": "${B}"}


def test_without_an_environment_variables_are_left_alone() -> None:
    assert parse("a: ${A}").value == {"a": "${A}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: ${NOPE}", "the environment variable NOPE is not set"),
        ("a: ${not-a-name}", "the name of an environment variable is expected"),
        ("a: ${}", "the name of an environment variable is expected"),
        ("a: ${A", "'${' is never closed"),
    ],
)
def test_a_variable_that_cannot_be_expanded_is_said(text: str, message: str) -> None:
    assert message in faults(text)[0][1]


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdef<:-#", max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_json_is_read_as_what_it_says(data: Any) -> None:
    assert value(json.dumps({"key": data}, ensure_ascii=False)) == {"key": data}


@given(st.text(max_size=80))
def test_no_text_makes_it_fail_otherwise_than_by_faults(text: str) -> None:
    document = parse(text, {})
    assert document.faults or document.value is not None or text.strip()
