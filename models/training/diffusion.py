"""Stage 2: the diffusion, on the features of the trained regressor, through the frozen decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.conditioner import DENSITY_STRIDE
from models.crowd_map import KERNEL_SUM
from models.diffusion import T, add_noise, ddim_step
from models.frames import frame_tensor
from models.network import CrowdDiffusion
from models.training.autoencoder import map_batch
from models.training.crops import Batch
from models.training.data import Annotated
from models.training.regressor import conditioner_groups, density_loss
from models.training.run import TrainingRun

DENOISER_RATE = 1e-3
CONDITIONER_RATE = 3e-4
FINETUNING_RATE = 3e-4
FINETUNING_CONDITIONER_RATE = 1e-4
SHARE_AT_T = 0.4  # of the samples: S = 1 starts there, and every sampler begins there
SHARE_SELF_ALIGNED = 0.5  # of the others: noise is added to the model's own first prediction
LATENT_WEIGHT = 0.2  # of the L2 on z_0, unless a run has another
MAP_WEIGHT = 50.0  # of the L2 on the decoded map
COUNT_WEIGHT = 5.0  # of the count loss on the decoded map, unless a run has another
CONTROL_WEIGHT = 0.3


def diffusion_loss(
    module: nn.Module,
    batch: Batch,
    latent_weight: float = LATENT_WEIGHT,
    count_weight: float = COUNT_WEIGHT,
) -> tuple[Tensor, dict[str, float]]:
    """L2 on z_0 and on the decoded map, and the count loss of the map's blocks.

    The count loss is the regressor's, on the decoded map: Poisson on blocks, whose minimum is the
    mean (an absolute error seeks the median, which in a small block is nobody, and lost a third of
    the people). All is unweighted over the picture: weighting the foreground breaks the map's mass.
    The self-aligned share renoises the model's own one-step prediction, so that steps 2..S are
    trained on what they will meet.

    Where the network is unsure, L2 on z_0 seeks the mean latent, which presumably decodes to fewer
    people than the mean of the maps: with weights of 1 and 2 instead of `LATENT_WEIGHT` and
    `COUNT_WEIGHT` the map had 4 % fewer people than the control (docs/experiments.md, E33, E34).

    Args:
        latent_weight: of the L2 on z_0.
        count_weight: of the count loss on the decoded map.
    """
    assert isinstance(module, CrowdDiffusion)
    device = next(module.parameters()).device
    pictures = torch.from_numpy(batch.pictures).to(device)
    x = map_batch(batch.heads, *batch.pictures.shape[2:]).to(device)
    with torch.no_grad():
        z_0 = module.encode(x)
    zeta, density = module.condition(pictures)
    z_t, t = _noisy(module, z_0, zeta, torch.Generator().manual_seed(batch.seed))
    predicted = module.predict(z_t, t, zeta)
    predicted, x_hat = predicted.float(), module.decode(predicted).float()
    b = module.config.latent_scale
    latent_loss = F.mse_loss(predicted, z_0) / b**2
    map_loss = F.mse_loss(x_hat, x)
    count_loss, _ = density_loss(people_per_cell(x_hat), batch.heads)
    control, figures = density_loss(density, batch.heads)
    loss = latent_weight * latent_loss + MAP_WEIGHT * map_loss + count_weight * count_loss
    loss = loss + CONTROL_WEIGHT * control
    error = (x_hat - x).sum(dim=(1, 2, 3)).detach() / KERNEL_SUM
    figures |= {
        "latent": latent_loss.item(),
        "map": map_loss.item(),
        "count": count_loss.item(),
        "map_mae": error.abs().mean().item(),
    }
    return loss, figures


def _noisy(
    module: CrowdDiffusion, z_0: Tensor, zeta: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """z_t and t (a fraction of T) of a batch of clean latents."""
    count = len(z_0)
    uniform = torch.rand(count, generator=generator)
    times = torch.where(
        torch.rand(count, generator=generator) < SHARE_AT_T,
        torch.full((count,), T),
        (uniform * (T - 1)).long() + 1,
    )
    epsilon = torch.randn(z_0.shape, generator=generator).to(z_0.device)
    alpha_bar = module.alpha_bar[times].view(-1, 1, 1, 1)
    z_t = add_noise(z_0, epsilon, alpha_bar)
    aligned = (torch.rand(count, generator=generator) < SHARE_SELF_ALIGNED) & (times < T)
    if bool(aligned.any()):
        with torch.no_grad():
            start = epsilon[aligned]
            ones = torch.ones(len(start), device=z_0.device)
            first = module.predict(start, ones, zeta[aligned])
            for row, index in enumerate(aligned.nonzero()[:, 0].tolist()):
                z_t[index] = ddim_step(
                    start[row], first[row], 0.0, float(module.alpha_bar[times[index]])
                )
    return z_t, times.to(z_0.device) / T


def noise_loss(module: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """The paper's loss, eq. (1): L2 between the noise and its prediction, t uniform in 1..T."""
    assert isinstance(module, CrowdDiffusion)
    device = next(module.parameters()).device
    generator = torch.Generator().manual_seed(batch.seed)
    pictures = torch.from_numpy(batch.pictures).to(device)
    with torch.no_grad():
        z_0 = module.encode(map_batch(batch.heads, *batch.pictures.shape[2:]).to(device))
    zeta, _ = module.condition(pictures)
    t = torch.randint(1, T + 1, (len(z_0),), generator=generator)
    epsilon = torch.randn(z_0.shape, generator=generator).to(device)
    z_t = add_noise(z_0, epsilon, module.alpha_bar[t].view(-1, 1, 1, 1))
    loss = F.mse_loss(module.denoiser(z_t, t.to(device) / T, zeta), epsilon)
    return loss, {"epsilon": loss.item()}


