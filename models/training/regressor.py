"""Stage 1: the conditioner trained as a plain density regressor, the control of all tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.conditioner import DENSITY_STRIDE, normalise
from models.crowd_map import cell_counts
from models.frames import frame_tensor
from models.training.crops import Batch
from models.training.data import Annotated
from models.training.run import TrainingRun

LEARNING_RATE = 1e-3
BACKBONE_RATE = 0.3  # of the conditioner's
BLOCKS = (8, 16, 32, 64, 128, 256)  # pixels per side, over which people are compared


def density_loss(density: Tensor, heads: Sequence[np.ndarray]) -> tuple[Tensor, dict[str, float]]:
    """Poisson likelihood of the heads in blocks of all sizes, from a cell to the whole crop.

    It is a proper loss for counts: its minimum is the conditional mean. An absolute error on blocks
    seeks their median instead, which is lower, and counted a seventh of the people too few on B.

    Args:
        density: (N, 1, h, w) people per 8 x 8 pixels.
        heads: of each of the N crops, (n, 2) in pixels.
    """
    density = density.float()
    _, _, rows, columns = density.shape
    size = (rows * DENSITY_STRIDE, columns * DENSITY_STRIDE)
    truth = torch.from_numpy(
        np.stack([cell_counts(points, *size, DENSITY_STRIDE) for points in heads])
    )[:, None].to(density.device)
    loss = density.new_zeros(())
    for side in BLOCKS:
        factor = side // DENSITY_STRIDE
        if factor <= rows:
            rate, count = _sum_cells(density, factor), _sum_cells(truth, factor)
            loss = loss + (rate - count * torch.log(rate + 1e-6)).sum()
    error = (density - truth).sum(dim=(1, 2, 3)).detach()
    figures = {"crop_mae": error.abs().mean().item(), "crop_bias": error.mean().item()}
    return loss / (100 * len(heads)), figures


def _sum_cells(cells: Tensor, factor: int) -> Tensor:
    return cells if factor == 1 else F.avg_pool2d(cells, factor) * factor**2


def regressor_loss(module: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """The loss of one batch of crops."""
    device = next(module.parameters()).device
    pictures = torch.from_numpy(batch.pictures).to(device)
    y = normalise(pictures).contiguous(memory_format=torch.channels_last)
    return density_loss(module(y).density, batch.heads)


@torch.inference_mode()
def count_errors(module: nn.Module, items: Sequence[Annotated]) -> np.ndarray:
    """Predicted minus true count of whole pictures by the density's sum, (N,) people."""
    device = next(module.parameters()).device
    errors = []
    for item in items:
        y = normalise(frame_tensor(item.picture(), 1024)[0].to(device))
        density = module(y.contiguous(memory_format=torch.channels_last)).density
        errors.append(density.sum().item() - len(item.heads))
    return np.array(errors)


def validation(sets: Mapping[str, Sequence[Annotated]]) -> dict[str, Sequence[Annotated]]:
    """The validation pictures that are scored during a run: at most forty of each set."""
    return {name: items[:: max(1, len(items) // 40)][:40] for name, items in sets.items()}


def conditioner_groups(model: nn.Module, rate: float) -> list[dict[str, Any]]:
    """A conditioner's parameters with their rates: lower for a backbone that knows much already."""
    known: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (known if name.startswith("context.backbone.") else others).append(parameter)
    groups: list[dict[str, Any]] = [{"params": others, "lr": rate}]
    return [*groups, {"params": known, "lr": rate * BACKBONE_RATE}] if known else groups


def regressor_run(
    model: nn.Module, folder: Path, minutes: float, sets: Mapping[str, Sequence[Annotated]]
) -> TrainingRun:
    """A run that trains the conditioner as a regressor; the score is the mean of the sets' NMAE."""

    def validate(ema: nn.Module) -> dict[str, float]:
        figures, relative = {}, []
        for name, items in sets.items():
            errors = count_errors(ema, items)
            figures[f"{name}_mae"] = float(np.abs(errors).mean())
            figures[f"{name}_bias"] = float(errors.mean())
            mean_count = np.mean([len(item.heads) for item in items])
            relative.append(figures[f"{name}_mae"] / max(float(mean_count), 1.0))
        return figures | {"score": float(np.mean(relative))}

    groups = conditioner_groups(model, LEARNING_RATE)
    return TrainingRun(model, folder, minutes, groups, validate)
