"""The denoiser: a small U-Net at strides 4, 8 and 16 that predicts z_0 from z_t and zeta."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers import ResidualBlock, StandardisedConv2d, double, scaled_relu


class Denoiser(nn.Module):
    """z_0 = f(z_t, t, zeta), with zeta concatenated to z_t along channels.

    With ``cross-attention``, the alternative that the paper tried, zeta is not concatenated: its
    positions, averaged over 4 x 4, are tokens that the U-Net attends to at strides 8 and 16.

    Args:
        latent_channels: d, channels of z.
        zeta_channels: channels of the condition.
        widths: channels at strides 4, 8 and 16.
        embedding: width of the time embedding.
        conditioning: how zeta enters.
    """

    def __init__(
        self,
        latent_channels: int = 4,
        zeta_channels: int = 33,
        widths: tuple[int, int, int] = (32, 40, 48),
        embedding: int = 64,
        conditioning: Literal["concatenation", "cross-attention"] = "concatenation",
    ) -> None:
        super().__init__()
        w4, w8, w16 = widths
        self.embedding = embedding
        self.attention: nn.ModuleDict | None = None
        entering = latent_channels + zeta_channels
        if conditioning == "cross-attention":
            entering = latent_channels
            self.attention = nn.ModuleDict(
                {
                    "down_8": CrossAttention(w8, zeta_channels),
                    "at_16": CrossAttention(w16, zeta_channels),
                    "up_8": CrossAttention(w8, zeta_channels),
                }
            )
        self.time = nn.Sequential(
            nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.enter = StandardisedConv2d(entering, w4)
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
        entering = z_t if self.attention is not None else torch.cat([z_t, zeta], dim=1)
        h4 = self.down_4(self.enter(entering), e)
        h8 = self._attend("down_8", self.down_8(self.to_8(scaled_relu(h4)), e), zeta)
        h16 = self._attend("at_16", self.at_16(self.to_16(scaled_relu(h8)), e), zeta)
        h8 = self.up_8(h8 + double(self.from_16(scaled_relu(h16))), e)
        h8 = self._attend("up_8", h8, zeta)
        h4 = self.up_4(h4 + double(self.from_8(scaled_relu(h8))), e)
        z_0: Tensor = self.out(scaled_relu(h4))
        return z_0

    def _attend(self, place: str, h: Tensor, zeta: Tensor) -> Tensor:
        if self.attention is None:
            return h
        attended: Tensor = self.attention[place](h, zeta)
        return attended


class CrossAttention(nn.Module):
    """h + attention of h's positions to zeta's tokens (Vaswani et al., 2017), starting as h.

    Args:
        channels: of h.
        zeta_channels: of zeta.
        heads: of the attention; they divide ``channels``.
    """

    def __init__(self, channels: int, zeta_channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Conv2d(zeta_channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, zeta: Tensor) -> Tensor:
        tokens = F.avg_pool2d(zeta, 4)
        key, value = self.key_value(tokens).chunk(2, dim=1)
        q, k, v = self._split(self.query(scaled_relu(h))), self._split(key), self._split(value)
        attended = F.scaled_dot_product_attention(q, k, v)
        mixed: Tensor = h + self.out(attended.transpose(2, 3).reshape(h.shape))
        return mixed

    def _split(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, heads, h w, C/heads)."""
        return x.reshape(x.shape[0], self.heads, -1, x.shape[2] * x.shape[3]).transpose(2, 3)


def time_embedding(t: Tensor, width: int) -> Tensor:
    """Sines and cosines of t in [0, 1] at geometric frequencies, (N,) to (N, width)."""
    frequencies = torch.exp(torch.linspace(0, math.log(1000.0), width // 2, device=t.device))
    angles = t[:, None] * frequencies * (math.pi / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
