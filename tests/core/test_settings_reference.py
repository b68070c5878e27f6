import subprocess
import sys

from core.settings_reference import reference_markdown


def rows() -> dict[str, list[str]]:
    """Cells of each row by its key."""
    lines = [line for line in reference_markdown().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


def test_every_key_has_its_type_default_and_bounds() -> None:
    table = rows()
    assert table["cameras[].fps"][:2] == ["a number, above 0 and at most 60", "`1`"]
    assert table["cameras[].id"][1] == "**required**"
    assert table["cameras[].transport"][:2] == ["tcp or udp", "`tcp`"]
    assert table["cameras[].age_limit"][1] == "`3s`"
    assert table["history.keep.raw"][1] == "`35d`"
    assert table["model.max_side"][0] == "a whole number from 128 to 4096, or auto"
    assert table["cameras[].zones[].polygon"][0] == "a list of 3 to 64 pairs of numbers from 0 to 1"


def test_every_plain_key_says_what_it_means() -> None:
    assert [key for key, cells in rows().items() if "below" not in cells[0] and not cells[2]] == []


def test_the_command_that_makes_the_document_prints_it() -> None:
    command = [sys.executable, "-m", "core.settings_reference"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert made.stdout == reference_markdown()
