"""`headcount evaluate`: weights measured on annotated pictures, beside the rows they must beat."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated as Argument
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn

from headcount.failures import InputError
from headcount.training_inputs import NETWORK, annotated_in, loaded, network_of
from models.baselines import Mcnn
from models.counter import Counter, default_device
from models.evaluation import RADII, Evaluation, evaluate
from models.interval import COVERAGE
from models.metrics import CountErrors, count_errors
from models.network import CrowdDiffusion
from models.reading import ReadingSettings
from models.training.data import Annotated
from models.training.regressor import count_errors as density_errors
from models.weights import UNCALIBRATED, LoadedWeights, Recipe, load_weights

app = typer.Typer(add_completion=False)
console = Console(stderr=True)

ROWS = {
    "mass": "map: sum",
    "masked_mass": "map: sum inside contours",
    "fixed_threshold": "map: contours at one global threshold",
    "contours": "map: contours (the paper's reading)",
    "split": "map: contours split at maxima",
    "density": "plain regressor (control)",
    "constant": "constant (training median)",
    "best_constant": "constant (this set's own median)",
}


@app.command()
def main(
    data: Argument[
        Path,
        typer.Option("--data", help="Folder with images/ and annotations, or part_*/test_data."),
    ],
    weights: Argument[str, typer.Option("--weights", help="Name or file of the weights.")] = "tiny",
    steps: Argument[
        int | None, typer.Option("--steps", min=1, max=500, help="DDIM steps S.")
    ] = None,
    samples: Argument[int, typer.Option("--samples", min=1, max=32, help="Samples K.")] = 1,
    max_side: Argument[
        int | None, typer.Option("--max-side", min=64, help="Longest side in pixels.")
    ] = None,
    every: Argument[
        int, typer.Option("--every", min=1, help="Measure every so manieth picture only.")
    ] = 1,
    quantise: Argument[
        bool, typer.Option("--quantise", help="Decode through the codebook (ablation).")
    ] = False,
    leading: Argument[
        bool, typer.Option("--leading", help="Leading spacing of the steps (ablation).")
    ] = False,
    squash: Argument[
        int | None,
        typer.Option("--squash", min=64, help="Squeeze pictures to a square (ablation)."),
    ] = None,
    bfloat16: Argument[
        bool,
        typer.Option("--bfloat16", help="Let the CPU use bfloat16 if it has it, as workers do."),
    ] = False,
    run_folder: Argument[
        Path | None,
        typer.Option("--run", help="A training run's best weights, uncalibrated, instead."),
    ] = None,
    network: Argument[
        Path, typer.Option("--network", help="Sizes of that run's network (YAML).")
    ] = NETWORK,
    regressor: Argument[
        bool, typer.Option("--regressor", help="That run trained the control (stage 1).")
    ] = False,
    mcnn: Argument[
        bool, typer.Option("--mcnn", help="That run trained the published baseline.")
    ] = False,
    as_json: Argument[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure weights on a data set: MAE, RMSE, NAE, GAME, localisation, coverage, milliseconds."""
    folders = parts_of(data)
    sets = {name: annotated_in(folder)[::every] for name, folder in folders.items()}
    if run_folder is not None and (mcnn or regressor):
        module = Mcnn() if mcnn else CrowdDiffusion(network_of(network)).conditioner
        print_regressor(sets, data.resolve().name, loaded(module, run_folder), as_json)
        return
    constants = {name: constants_for(folder, sets[name]) for name, folder in folders.items()}
    chosen = load_weights(weights) if run_folder is None else of_run(run_folder, network)
    counter = Counter(changed(chosen, quantise, squash), default_device(), exact=not bfloat16)
    results: dict[str, dict[str, Any]] = {}
    for name, items in sets.items():
        title = name or data.resolve().name
        evaluation = evaluate(
            counter,
            track(items, title, console=console, transient=True),
            steps=steps,
            samples=samples,
            max_side=max_side,
            spacing="leading" if leading else "trailing",
        )
        results[name] = as_object(evaluation, constants[name])
        if not as_json:
            print_table(title, evaluation, constants[name])
    if as_json:
        print_json(results)


def print_json(results: dict[str, dict[str, Any]]) -> None:
    """One object for a folder by itself, else one for each part."""
    print(json.dumps(results.get("", {"parts": results})))


def changed(weights: LoadedWeights, quantise: bool, squash: int | None) -> LoadedWeights:
    """The weights with what an ablation changes."""
    if squash is not None:
        config = weights.network.config
        weights.network.config = config.model_copy(update={"squash": squash})
    return replace(
        weights, recipe=replace(weights.recipe, quantise=weights.recipe.quantise or quantise)
    )


def parts_of(data: Path) -> dict[str, Path]:
    """The data folders to measure: the folder itself (named ``""``) or ``part_*/test_data``.

    Raises:
        InputError: it is neither.
    """
    if (data / "images").is_dir():
        return {"": data}
    parts = {path.parent.name: path for path in sorted(data.glob("part_*/test_data"))}
    if not parts:
        raise InputError(f"{data}: holds neither images/ nor part_*/test_data")
    return parts


