"""`headcount train`: the stages of the model, each a time-boxed run that can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated as Argument
from typing import Any

import torch
import typer
from rich.console import Console

from core.site_file import load_yaml
from models.training.crops import BatchStream, CropSource
from models.training.data import Annotated, DataError, read_folder, split

app = typer.Typer(no_args_is_help=True, help="Train the model, stage by stage.")
console = Console(stderr=True)

DataOption = Argument[
    Path, typer.Option("--data", help="Folder of the data sets (see docs/training.md).")
]
OutOption = Argument[Path, typer.Option("--out", help="Folder of the run.")]
MinutesOption = Argument[float, typer.Option("--minutes", min=0.1, help="Budget of the run.")]
ResumeOption = Argument[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")]
ConfigOption = Argument[Path, typer.Option("--config", help="The recipe (YAML).")]
RECIPE = Path(__file__).parents[1] / "configs" / "training" / "tiny.yaml"


@dataclass(frozen=True)
class Prepared:
    """Pictures in memory and the stream of batches made of them."""

    batches: BatchStream
    validation: Mapping[str, list[Annotated]]


def prepare(data: Path, recipe: Mapping[str, Any], seed: int) -> Prepared:
    """Reads the data sets that the recipe names and that are there, and starts cutting crops."""
    from scenes.training import training_picture

    train, validation = {}, {}
    for name in recipe["shares"]:
        if name == "scenes":
            continue
        if not (data / name).is_dir():
            console.print(f"{data / name} is not there: trained without it")
            continue
        train[name], validation[name] = split(read_folder(data / name))
    if not train:
        raise DataError(f"{data}: none of {', '.join(recipe['shares'])} is there")
    console.print(f"decoding {sum(map(len, train.values()))} pictures")
    source = CropSource(train, recipe["shares"], recipe["crop"], training_picture)
    return Prepared(BatchStream(source, recipe["batch"], seed), validation)


@app.command()
def regressor(
    data: DataOption,
    out: OutOption,
    minutes: MinutesOption = 60.0,
    config: ConfigOption = RECIPE,
    resume: ResumeOption = False,
    seed: int = 0,
) -> None:
    """Stage 1: the conditioner as a density regressor (the control of every table)."""
    from models.conditioner import Conditioner
    from models.training.regressor import regressor_loss, regressor_run, validation

    torch.manual_seed(seed)
    recipe = load_yaml(config)
    prepared = prepare(data, recipe, seed)
    model = Conditioner().to(memory_format=torch.channels_last)
    run = regressor_run(model, out, minutes, validation(prepared.validation))
    if resume and run.resume():
        console.print(f"resumed at {run.progress.seconds / 60:.1f} minutes")
        prepared.batches.close()
        prepared = prepare(data, recipe, seed + run.progress.step)
    run.fit(prepared.batches, regressor_loss)
    prepared.batches.close()


if __name__ == "__main__":
    app()
