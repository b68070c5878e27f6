"""Stage 0: the VQ autoencoder of crowd maps, and gate 1, which it must pass before any diffusion.

Gate 1 (the oracle): the true map of each validation picture is encoded, quantised, decoded and
read; the count by split contours must be right to 5 people per picture on part A and 1 on part B.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.autoencoder import CrowdMapAutoencoder
from models.crowd_map import KERNEL_SUM, crowd_map
from models.frames import frame_tensor
from models.reading import ReadingSettings, read_map
from models.training.crops import Batch
from models.training.data import Annotated
from models.training.run import TrainingRun

LEARNING_RATE = 2e-3
ORACLE_READING = ReadingSettings(window=8.0, offset=0.05, smoothing=0.0, spacing=3)
BLOCK_STRIDES = (16, 64, 128)  # pixels, of the count loss on the reconstructed map
GATE = {"part_A": 5.0, "part_B": 1.0}  # people per picture


def map_batch(heads: Sequence[np.ndarray], height: int, width: int) -> Tensor:
    """The crowd maps of heads, (N, 1, height, width)."""
    return torch.from_numpy(np.stack([crowd_map(points, height, width) for points in heads]))[
        :, None
    ]


def block_error(x_hat: Tensor, x: Tensor, strides: Sequence[int] = BLOCK_STRIDES) -> Tensor:
    """Absolute error of the people in blocks of the map, per 16 x 16 pixels, summed over sizes."""
    total = x.new_zeros(())
    for stride in (side for side in strides if side <= min(x.shape[2:])):
        difference = F.avg_pool2d(x_hat, stride) - F.avg_pool2d(x, stride)
        total = total + difference.abs().mean() * 16**2 / KERNEL_SUM
    return total


def _laplacian(x: Tensor) -> Tensor:
    """Curvature of a map: where two heads stand close it shows the dip between them."""
    return 4 * (x - F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))


def autoencoder_loss(module: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """Reconstruction with and without codes, curvature, people in blocks, and the regulariser."""
    height, width = batch.pictures.shape[2:]
    x = map_batch(batch.heads, height, width).to(next(module.parameters()).device)
    quantised, direct, regulariser = module(x)
    reconstruction = F.mse_loss(quantised, x) + F.mse_loss(direct, x)
    edges = F.mse_loss(_laplacian(quantised), _laplacian(x))
    edges = edges + F.mse_loss(_laplacian(direct), _laplacian(x))
    blocks = block_error(quantised, x) + block_error(direct, x)
    loss = 100 * reconstruction + 20 * edges + 0.3 * blocks + regulariser
    return loss, {"reconstruction": reconstruction.item(), "regulariser": regulariser.item()}


@dataclass(frozen=True)
class OracleErrors:
    """Mean absolute count errors of the oracle on some pictures, people per picture."""

    split: float  # contours split at maxima, through the codebook: the gate
    contours: float
    mass: float
    unquantised_split: float
    perfect_split: float  # of the true map itself, without the autoencoder
    perfect_contours: float


@torch.inference_mode()
def oracle(autoencoder: CrowdMapAutoencoder, items: Sequence[Annotated]) -> OracleErrors:
    """Encode, decode and read the true maps of pictures at native size."""
    rows = []
    for item in items:
        padded, (height, width) = frame_tensor(item.picture(), None)
        inside = item.heads[
            ((item.heads >= 0) & (item.heads < np.array([width, height]))).all(axis=1)
        ]
        x = torch.from_numpy(crowd_map(inside, *padded.shape[2:]))[None, None]
        z = autoencoder.encode(x)
        true = len(inside)
        coded, direct, perfect = (
            read_map(m[0, 0].numpy(), ORACLE_READING)
            for m in (autoencoder.decode(z, quantise=True), autoencoder.decode(z), x)
        )
        rows.append(
            [
                coded.split - true,
                coded.contours - true,
                coded.mass - true,
                direct.split - true,
                perfect.split - true,
                perfect.contours - true,
            ]
        )
    return OracleErrors(*np.abs(np.array(rows)).mean(axis=0).tolist())


@torch.no_grad()
def measure_latents(autoencoder: CrowdMapAutoencoder, items: Iterable[Annotated]) -> None:
    """Stores mean and standard deviation of z over the true maps of pictures in the autoencoder."""
    latents = []
    for item in items:
        padded, _ = frame_tensor(item.picture(), None)
        z = autoencoder.latent(map_batch([item.heads], *padded.shape[2:]))
        latents.append(z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]))
    together = torch.cat(latents)
    autoencoder.latent_mean.copy_(together.mean(dim=0).view(1, -1, 1, 1))
    autoencoder.latent_std.copy_(together.std(dim=0).view(1, -1, 1, 1))


def autoencoder_run(
    model: CrowdMapAutoencoder,
    folder: Path,
    minutes: float,
    sets: Mapping[str, Sequence[Annotated]],
) -> TrainingRun:
    """A run that trains the autoencoder; the score is the sum of the oracle's split errors."""

    def validate(ema: nn.Module) -> dict[str, float]:
        assert isinstance(ema, CrowdMapAutoencoder)
        figures: dict[str, float] = {}
        for name, items in sets.items():
            errors = oracle(ema, items)
            figures |= {f"{name}_{key}": value for key, value in vars(errors).items()}
        return figures | {"score": sum(v for k, v in figures.items() if k.endswith("_split"))}

    groups = [{"params": list(model.parameters()), "lr": LEARNING_RATE}]
    run = TrainingRun(model, folder, minutes, groups, validate, validate_every_s=120)
    run.parts = 1  # the codebook follows every batch as a whole
    return run
