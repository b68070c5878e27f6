"""`headcount train`: the stages of the model, each a time-boxed run that can be resumed."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated as Argument

import torch
import typer

from headcount.failures import InputError
from headcount.finetune import finetune, label
from headcount.training_inputs import (
    NETWORK,
    RECIPE,
    BatchOption,
    Bfloat16Option,
    CropsOption,
    DataOption,
    DataSets,
    MinutesOption,
    NetworkOption,
    OutOption,
    RecipeOption,
    ResumeOption,
    SeedOption,
    console,
    fit,
    from_imagenet,
    loaded,
    network_of,
    read_data_sets,
)
from headcount.training_recipe import TrainingRecipe, recipe_of
from models.counter import default_device
from models.layers import channels_last
from models.network import CrowdDiffusion
from models.training.diffusion import (
    COUNT_WEIGHT,
    LATENT_WEIGHT,
    diffusion_loss,
    diffusion_run,
    noise_loss,
)
from models.weights import load_weights

app = typer.Typer(no_args_is_help=True, help="Train the model, stage by stage (docs/training.md).")
app.command()(finetune)
app.command()(label)

LATENT_EVERY = 20  # every so manieth picture tells the latent's mean and deviation
AUTOENCODER_CROP, AUTOENCODER_BATCH = 128, 16  # maps are small worlds: many small crops


@app.command()
def autoencoder(
    data: DataOption,
    out: OutOption,
    minutes: MinutesOption = 10.0,
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
    crops: CropsOption = None,
    resume: ResumeOption = False,
    seed: SeedOption = 0,
) -> None:
    """Stage 0: the VQ autoencoder of crowd maps; validation is gate 1."""
    from models.training.autoencoder import autoencoder_loss, autoencoder_run

    torch.manual_seed(seed)
    sizes = network_of(network)
    recipe = recipe_of(config)
    shares = {n: s for n, s in recipe.shares.items() if "shanghaitech" in n} or recipe.shares
    sets = read_data_sets(data, recipe.changed(shares=shares))
    module = CrowdDiffusion(sizes).autoencoder
    run = autoencoder_run(module, out, minutes, sets.validation)
    fit(
        run,
        autoencoder_loss,
        sets,
        TrainingRecipe(
            crop=sizes.squash or AUTOENCODER_CROP, batch=AUTOENCODER_BATCH, shares=shares
        ),
        seed=seed,
        resume=resume,
        crops=crops,
        squash=sizes.squash is not None,
    )


@app.command()
def regressor(
    data: DataOption,
    out: OutOption,
    minutes: MinutesOption = 60.0,
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
    batch: BatchOption = None,
    crops: CropsOption = None,
    resume: ResumeOption = False,
    bfloat16: Bfloat16Option = False,
    seed: SeedOption = 0,
    mcnn: Argument[
        bool, typer.Option("--mcnn", help="The published baseline instead of the conditioner.")
    ] = False,
) -> None:
    """Stage 1: the conditioner as a density regressor (the control of every table)."""
    from models.baselines import Mcnn
    from models.training.regressor import regressor_loss, regressor_run, validation

    torch.manual_seed(seed)
    recipe = recipe_of(config).changed(batch=batch)
    sets = read_data_sets(data, recipe)
    conditioner = CrowdDiffusion(network_of(network)).conditioner
    module = channels_last(Mcnn() if mcnn else from_imagenet(conditioner)).to(default_device())
    run = regressor_run(module, out, minutes, validation(sets.validation))
    fit(
        run,
        regressor_loss,
        sets,
        recipe,
        seed=seed,
        resume=resume,
        crops=crops,
        bfloat16=bfloat16,
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
        str | None,
        typer.Option("--start", help="Instead of both: an earlier diffusion's run, or weights."),
    ] = None,
    rate: Argument[
        float,
        typer.Option("--rate", min=1e-3, max=10, help="Factor of the learning rates."),
    ] = 1.0,
    latent_weight: Argument[
        float,
        typer.Option("--latent-weight", min=0, help="Of the L2 on the latent."),
    ] = LATENT_WEIGHT,
    count_weight: Argument[
        float,
        typer.Option("--count-weight", min=0, help="Of the count loss on the decoded map."),
    ] = COUNT_WEIGHT,
    minutes: MinutesOption = 60.0,
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
    batch: BatchOption = None,
    crops: CropsOption = None,
    resume: ResumeOption = False,
    bfloat16: Bfloat16Option = False,
    seed: SeedOption = 0,
) -> None:
    """Stage 2: the diffusion on the conditioner's features, through the frozen decoder."""
    from models.training.regressor import validation

    torch.manual_seed(seed)
    sizes = network_of(network)
    recipe = recipe_of(config).changed(batch=batch, crop=sizes.squash)
    sets = read_data_sets(data, recipe)
    module = channels_last(CrowdDiffusion(sizes))
    if start is not None:
        begin_with(module, start, network)
    elif autoencoder_folder is not None:
        begin_on(module, autoencoder_folder, regressor_folder, sets)
    else:
        raise typer.BadParameter("give --autoencoder, or --start")
    module.to(default_device())
    z_0_loss = partial(diffusion_loss, latent_weight=latent_weight, count_weight=count_weight)
    run = diffusion_run(module, out, minutes, validation(sets.validation), rate)
    fit(
        run,
        noise_loss if sizes.prediction == "epsilon" else z_0_loss,
        sets,
        recipe,
        seed=seed,
        resume=resume,
        crops=crops,
        bfloat16=bfloat16,
        squash=sizes.squash is not None,
    )


