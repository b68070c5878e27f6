"""Documents that must keep up with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from core.messages import Reason
from core.settings_reference import reference_markdown

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def test_the_table_of_keys_is_current() -> None:
    written = (REPOSITORY / "docs" / "site-file.md").read_text()
    assert written == reference_markdown(), (
        "docs/site-file.md is out of date: python -m core.settings_reference > docs/site-file.md"
    )


def test_operators_are_told_what_each_reason_means() -> None:
    text = (REPOSITORY / "docs" / "operating.md").read_text()
    rows = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}
    assert [reason for reason in Reason if reason.value not in rows] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    text = (REPOSITORY / "docs" / "dependencies.md").read_text()
    names = [re.split(r"[^\w.-]", line)[0] for line in project["dependencies"]]
    assert [name for name in names if f"| {name} |" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text())
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


def test_make_targets_named_in_the_readme_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", (REPOSITORY / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
