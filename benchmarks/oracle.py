"""Prints what reading costs where nothing is generated: true maps of validation pictures, read.

    python -m benchmarks.oracle DATA/shanghaitech [--autoencoder runs/small/vq_autoencoder]

Errors in people per picture: by contours (the paper's reading), by contours split at maxima, and,
with a run of `headcount train autoencoder`, of the maps that its autoencoder gives back.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from headcount.training_inputs import NETWORK, loaded, network_of
from models.crowd_map import crowd_map
from models.network import CrowdDiffusion
from models.reading import read_map
from models.training.autoencoder import ORACLE_READING, oracle
from models.training.data import Annotated, read_folder, split

SIGMAS = (0.5, 0.7, 1.0, 1.5, 2.0, 4.0)  # pixels
SQUASH = 256
PARTS = ("part_A", "part_B")


def errors(items: Sequence[Annotated], sigma: float, squash: int | None) -> tuple[float, float]:
    """Mean absolute errors of true maps by contours and by contours split at maxima."""
    # What suits kernels of one pixel, in the unit of the kernels.
    settings = replace(ORACLE_READING, window=ORACLE_READING.window * sigma)
    found = []
    for item in items:
        height, width = item.picture().shape[:2]
        heads = item.heads
        if squash:
            heads = heads * np.array([squash / width, squash / height], np.float32)
            height = width = squash
        inside = heads[((heads >= 0) & (heads < np.array([width, height]))).all(axis=1)]
        reading = read_map(crowd_map(inside, height, width, sigma), settings, sigma)
        found.append((reading.contours - len(inside), reading.split - len(inside)))
    contours, splits = np.abs(np.array(found)).mean(axis=0)
    return float(contours), float(splits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--autoencoder", type=Path, help="a run's folder")
    parser.add_argument("--network", type=Path, default=NETWORK)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sets = [split(read_folder(arguments.data / part / "train_data"))[1] for part in PARTS]
    print("| true maps | A contours / split | B contours / split |\n|---|---|---|")
    if arguments.autoencoder is None:
        rows: list[tuple[str, float, int | None]]
        rows = [(f"sigma {sigma} px, native", sigma, None) for sigma in SIGMAS]
        rows += [(f"sigma 1.0 px, squeezed to {SQUASH} x {SQUASH}", 1.0, SQUASH)]
        for title, sigma, squash in rows:
            shown = ["{:.1f} / {:.1f}".format(*errors(items, sigma, squash)) for items in sets]
            print(f"| {title} | {' | '.join(shown)} |", flush=True)
        return
    module = CrowdDiffusion(network_of(arguments.network)).autoencoder
    autoencoder = loaded(module, arguments.autoencoder).eval()
    both = [oracle(autoencoder, items) for items in sets]
    shown = [f"{e.contours:.1f} / {e.split:.1f}" for e in both]
    print(f"| {arguments.autoencoder}, regularised | {' | '.join(shown)} |")
    shown = [f"- / {e.unquantised_split:.1f}" for e in both]
    print(f"| {arguments.autoencoder}, the latent as it is | {' | '.join(shown)} |")
    shown = [f"sum {e.mass:.1f}" for e in both]
    print(f"| {arguments.autoencoder}, regularised, sum | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
