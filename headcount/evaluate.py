"""`headcount evaluate`: weights measured on annotated pictures, beside the rows they must beat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated as Argument
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from headcount.failures import InputError
from models.counter import Counter
from models.evaluation import Evaluation, evaluate
from models.metrics import CountErrors, count_errors
from models.training.data import Annotated, DataError, read_folder

app = typer.Typer(add_completion=False)
console = Console(stderr=True)

ROWS = {
    "mass": "map: sum",
    "masked_mass": "map: sum inside contours",
    "contours": "map: contours (the paper's reading)",
    "split": "map: contours split at maxima",
    "density": "plain regressor (control)",
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
    as_json: Argument[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure weights on a data set: MAE, RMSE, NAE, GAME, localisation, coverage, milliseconds."""
    counter = Counter.load(weights)
    folders = parts_of(data)
    results: dict[str, dict[str, Any]] = {}
    for name, folder in folders.items():
        try:
            items = read_folder(folder)
            shown = track(items, f"{name or folder.name}", console=console, transient=True)
            evaluation = evaluate(counter, shown, steps=steps, samples=samples, max_side=max_side)
            constant = constant_predictor(folder, items)
        except DataError as error:
            raise InputError(str(error)) from None
        except ValueError:
            raise InputError(f"{folder}: there are no pictures in images/") from None
        results[name] = as_object(evaluation, constant)
        if not as_json:
            print_table(name or folder.name, evaluation, constant)
    if as_json:
        document = results.get("", {"parts": results})
        print(json.dumps(document))


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


def constant_predictor(folder: Path, items: list[Annotated]) -> CountErrors | None:
    """Errors of always saying the median of the training split beside a test split, if any."""
    training = folder.parent / "train_data"
    if folder.name != "test_data" or not training.is_dir():
        return None
    median = float(np.median([len(item.heads) for item in read_folder(training)]))
    return count_errors([median] * len(items), [len(item.heads) for item in items])


def as_object(evaluation: Evaluation, constant: CountErrors | None) -> dict[str, Any]:
    """The figures as the contract of ``evaluate --json`` names them."""
    ways = {way: vars(errors) for way, errors in evaluation.ways.items()}
    return {
        **vars(evaluation.count),
        "game": {str(level): value for level, value in evaluation.game.items()},
        "f1": {str(radius): found.f1 for radius, found in evaluation.localisation.items()},
        "precision": {
            str(radius): found.precision for radius, found in evaluation.localisation.items()
        },
        "recall": {str(radius): found.recall for radius, found in evaluation.localisation.items()},
        "coverage": evaluation.coverage,
        "interval_width": evaluation.interval_width,
        "steps": evaluation.steps,
        "ms_per_frame": evaluation.ms_per_frame,
        "ways": ways | ({"constant": vars(constant)} if constant else {}),
    }


def print_table(name: str, evaluation: Evaluation, constant: CountErrors | None) -> None:
    """The figures for a person, on stdout."""
    table = Table(title=f"{name}: {evaluation.count.n} pictures, S = {evaluation.steps}")
    table.add_column("count by")
    for column in ("MAE", "RMSE", "NAE", "bias"):
        table.add_column(column, justify="right")
    rows = {"reported count": evaluation.count}
    rows |= {title: evaluation.ways[way] for way, title in ROWS.items()}
    if constant:
        rows["constant (training median)"] = constant
    for title, errors in rows.items():
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
    out.print(
        f"90 % interval: holds the truth in {evaluation.coverage:.1%} of the pictures, "
        f"mean width {evaluation.interval_width:.1f}; {evaluation.ms_per_frame:.0f} ms per frame",
        highlight=False,
    )


if __name__ == "__main__":
    app()
