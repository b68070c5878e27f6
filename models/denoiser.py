"""The denoiser: a small U-Net at strides 4, 8 and 16 that predicts z_0 from z_t and zeta."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.layers import ResidualBlock, StandardisedConv2d, double, scaled_relu


class Denoiser(nn.Module):
    """z_0 = f(z_t, t, zeta), with zeta concatenated to z_t along channels.

    Args:
        latent_channels: d, channels of z.
        zeta_channels: channels of the condition.
        widths: channels at strides 4, 8 and 16.
        embedding: width of the time embedding.
    """

    def __init__(
        self,
        latent_channels: int = 4,
        zeta_channels: int = 33,
        widths: tuple[int, int, int] = (32, 40, 48),
        embedding: int = 64,
    ) -> None:
        super().__init__()
        w4, w8, w16 = widths
        self.embedding = embedding
        self.time = nn.Sequential(
            nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.enter = StandardisedConv2d(latent_channels + zeta_channels, w4)
        self.down_4 = ResidualBlock(w4, embedding=embedding)
        self.to_8 = StandardisedConv2d(w4, w8, stride=2)
        self.down_8 = ResidualBlock(w8, embedding=embedding)
        self.to_16 = StandardisedConv2d(w8, w16, stride=2)
        self.at_16 = ResidualBlock(w16, embedding=embedding)
        self.from_16 = StandardisedConv2d(w16, w8, 1)
        self.up_8 = ResidualBlock(w8, embedding=embedding)
        self.from_8 = StandardisedConv2d(w8, w4, 1)
        self.up_4 = ResidualBlock(w4, embedding=embedding)
        self.out = nn.Conv2d(w4, latent_channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, z_t: Tensor, t: Tensor, zeta: Tensor) -> Tensor:
        """The predicted z_0.

        Args:
            z_t: (N, d, h, w) noisy latent; h and w multiples of 4.
            t: (N,) time as a fraction of T, 1 is pure noise.
            zeta: (N, C, h, w) condition.
        """
        e = self.time(time_embedding(t, self.embedding))
        h4 = self.down_4(self.enter(torch.cat([z_t, zeta], dim=1)), e)
        h8 = self.down_8(self.to_8(scaled_relu(h4)), e)
        h16 = self.at_16(self.to_16(scaled_relu(h8)), e)
        h8 = self.up_8(h8 + double(self.from_16(scaled_relu(h16))), e)
        h4 = self.up_4(h4 + double(self.from_8(scaled_relu(h8))), e)
        z_0: Tensor = self.out(scaled_relu(h4))
        return z_0


def time_embedding(t: Tensor, width: int) -> Tensor:
    """Sines and cosines of t in [0, 1] at geometric frequencies, (N,) to (N, width)."""
    frequencies = torch.exp(torch.linspace(0, math.log(1000.0), width // 2, device=t.device))
    angles = t[:, None] * frequencies * (math.pi / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