def begin_with(module: CrowdDiffusion, start: str, network: Path) -> None:
    """Give a network the values of an earlier diffusion's run, or of weights by name or file.

    Args:
        network: the file of the network's sizes, to be named in errors.

    Raises:
        InputError: there are none, or they are of another network.
    """
    if Path(start).is_dir():
        loaded(module, Path(start))
        return
    earlier = load_weights(start).network
    if earlier.config != module.config:
        raise InputError(f"--start {start}: these weights are not of the network in {network}")
    module.load_state_dict(earlier.state_dict())


def begin_on(
    module: CrowdDiffusion, autoencoder_folder: Path, regressor_folder: Path | None, sets: DataSets
) -> None:
    """Put an untrained denoiser on what the runs of stages 0 and 1 have learnt.

    Raises:
        InputError: a run has no weights for this network.
    """
    from models.training.autoencoder import measure_latents

    loaded(module.autoencoder, autoencoder_folder)
    if regressor_folder is not None:
        loaded(module.conditioner, regressor_folder)
    else:
        from_imagenet(module.conditioner)
    for_scale = [item for items in sets.train.values() for item in items[::LATENT_EVERY]]
    measure_latents(module.autoencoder, for_scale)


@app.command()
def calibrate(
    data: DataOption,
    runs: Argument[
        list[Path],
        typer.Option(
            "--run", help="Run folder of stage 2; of several from one start, the mean weights."
        ),
    ],
    weights: Argument[Path, typer.Option("--weights", help="The weights file to write.")],
    config: RecipeOption = RECIPE,
    network: NetworkOption = NETWORK,
) -> None:
    """Last: choose steps, reading and interval on validation, and write the weights file."""
    from models.training.calibration import choose_recipe
    from models.training.regressor import validation
    from models.weights import save_weights

    sets = read_data_sets(data, recipe_of(config))
    module = loaded(CrowdDiffusion(network_of(network)), *runs).eval()
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


@app.command()
def pack(
    data: DataOption,
    out: Argument[Path, typer.Option("--out", help="The file to write.")],
    limit: Argument[str, typer.Option("--limit", help="Largest size, such as 40MB.")] = "40MB",
    config: RecipeOption = RECIPE,
) -> None:
    """One compact file of all training pictures and points; `--data FILE` trains from it."""
    from models.training.pack import write_pack

    # Whole: what is incomplete in it is left out where it is read.
    sets = read_data_sets(data, recipe_of(config).changed(cut_above_heads=(), incomplete={}))
    together = {name: [*sets.train[name], *sets.validation[name]] for name in sets.train}
    written = write_pack(together, out, size_in_bytes(limit))
    console.print(
        f"{out}: {written.pictures} pictures, {out.stat().st_size / 1e6:.1f} MB, longest side "
        f"{written.side} pixels, WebP quality {written.quality}",
        highlight=False,
    )


def size_in_bytes(text: str) -> int:
    """Bytes of 40MB, 2GB or a plain number.

    Raises:
        InputError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB)?", text.strip(), re.IGNORECASE)
    if not match:
        raise InputError(f"--limit {text}: write a size such as 40MB or 2GB")
    factors = {"": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}
    return int(float(match[1]) * factors[(match[2] or "").lower()])


if __name__ == "__main__":
    app()