def constants_for(folder: Path, items: list[Annotated]) -> dict[str, CountErrors]:
    """Errors of always saying one number, by its name in `ROWS`.

    It is the median of the training split, where one lies beside this test split, and the median
    of the pictures themselves: no other number has a smaller MAE.

    Raises:
        InputError: there is a training split, and it is empty.
        models.training.data.DataError: it is damaged.
    """
    true = [len(item.heads) for item in items]
    medians = {"best_constant": float(np.median(true))}
    training = folder.parent / "train_data"
    if folder.name == "test_data" and training.is_dir():
        medians["constant"] = float(np.median([len(i.heads) for i in annotated_in(training)]))
    return {name: count_errors([median] * len(true), true) for name, median in medians.items()}


def as_object(evaluation: Evaluation, constants: dict[str, CountErrors]) -> dict[str, Any]:
    """The figures as the contract of ``evaluate --json`` names them."""
    return {
        **vars(evaluation.count),
        "game": {str(level): value for level, value in evaluation.game.items()},
        "f1": {str(radius): found.f1 for radius, found in evaluation.localisation.items()},
        "precision": {
            str(radius): found.precision for radius, found in evaluation.localisation.items()
        },
        "recall": {str(radius): found.recall for radius, found in evaluation.localisation.items()},
        "precision_by_depth": {d: found.precision for d, found in evaluation.depths.items()},
        "recall_by_depth": {d: found.recall for d, found in evaluation.depths.items()},
        "coverage": evaluation.coverage[COVERAGE],
        "coverages": {str(nominal): share for nominal, share in evaluation.coverage.items()},
        "interval_width": evaluation.interval_width,
        "steps": evaluation.steps,
        "samples": evaluation.samples,
        "ms_per_frame": evaluation.ms_per_frame,
        "ways": {way: vars(errors) for way, errors in (evaluation.ways | constants).items()},
    }


def print_table(name: str, evaluation: Evaluation, constants: dict[str, CountErrors]) -> None:
    """The figures for a person, on stdout."""
    table = Table(title=f"{name}: {evaluation.count.n} pictures, S = {evaluation.steps}")
    table.add_column("count by")
    for column in ("MAE", "RMSE", "NAE", "bias"):
        table.add_column(column, justify="right")
    ways = evaluation.ways | constants
    rows = {title: ways[way] for way, title in ROWS.items() if way in ways}
    for title, errors in {"reported count": evaluation.count, **rows}.items():
        table.add_row(
            title,
            f"{errors.mae:.1f}",
            f"{errors.rmse:.1f}",
            f"{errors.nae:.3f}",
            f"{errors.bias:+.1f}",
        )
    out = Console()
    out.print(table)
    game = "  ".join(f"GAME({level}) {value:.1f}" for level, value in evaluation.game.items())
    out.print(game, highlight=False)
    for radius, found in evaluation.localisation.items():
        out.print(
            f"heads within {radius} px: precision {found.precision:.3f}, "
            f"recall {found.recall:.3f}, F1 {found.f1:.3f}",
            highlight=False,
        )
    for depth, found in evaluation.depths.items():
        out.print(
            f"heads within {RADII[-1]} px in the {depth} third of the picture: precision "
            f"{found.precision:.3f}, recall {found.recall:.3f} ({found.annotated} annotated)",
            highlight=False,
        )
    shares = ", ".join(
        f"{nominal:.0%}: {share:.1%}" for nominal, share in evaluation.coverage.items()
    )
    out.print(
        f"intervals hold the truth in (nominal: found) {shares}; mean width of the "
        f"{COVERAGE:.0%} interval {evaluation.interval_width:.1f}; "
        f"{evaluation.ms_per_frame:.0f} ms per frame",
        highlight=False,
    )


def of_run(run: Path, network: Path) -> LoadedWeights:
    """A run's best weights as they are, without calibration: one step, the sum of the map."""
    module = loaded(CrowdDiffusion(network_of(network)), run).eval()
    recipe = Recipe(1, ReadingSettings(), 0.0, (UNCALIBRATED,))
    return LoadedWeights(run.name, "", module, recipe)


def print_regressor(
    sets: dict[str, list[Annotated]], folder: str, module: nn.Module, as_json: bool
) -> None:
    """The count errors of a network that gives a density alone.

    Args:
        folder: the name of a set that is a folder by itself, for people.
    """
    results = {}
    for name, items in sets.items():
        errors = density_errors(module.eval(), items)
        true = [len(item.heads) for item in items]
        found = count_errors((errors + np.array(true)).tolist(), true)
        results[name] = vars(found)
        if not as_json:
            print(
                f"{name or folder}: {found.n} pictures, MAE {found.mae:.1f}, "
                f"RMSE {found.rmse:.1f}, bias {found.bias:+.1f}"
            )
    if as_json:
        print_json(results)


if __name__ == "__main__":
    app()
