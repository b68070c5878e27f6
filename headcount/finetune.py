"""`headcount train finetune` and `label`: adapt weights to a camera with a few labelled frames."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated as Argument

import numpy as np
import torch
import typer

from headcount.failures import InputError
from headcount.training_inputs import (
    RECIPE,
    Bfloat16Option,
    DataSets,
    MinutesOption,
    RecipeOption,
    SeedOption,
    annotated_in,
    console,
    fit,
    read_data_sets,
)
from headcount.training_recipe import recipe_of
from models.counter import default_device
from models.layers import channels_last
from models.training.averages import between
from models.training.composites import composites
from models.training.crops import decoded
from models.training.data import Annotated
from models.training.diffusion import diffusion_loss, finetuning_run
from models.weights import load_weights, save_weights

CAMERA_SHARE = 0.6  # of the crops; the rest keeps the model from forgetting
CAMERA_SCALES = (0.8, 1.25)  # a fixed camera shows people at one size in one place
KEPT = 0.75  # of the way from the weights before to those after
COMPOSITES = 10  # pictures made of the frames, for each of them
HELD_OUT = 5  # every fifth labelled frame is not trained on and shows how far it has come


def finetune(
    camera_data: Argument[
        Path,
        typer.Option("--camera-data", help="Folder with images/ and points.csv (file, x, y)."),
    ],
    out: Argument[Path, typer.Option("--out", help="The weights file to write.")],
    weights: Argument[
        str, typer.Option("--weights", help="Name or file of the weights to start from.")
    ] = "tiny",
    minutes: MinutesOption = 15.0,
    data: Argument[
        Path | None,
        typer.Option(
            "--data", help="The recipe's data sets, against forgetting, if you have them."
        ),
    ] = None,
    config: RecipeOption = RECIPE,
    bfloat16: Bfloat16Option = False,
    seed: SeedOption = 0,
) -> None:
    """Adapt weights to a camera: a few labelled frames, a few minutes on a CPU."""
    if out.suffix != ".safetensors":
        raise InputError(f"--out {out}: name a .safetensors file")
    torch.manual_seed(seed)
    start = load_weights(weights)
    frames = labelled_frames(camera_data)
    held_out, train = frames, frames
    if len(frames) >= 2 * HELD_OUT:
        held_out = frames[::HELD_OUT]
        train = [frame for index, frame in enumerate(frames) if index % HELD_OUT]
    recipe = recipe_of(config)
    scenes = DataSets({}, {}, {"scenes": 1.0})  # our own rendered pictures, always there
    others = scenes if data is None else read_data_sets(data, recipe)
    rest = sum(others.shares.values())
    mixed = {name: (1 - CAMERA_SHARE) * share / rest for name, share in others.shares.items()}
    sets = DataSets(
        {**others.train, "camera": train},
        {"camera": held_out},
        {**mixed, "camera": CAMERA_SHARE},
    )
    rng = np.random.default_rng(seed)
    made = composites(decoded(train), COMPOSITES * len(train), rng)
    console.print(f"{len(made)} pictures made of the camera's people and background")
    network = channels_last(start.network).to(default_device())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with tempfile.TemporaryDirectory(prefix="headcount-finetune-") as folder:
        run = finetuning_run(network, Path(folder), minutes, sets.validation)
        fit(
            run,
            diffusion_loss,
            sets,
            recipe,
            seed=seed,
            resume=False,
            bfloat16=bfloat16,
            scales={"camera": CAMERA_SCALES},
            made={"camera": made},
        )
    network.load_state_dict(between(before, run.ema.state_dict(), KEPT))
    digest = save_weights(network.eval(), start.recipe, out)
    console.print(
        f"{out}: sha256 {digest}; the interval is still that of {start.name}. "
        f"Use it with model: {{name: {out}}} in the site file.",
        highlight=False,
        soft_wrap=True,
    )


def labelled_frames(folder: Path) -> list[Annotated]:
    """The camera's frames.

    Raises:
        InputError: the folder is not as it should be, or has no labelled frame.
    """
    frames = annotated_in(folder)
    if not any(len(frame.heads) for frame in frames):
        raise InputError(f"{folder}: no head is labelled in points.csv")
    if empty := sum(not len(frame.heads) for frame in frames):
        console.print(
            f"{empty} of {len(frames)} pictures have no head in points.csv: they are taken as "
            "empty. If people are in them, label them or take them out of images/."
        )
    return frames


def label(
    folder: Argument[
        Path, typer.Argument(metavar="FOLDER", help="Holds images/; points.csv is written there.")
    ],
    video: Argument[
        Path | None,
        typer.Option("--video", help="First take frames from this recording, evenly spread."),
    ] = None,
    frames: Argument[int, typer.Option("--frames", min=1, max=500, help="How many of them.")] = 20,
    weights: Argument[
        str, typer.Option("--weights", help="Weights that suggest the heads.")
    ] = "tiny",
    port: Argument[int, typer.Option("--port", min=1, max=65535)] = 8502,
) -> None:
    """Click heads on a camera's frames in the browser; the model suggests, you correct."""
    from headcount.labelling.labels import labelled_heads, take_frames

    labelled_heads(folder / "points.csv")  # what is wrong in it is said before the page opens
    if video is not None:
        taken = take_frames(video, folder / "images", frames)
        console.print(f"{folder / 'images'}: {taken} frames of {video.name}")
    if not (folder / "images").is_dir():
        raise InputError(f"{folder}: no folder images/ with the camera's frames (or give --video)")
    page = Path(__file__).parent / "labelling" / "page.py"
    console.print(f"http://127.0.0.1:{port} (Ctrl-C ends it)")
    sys.argv = [
        "streamlit",
        "run",
        str(page),
        "--server.address=127.0.0.1",
        f"--server.port={port}",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
        "--client.toolbarMode=minimal",
        "--",
        str(folder),
        weights,
    ]
    from streamlit.web.cli import main as streamlit

    streamlit()
