"""Trains the rows of docs/accuracy.md that are compared at an equal small number of crops.

    python benchmarks/equal_budget.py ../shared/data [--crops 8000] [--only NAME]

A stage that has been trained is passed over, one that was cut off goes on. The runs are kept under
runs/small/; benchmarks/accuracy.py measures them.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

SMALL = "--config configs/training/small.yaml"
UNSCALED = "--config configs/training/small-unscaled.yaml"
WITHOUT_SCENES = "--config configs/training/small-without-scenes.yaml"
ON_REGRESSOR = "--autoencoder runs/autoencoder --regressor runs/small/regressor"
CROSS = "--network configs/models/tiny-cross-attention.yaml"
KL = "--network configs/models/tiny-kl.yaml"

# name of the run, stage, options; an autoencoder's crops are smaller, so it sees more of them
RUNS: tuple[tuple[str, str, str], ...] = (
    ("regressor", "regressor", SMALL),
    ("concatenation", "diffusion", f"{SMALL} {ON_REGRESSOR}"),
    ("cross_attention", "diffusion", f"{SMALL} {ON_REGRESSOR} {CROSS}"),
    ("unscaled_regressor", "regressor", UNSCALED),
    (
        "unscaled",
        "diffusion",
        f"{UNSCALED} --autoencoder runs/autoencoder --regressor runs/small/unscaled_regressor",
    ),
    ("without_scenes_regressor", "regressor", WITHOUT_SCENES),
    (
        "without_scenes",
        "diffusion",
        f"{WITHOUT_SCENES} --autoencoder runs/autoencoder "
        "--regressor runs/small/without_scenes_regressor",
    ),
    ("vq_autoencoder", "autoencoder", SMALL),
    ("kl_autoencoder", "autoencoder", f"{SMALL} {KL}"),
    (
        "kl",
        "diffusion",
        f"{SMALL} {KL} --autoencoder runs/small/kl_autoencoder --regressor runs/small/regressor",
    ),
    ("mcnn", "regressor", f"{SMALL} --mcnn"),
)
AUTOENCODER_FACTOR = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--crops", type=int, default=8000)
    parser.add_argument("--only", default="", help="runs whose name holds this text")
    arguments = parser.parse_args()
    for name, stage, options in RUNS:
        out = Path("runs/small") / name
        finished = out / "finished"
        if arguments.only not in name or finished.is_file():
            continue
        crops = arguments.crops * (AUTOENCODER_FACTOR if stage == "autoencoder" else 1)
        budget = ["--crops", str(crops), "--minutes", "600", "--resume"]
        words = ["train", stage, "--data", str(arguments.data), "--out", str(out)]
        command = [sys.executable, "-m", "headcount", *words, *budget, *shlex.split(options)]
        print(shlex.join(command), flush=True)
        subprocess.run(command, check=True)  # noqa: S603
        finished.touch()


if __name__ == "__main__":
    main()
