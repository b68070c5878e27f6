"""Prints the first two tables of docs/accuracy.md, and the near heads' row.

    python -m benchmarks.main_tables ../shared/data OUT [--weights tiny]

writes frames of the two camera videos to OUT, and runs `headcount evaluate` on everything.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from benchmarks.accuracy import errors, evaluated
from benchmarks.camera_sets import write_cameras
from headcount.evaluate import ROWS

EVERY = 20  # frames of the cameras' videos


def set_row(name: str, figures: dict[str, Any]) -> str:
    """One row of the table of sets and cameras."""
    game = " / ".join(f"{figures['game'][level]:.1f}" for level in "123")
    f1 = " / ".join(f"{value:.2f}" for value in figures["f1"].values())
    cells = [
        name,
        str(figures["n"]),
        f"{figures['mae']:.1f}",
        f"{figures['rmse']:.1f}",
        f"{figures['ways']['density']['mae']:.1f}",
        f"{figures['ways']['best_constant']['mae']:.1f}",
        f"{figures['nae']:.2f}",
        f"{figures['bias']:+.1f}",
        game,
        f1,
        f"{figures['coverage']:.0%}",
        f"{figures['interval_width']:.0f}",
        f"{figures['ms_per_frame']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path, help="folder for the cameras' frames")
    parser.add_argument("--weights", default="tiny")
    arguments = parser.parse_args()
    options = f"--weights {shlex.quote(arguments.weights)}"
    parts = evaluated(arguments.data / "shanghaitech", options, 1)["parts"]
    a, b = parts.values()
    print("| | A | B |\n|---|---|---|")
    print(f"| reported count | {errors(a)} | {errors(b)} |")
    for way, title in ROWS.items():
        print(f"| {title} | {errors(a['ways'][way])} | {errors(b['ways'][way])} |", flush=True)
    write_cameras(arguments.data / "videos", range(0, 800, EVERY), arguments.out)
    folders = {
        f"Mall, every {EVERY}th of 800 frames": arguments.out / "mall",
        f"PETS 2009, every {EVERY}th of 795 frames": arguments.out / "pets",
        "sparse photographs": arguments.data / "sparse",
    }
    print(
        "| set | pictures | MAE | RMSE | control | best constant | NAE | bias | GAME(1 / 2 / 3) "
        "| F1 at 4 / 8 px | coverage | mean width | ms |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    print(set_row("ShanghaiTech A, test", a))
    print(set_row("ShanghaiTech B, test", b))
    for name, folder in folders.items():
        print(set_row(name, evaluated(folder, options, 1)), flush=True)
    depths = [
        f"{b['precision_by_depth'][depth]:.2f} / {b['recall_by_depth'][depth]:.2f}"
        for depth in b["precision_by_depth"]
    ]
    print(f"B, precision / recall of far, middle and near heads: {', '.join(depths)}")
    for name, part in zip("AB", (a, b), strict=True):
        shares = ", ".join(f"{k}: {share:.0%}" for k, share in part["coverages"].items())
        print(f"{name}, share of pictures that the intervals hold: {shares}")


if __name__ == "__main__":
    main()
