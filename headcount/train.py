"""`headcount train`: the stages of the model, each a time-boxed run that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated as Argument
from typing import Any, TypeVar

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file
from torch import nn

from core.site_file import SiteFileError, load_yaml
from headcount.failures import InputError
from models.layers import channels_last
from models.network import CrowdDiffusion, NetworkConfig
from models.training.crops import BatchStream, CropSource, Example, decoded
from models.training.data import Annotated, DataError, read_folder, split
from models.training.run import TrainingRun
from scenes.training import training_picture

app = typer.Typer(no_args_is_help=True, help="Train the model, stage by stage (docs/training.md).")
console = Console(stderr=True)

CONFIGS = Path(__file__).parents[1] / "configs"
DataOption = Argument[Path, typer.Option("--data", help="Folder that holds the data sets.")]
OutOption = Argument[Path, typer.Option("--out", help="Folder of the run.")]
MinutesOption = Argument[float, typer.Option("--minutes", min=0.1, help="Budget of the run.")]
ResumeOption = Argument[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")]
RecipeOption = Argument[Path, typer.Option("--config", help="The training recipe (YAML).")]
NetworkOption = Argument[Path, typer.Option("--network", help="Sizes of the network (YAML).")]
SeedOption = Argument[int, typer.Option("--seed", help="Of weights and crops.")]
RECIPE = CONFIGS / "training" / "tiny.yaml"
NETWORK = CONFIGS / "models" / "tiny.yaml"
LATENT_EVERY = 20  # every so manieth picture tells the latent's mean and deviation
SCENES, SCENE_SIDE = 240, 448  # rendered pictures and their side in pixels
AUTOENCODER_CROP, AUTOENCODER_BATCH = 128, 16  # maps are small worlds: many small crops

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class DataSets:
    """The data sets that the recipe names and that are there, split."""

    train: Mapping[str, list[Annotated]]
    validation: Mapping[str, list[Annotated]]
    shares: Mapping[str, float]


def read_data_sets(data: Path, shares: Mapping[str, float]) -> DataSets:
    """Reads the annotations of the data sets; one that is not there is left out and said so.

    Raises:
        InputError: none is there, or one is damaged.
    """
    train, validation = {}, {}
    try:
        for name in shares:
            if name == "scenes":
                continue
            if not (data / name).is_dir():
                console.print(f"{data / name} is not there: training goes on without it")
                continue
            train[name], validation[name] = split(read_folder(data / name))
    except DataError as error:
        raise InputError(str(error)) from None
    if not train:
        expected = ", ".join(name for name in shares if name != "scenes")
        raise InputError(f"{data}: holds none of the recipe's data sets ({expected})")
    return DataSets(train, validation, shares)


def recipe_of(config: Path) -> dict[str, Any]:
    """The recipe in a YAML file.

    Raises:
        InputError: it is unreadable or lacks a key.
    """
    try:
        recipe = load_yaml(config)
    except SiteFileError as error:
        raise InputError(str(error)) from None
    missing = {"batch", "crop", "shares"} - set(recipe or {})
    if missing:
        raise InputError(f"{config}: the keys {', '.join(sorted(missing))} are missing")
    return dict(recipe)


def network_of(config: Path) -> NetworkConfig:
    """The network's sizes in a YAML file.

    Raises:
        InputError: it is unreadable or has an unknown key.
    """
    try:
        return NetworkConfig.from_mapping(load_yaml(config))
    except (SiteFileError, TypeError) as error:
        raise InputError(f"{config}: {error}") from None


def loaded(module: Module, run: Path) -> Module:
    """The module with the best weights of an earlier run.

    Raises:
        InputError: the run has none yet.
    """
    path = run / "best.safetensors"
    if not path.is_file():
        raise InputError(f"{path}: not there; run the earlier stage first")
    module.load_state_dict(load_file(path))
    return module


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
) -> None:
    """Trains until the budget is used; prints how it goes."""
    if resume and run.resume():
        console.print(f"resumed at {run.progress.seconds / 60:.1f} minutes")
    console.print(f"decoding {sum(map(len, sets.train.values()))} pictures")
    examples = {name: decoded(items) for name, items in sets.train.items()}
    if "scenes" in sets.shares:
        examples["scenes"] = rendered_scenes(seed)
    source = CropSource(examples, sets.shares, crop, squash=squash)
    # A resumed run sees new crops, not the first ones again.
    batches = BatchStream(source, batch, seed + run.progress.step)
    try:
        run.fit(batches, loss)
        share = batches.waited_s / max(run.progress.seconds, 1e-9)
        console.print(f"done; {share:.0%} of the time was spent waiting for crops")
    finally:
        batches.close()


@app.command()
def autoencoder(
    data: DataOption,
    out: OutOption,
    minutes: MinutesOption = 10.0,
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
    resume: ResumeOption = False,
    seed: SeedOption = 0,
) -> None:
    """Stage 0: the VQ autoencoder of crowd maps; validation is gate 1."""
    from models.training.autoencoder import autoencoder_loss, autoencoder_run

    torch.manual_seed(seed)
    sizes = network_of(network)
    shares = {n: s for n, s in recipe_of(config)["shares"].items() if "shanghaitech" in n}
    sets = read_data_sets(data, shares)
    module = CrowdDiffusion(sizes).autoencoder
    run = autoencoder_run(module, out, minutes, sets.validation)
    fit(
        run,
        autoencoder_loss,
        sets,
        crop=sizes.squash or AUTOENCODER_CROP,
        batch=AUTOENCODER_BATCH,
        seed=seed,
        resume=resume,
        squash=sizes.squash is not None,
    )


@app.command()
def regressor(
    data: DataOption,
    out: OutOption,
    minutes: MinutesOption = 60.0,
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
    resume: ResumeOption = False,
    seed: SeedOption = 0,
    mcnn: Argument[
        bool, typer.Option("--mcnn", help="The published baseline instead of the conditioner.")
    ] = False,
) -> None:
    """Stage 1: the conditioner as a density regressor (the control of every table)."""
    from models.baselines import Mcnn
    from models.training.regressor import regressor_loss, regressor_run, validation

    torch.manual_seed(seed)
    recipe = recipe_of(config)
    sets = read_data_sets(data, recipe["shares"])
    conditioner = CrowdDiffusion(network_of(network)).conditioner
    module = channels_last(Mcnn() if mcnn else conditioner)
    run = regressor_run(module, out, minutes, validation(sets.validation))
    fit(
        run,
        regressor_loss,
        sets,
        crop=recipe["crop"],
        batch=recipe["batch"],
        seed=seed,
        resume=resume,
    )


@app.command()
def diffusion(
    data: DataOption,
    out: OutOption,
    autoencoder_folder: Argument[
        Path | None, typer.Option("--autoencoder", help="Run folder of stage 0.")
    ] = None,
    regressor_folder: Argument[
        Path | None,
        typer.Option("--regressor", help="Run folder of stage 1; from scratch without."),
    ] = None,
    start: Argument[
        Path | None,
        typer.Option("--start", help="Instead of both: run folder of an earlier diffusion."),
    ] = None,
    minutes: MinutesOption = 60.0,
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
    resume: ResumeOption = False,
    seed: SeedOption = 0,
) -> None:
    """Stage 2: the diffusion on the conditioner's features, through the frozen decoder."""
    from models.training.autoencoder import measure_latents
    from models.training.diffusion import DiffusionLoss, NoiseLoss, diffusion_run
    from models.training.regressor import validation

    torch.manual_seed(seed)
    recipe = recipe_of(config)
    sets = read_data_sets(data, recipe["shares"])
    sizes = network_of(network)
    module = channels_last(CrowdDiffusion(sizes))
    if start is not None:
        loaded(module, start)
    elif autoencoder_folder is not None:
        loaded(module.autoencoder, autoencoder_folder)
        if regressor_folder is not None:
            loaded(module.conditioner, regressor_folder)
        for_scale = [item for items in sets.train.values() for item in items[::LATENT_EVERY]]
        measure_latents(module.autoencoder, for_scale)
    else:
        raise typer.BadParameter("give --autoencoder, or --start")
    run = diffusion_run(module, out, minutes, validation(sets.validation))
    fit(
        run,
        NoiseLoss(seed) if sizes.prediction == "epsilon" else DiffusionLoss(seed),
        sets,
        crop=sizes.squash or recipe["crop"],
        batch=recipe["batch"],
        seed=seed,
        resume=resume,
        squash=sizes.squash is not None,
    )


@app.command()
def calibrate(
    data: DataOption,
    run_folder: Argument[Path, typer.Option("--run", help="Run folder of stage 2.")],
    weights: Argument[Path, typer.Option("--weights", help="The weights file to write.")],
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
) -> None:
    """Last: choose steps, reading and interval on validation, and write the weights file."""
    from models.training.calibration import choose_recipe
    from models.training.regressor import validation
    from models.weights import save_weights

    sets = read_data_sets(data, recipe_of(config)["shares"])
    module = loaded(CrowdDiffusion(network_of(network)), run_folder).eval()
    recipe, figures = choose_recipe(module, validation(sets.validation), sets.validation)
    for name, value in figures.items():
        console.print(f"{name}: {value:.4f}", highlight=False)
    digest = save_weights(module, recipe, weights)
    console.print(
        f"{weights}: S = {recipe.steps}, control's share {recipe.density_share:.0%}, "
        f"sha256 {digest}",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    app()