def people_per_cell(x: Tensor) -> Tensor:
    """A crowd map (N, 1, H, W) as people per 8 x 8 cell, (N, 1, H/8, W/8)."""
    return F.avg_pool2d(x, DENSITY_STRIDE) * (DENSITY_STRIDE**2 / KERNEL_SUM)


@torch.inference_mode()
def map_errors(
    model: CrowdDiffusion, items: Sequence[Annotated], steps: Sequence[int]
) -> dict[str, np.ndarray]:
    """Predicted minus true counts by the map's sum for each S and by the density, (N,) each."""
    errors: dict[str, list[float]] = {way: [] for way in [*(f"S{s}" for s in steps), "density"]}
    for item in items:
        pictures, _ = frame_tensor(item.picture(), 1024, model.config.squash)
        for s in steps:
            sampled = model.sample(pictures.to(next(model.parameters()).device), s)
            mass = sampled.maps[0].clamp(min=0).sum().item() / KERNEL_SUM
            errors[f"S{s}"].append(mass - len(item.heads))
        errors["density"].append(sampled.density.sum().item() - len(item.heads))
    return {name: np.array(values) for name, values in errors.items()}


def diffusion_run(
    model: CrowdDiffusion,
    folder: Path,
    minutes: float,
    sets: Mapping[str, Sequence[Annotated]],
    rate: float = 1.0,
) -> TrainingRun:
    """A run that trains denoiser and conditioner; the autoencoder stays as it is.

    Args:
        rate: factor of the learning rates.
    """
    model.autoencoder.eval().requires_grad_(False)

    def validate(ema: nn.Module) -> dict[str, float]:
        assert isinstance(ema, CrowdDiffusion)
        figures, relative = {}, []
        # Epsilon is of no use at one step, and slow at the paper's 500: 20 tell which weights lead.
        steps = (1, 2) if model.config.prediction == "z_0" else (20,)
        for name, items in sets.items():
            mean_count = max(1.0, float(np.mean([len(item.heads) for item in items])))
            for way, errors in map_errors(ema, items, steps).items():
                figures[f"{name}_{way}_mae"] = float(np.abs(errors).mean())
                figures[f"{name}_{way}_bias"] = float(errors.mean())
            relative.append(figures[f"{name}_S{steps[0]}_mae"] / mean_count)
        return figures | {"score": float(np.mean(relative))}

    groups = [
        {"params": list(model.denoiser.parameters()), "lr": rate * DENOISER_RATE},
        *conditioner_groups(model.conditioner, rate * CONDITIONER_RATE),
    ]
    return TrainingRun(model, folder, minutes, groups, validate)


def finetuning_run(
    model: CrowdDiffusion, folder: Path, minutes: float, sets: Mapping[str, Sequence[Annotated]]
) -> TrainingRun:
    """A short run from good weights, at low rates.

    What counts is its last EMA weights, not those that are best on a few held-out frames: these
    lead by chance, at a high rate still.

    Args:
        sets: the held-out frames, on which the log shows S = 1.
    """
    for part in (model.denoiser, model.conditioner):
        part.train().requires_grad_(True)
    model.autoencoder.eval().requires_grad_(False)

    def validate(ema: nn.Module) -> dict[str, float]:
        assert isinstance(ema, CrowdDiffusion)
        errors = [map_errors(ema, items, (1,))["S1"] for items in sets.values()]
        together = np.concatenate(errors)
        return {
            "mae": float(np.abs(together).mean()),
            "bias": float(together.mean()),
            "score": float(np.abs(together).mean()),
        }

    groups = [
        {"params": list(model.denoiser.parameters()), "lr": FINETUNING_RATE},
        *conditioner_groups(model.conditioner, FINETUNING_CONDITIONER_RATE),
    ]
    return TrainingRun(model, folder, minutes, groups, validate, validate_every_s=60)
