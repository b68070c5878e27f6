"""The diffusion process: schedules, few-step time spacing and the deterministic DDIM step.

Notation of the paper and of DDIM (Song, Meng, Ermon, 2021): z_t = sqrt(alpha_bar_t) z_0 +
sqrt(1 - alpha_bar_t) epsilon. Times run from 0 (data) to T (noise).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

T = 1000  # diffusion steps in training


@dataclass(frozen=True)
class Schedule:
    """alpha_bar for t = 0..T.

    ``cosine`` (Nichol, Dhariwal, 2021, without their offset) reaches exactly 0 at T: zero terminal
    signal-to-noise ratio, so that one step from pure noise is what training saw (Lin et al., 2024).
    ``linear`` is the paper's (betas 0.0015 to 0.0195 as in latent diffusion); it ends above 0.
    """

    kind: Literal["cosine", "linear"] = "cosine"

    def alpha_bar(self) -> NDArray[np.float64]:
        """(T + 1,) from 1 at t = 0."""
        if self.kind == "cosine":
            values = np.cos(np.pi / 2 * np.arange(T + 1) / T) ** 2
            values[T] = 0.0
            return values
        betas = np.linspace(0.0015**0.5, 0.0195**0.5, T) ** 2
        return np.concatenate([[1.0], np.cumprod(1 - betas)])


def time_steps(steps: int, spacing: Literal["trailing", "leading"] = "trailing") -> list[int]:
    """The times of a few-step sampler, from noise to data, followed by 0.

    Trailing spacing starts at T whatever the number of steps. Leading spacing starts at T - T/S,
    where the sampler's pure noise is not what training saw; it is here for the comparison.

    Raises:
        ValueError: ``steps`` is not in 1..T.
    """
    if not 1 <= steps <= T:
        raise ValueError(f"steps must be in 1..{T}, not {steps}")
    if spacing == "trailing":
        times = [round(T - i * T / steps) for i in range(steps)]
    else:
        times = [max(1, round(T - (i + 1) * T / steps)) for i in range(steps)]
    return [*times, 0]


def ddim_step(z_t: Tensor, z_0: Tensor, alpha_bar_t: float, alpha_bar_s: float) -> Tensor:
    """One deterministic DDIM step (eta = 0) from time t to an earlier time s.

    Args:
        z_t: the noisy latent at t.
        z_0: the prediction of the clean latent at t.
        alpha_bar_t: of the time left.
        alpha_bar_s: of the time reached.
    """
    epsilon = (z_t - alpha_bar_t**0.5 * z_0) / max(1 - alpha_bar_t, 1e-12) ** 0.5
    z_s: Tensor = alpha_bar_s**0.5 * z_0 + (1 - alpha_bar_s) ** 0.5 * epsilon
    return z_s


def add_noise(z_0: Tensor, epsilon: Tensor, alpha_bar_t: Tensor) -> Tensor:
    """z_t of a clean latent: alpha_bar_t is (N, 1, 1, 1)."""
    return alpha_bar_t.sqrt() * z_0 + (1 - alpha_bar_t).sqrt() * epsilon


def predicted_z_0(z_t: Tensor, epsilon: Tensor, alpha_bar_t: Tensor) -> Tensor:
    """The clean latent that a prediction of the noise implies; undefined at alpha_bar = 0."""
    return (z_t - (1 - alpha_bar_t).sqrt() * epsilon) / alpha_bar_t.sqrt()


def sample_ddim(
    predict: Callable[[Tensor, float], Tensor],
    z_t: Tensor,
    steps: int,
    schedule: Schedule,
    spacing: Literal["trailing", "leading"] = "trailing",
) -> Tensor:
    """z_0 from noise in ``steps`` DDIM steps.

    Args:
        predict: (z_t, t as a fraction of T) to the predicted z_0.
        z_t: (N, d, h, w) standard Gaussian noise.
        steps: S.
        schedule: of the training.
        spacing: of the times.
    """
    alpha_bar = schedule.alpha_bar()
    times = time_steps(steps, spacing)
    for t, s in pairwise(times):
        z_0 = predict(z_t, t / T)
        z_t = ddim_step(z_t, z_0, float(alpha_bar[t]), float(alpha_bar[s]))
    return z_t


@lru_cache(maxsize=16)
def fixed_noise(channels: int, height: int, width: int, sample: int = 0) -> Tensor:
    """z_T of one picture, (1, channels, height, width): a function of the shape and the sample.

    The same whatever the batch, the worker or the machine, so a still scene does not flicker. The
    tensor is shared: not to be written to.
    """
    seed = (height * 8191 + width) * 127 + sample
    values = np.random.default_rng(seed).standard_normal(
        (1, channels, height, width), dtype=np.float32
    )
    return torch.from_numpy(values)
