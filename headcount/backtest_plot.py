"""A zone's values over time with its levels, drawn with characters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.text import Text

from core.settings import Levels

ROWS = 8
EIGHTHS = " ▁▂▃▄▅▆▇█"
COLOURS = {"watch": "yellow", "warning": "dark_orange", "critical": "red"}


def plot(
    name: str, curve: Sequence[tuple[int, float]], levels: Levels, zone: ZoneInfo, width: int
) -> Text:
    """The highest value of each column's time as bars; a column in the colour of its level.

    Args:
        curve: instants (ms UTC) and values in the unit of the levels; at least one.
        width: of the terminal, characters.
    """
    thresholds = levels.thresholds()
    columns = max(20, width - 10)
    begin, end = curve[0][0], curve[-1][0] + 1
    highest: list[float | None] = [None] * columns
    for at, value in curve:
        column = min(columns - 1, (at - begin) * columns // max(1, end - begin))
        known = highest[column]
        highest[column] = value if known is None else max(known, value)
    top = max(*(value for _, value in curve), *thresholds.values(), 1e-9) * 1.05
    text = Text(f"\n{name} ({levels.unit})\n")
    for row in reversed(range(ROWS)):
        low, high = top * row / ROWS, top * (row + 1) / ROWS
        here = [each for each, value in thresholds.items() if low <= value < high]
        label = f"{thresholds[here[-1]]:g}" if here else ""
        text.append(f"{label:>7} ", COLOURS[here[-1]] if here else "")
        for reached in highest:
            text.append(*_cell(reached, (low, high), thresholds, here))
        text.append("\n")
    clock = [
        datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).strftime("%m-%d %H:%M:%S")
        for at in (begin, end)
    ]
    text.append(" " * 8 + clock[0] + " " * max(1, columns - 28) + clock[1] + "\n")
    return text


def _cell(
    value: float | None, row: tuple[float, float], thresholds: dict[str, float], here: list[str]
) -> tuple[str, str]:
    """One character and its style."""
    low, high = row
    filled = 0.0 if value is None else min(1.0, max(0.0, (value - low) / (high - low)))
    if filled == 0.0:
        return ("-", COLOURS[here[-1]]) if here else (" ", "")
    reached = [name for name, threshold in thresholds.items() if value and value >= threshold]
    return EIGHTHS[max(1, round(filled * 8))], COLOURS[reached[-1]] if reached else "green"
