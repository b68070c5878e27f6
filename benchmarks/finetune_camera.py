"""Prints what finetuning on twenty labelled frames of a camera does, and what it makes forget.

    python -m benchmarks.finetune_camera DATA OUT [--camera mall] [--weights tiny] [--minutes 15]
                                                  [--without-data]

Adapts the weights to Mall or PETS with frames 5, 15, ... 195, and measures them before and after on
every tenth of frames 400 to 799 and on every fourth test picture of ShanghaiTech.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.accuracy import evaluated
from benchmarks.camera_sets import write_cameras

LABELLED, UNSEEN = range(5, 200, 10), range(400, 800, 10)
THINNED = 4  # every so manieth picture of ShanghaiTech


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path, help="folder for the frames and the weights")
    parser.add_argument("--camera", choices=("mall", "pets"), default="mall")
    parser.add_argument("--weights", default="tiny")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--without-data", action="store_true", help="rehearse on scenes alone")
    arguments = parser.parse_args()
    camera, videos = arguments.camera, arguments.data / "videos"
    write_cameras(videos, LABELLED, arguments.out / "labelled")
    write_cameras(videos, UNSEEN, arguments.out / "unseen")
    labelled, unseen = (arguments.out / name / camera for name in ("labelled", "unseen"))
    adapted = arguments.out / f"{camera}.safetensors"
    rehearsal = [] if arguments.without_data else ["--data", arguments.data]
    run = ["--weights", arguments.weights, "--minutes", arguments.minutes, *rehearsal]
    words = ["train", "finetune", "--camera-data", labelled, "--out", adapted, *run]
    subprocess.run([sys.executable, "-m", "headcount", *map(str, words)], check=True)  # noqa: S603
    print(
        f"| | {camera}, frames 400 to 799 | bias | F1 at 8 px | A | B |\n|---|---|---|---|---|---|"
    )
    for name, weights in (("before", arguments.weights), ("after", adapted)):
        options = f"--weights {shlex.quote(str(weights))}"
        own = evaluated(unseen, options, 1)
        others = evaluated(arguments.data / "shanghaitech", options, THINNED)["parts"].values()
        cells = [f"{own['mae']:.2f}", f"{own['bias']:+.2f}", f"{own['f1']['8']:.2f}"]
        cells += [f"{part['mae']:.1f}" for part in others]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
