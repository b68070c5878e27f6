"""Prints the ablations of docs/accuracy.md, each row with the command that measures it.

    python benchmarks/accuracy.py ../shared/data/shanghaitech [--every 4] [--only TEXT]

Every row runs `headcount evaluate`; rows of training runs need their folders under runs/.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

WEIGHTS = "--weights tiny"
PAPER = "--network configs/models/paper.yaml --run runs/paper_concat"
CROSS = "--network configs/models/paper-cross-attention.yaml --run runs/paper_cross"
SMALL = "--run runs/small"
CROSS_ATTENTION = "--network configs/models/tiny-cross-attention.yaml"

# title, options, pictures are thinned by this factor more, the way of counting that is shown
ROWS: tuple[tuple[str, str, int, str], ...] = (
    ("S = 1", f"{WEIGHTS} --steps 1", 1, "mass"),
    ("S = 2", f"{WEIGHTS} --steps 2", 1, "mass"),
    ("S = 4", f"{WEIGHTS} --steps 4", 1, "mass"),
    ("S = 8", f"{WEIGHTS} --steps 8", 1, "mass"),
    ("S = 50", f"{WEIGHTS} --steps 50", 1, "mass"),
    ("S = 500", f"{WEIGHTS} --steps 500", 4, "mass"),
    ("S = 4, leading spacing", f"{WEIGHTS} --steps 4 --leading", 1, "mass"),
    ("K = 4 samples", f"{WEIGHTS} --samples 4", 1, "mass"),
    ("decoded through the codebook", f"{WEIGHTS} --quantise", 1, "mass"),
    ("squeezed to 256 x 256", f"{WEIGHTS} --squash 256", 1, "mass"),
    ("longest side 512", f"{WEIGHTS} --max-side 512", 1, "mass"),
    ("sum inside contours", WEIGHTS, 1, "masked_mass"),
    ("one global threshold, contours", WEIGHTS, 1, "fixed_threshold"),
    ("adaptive threshold, contours", WEIGHTS, 1, "contours"),
    ("adaptive threshold, contours split at maxima", WEIGHTS, 1, "split"),
    ("8,000 crops: concatenation", f"{SMALL}/concatenation", 1, "mass"),
    ("8,000 crops: cross-attention", f"{CROSS_ATTENTION} {SMALL}/cross_attention", 1, "mass"),
    ("8,000 crops: KL", f"--network configs/models/tiny-kl.yaml {SMALL}/kl", 1, "mass"),
    ("8,000 crops: no scaling", f"{SMALL}/unscaled", 1, "mass"),
    ("8,000 crops: no rendered scenes", f"{SMALL}/without_scenes", 1, "mass"),
    ("8,000 crops: plain regressor", f"--regressor {SMALL}/regressor", 1, "regressor"),
    ("8,000 crops: MCNN", f"--mcnn {SMALL}/mcnn", 1, "regressor"),
    ("the paper's model, small budget, concatenation", f"{PAPER} --steps 50", 2, "contours"),
    ("the paper's model, small budget, cross-attention", f"{CROSS} --steps 50", 2, "contours"),
)


def evaluated(data: Path, options: str, every: int) -> dict[str, Any]:
    """What `headcount evaluate --json` says of a folder or, under "parts", of several."""
    arguments = ["--data", str(data), "--json", "--every", str(every), *shlex.split(options)]
    command = [sys.executable, "-m", "headcount", "evaluate", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}: {done.stderr.strip()}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def errors(figures: dict[str, Any]) -> str:
    """MAE / RMSE."""
    return f"{figures['mae']:.1f} / {figures['rmse']:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=4, help="every so manieth test picture")
    parser.add_argument("--only", default="", help="rows whose title holds this text")
    arguments = parser.parse_args()
    known: dict[tuple[str, int], dict[str, Any]] = {}
    print("| | A | B | ms A / B | `headcount evaluate --data DATA/shanghaitech` and |")
    print("|---|---|---|---|---|")
    for title, options, thinner, way in ROWS:
        if arguments.only not in title:
            continue
        every = arguments.every * thinner
        if (options, every) not in known:
            known[options, every] = evaluated(arguments.data, options, every)["parts"]
        parts = known[options, every]
        shown = [part if way == "regressor" else part["ways"][way] for part in parts.values()]
        cells = [f"{errors(f)} ({f['bias']:+.0f})" for f in shown]
        cells.append(" / ".join(f"{part.get('ms_per_frame', 0):.0f}" for part in parts.values()))
        print(f"| {title} | {' | '.join(cells)} | `{options} --every {every}` |", flush=True)


if __name__ == "__main__":
    main()
