"""The conditioner T of the paper: a picture y to features zeta = T(y), once per frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbone import Context
from models.layers import ResidualBlock, StandardisedConv2d, double, scaled_relu

DENSITY_STRIDE = 8  # pixels per side of a density cell
PIXEL_MEAN, PIXEL_DEVIATION = 110.0, 64.0


class Condition(NamedTuple):
    """What the conditioner says of a picture of H x W pixels."""

    zeta: Tensor  # (N, C, H/4, W/4): concatenated with the noisy latent z_t
    density: Tensor  # (N, 1, H/8, W/8): people per 8 x 8 pixel cell, the regression control


class Conditioner(nn.Module):
    """A small residual network with strides 2 to 16 and a feature pyramid back to stride 4.

    Args:
        zeta_channels: channels of zeta.
        widths: channels at strides 2, 4, 8 and 16.
        blocks: residual blocks at strides 4 and 8.
        dilations: of the residual blocks at stride 16, one each.
        context_width: channels of the pyramid on a backbone whose features are added; None is none.
    """

    def __init__(
        self,
        zeta_channels: int = 32,
        widths: tuple[int, int, int, int] = (16, 32, 64, 104),
        blocks: tuple[int, int] = (1, 3),
        dilations: tuple[int, ...] = (1, 2, 4, 2),
        context_width: int | None = None,
    ) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        self.to_2 = StandardisedConv2d(3, w2, stride=2)
        self.to_4 = StandardisedConv2d(w2, w4, stride=2)
        self.at_4 = nn.Sequential(*(ResidualBlock(w4) for _ in range(blocks[0])))
        self.to_8 = StandardisedConv2d(w4, w8, stride=2)
        self.at_8 = nn.Sequential(*(ResidualBlock(w8) for _ in range(blocks[1])))
        self.to_16 = StandardisedConv2d(w8, w16, stride=2)
        self.at_16 = nn.Sequential(*(ResidualBlock(w16, dilation=d) for d in dilations))
        self.lateral_16 = StandardisedConv2d(w16, w8, 1)
        self.pyramid_8 = StandardisedConv2d(w8, w8)
        self.lateral_8 = StandardisedConv2d(w8, zeta_channels, 1)
        self.lateral_4 = StandardisedConv2d(w4, zeta_channels, 1)
        self.pyramid_4 = StandardisedConv2d(zeta_channels, zeta_channels)
        self.density_hidden = StandardisedConv2d(w8, w8 // 2)
        self.density_out = nn.Conv2d(w8 // 2, 1, 1)
        self.context: Context | None = None
        if context_width is not None:
            self.context = Context(context_width, w8, zeta_channels)
        nn.init.normal_(self.density_out.weight, std=0.01)
        nn.init.constant_(self.density_out.bias, -3.0)  # type: ignore[arg-type]

    def forward(self, y: Tensor) -> Condition:
        """Features and density of pictures.

        Args:
            y: (N, 3, H, W) RGB, roughly zero mean and unit variance; H and W multiples of 32.
        """
        f4 = self.at_4(self.to_4(scaled_relu(self.to_2(y))))
        f8 = self.at_8(self.to_8(scaled_relu(f4)))
        f16 = self.at_16(self.to_16(scaled_relu(f8)))
        p8 = self.pyramid_8(scaled_relu(f8 + double(self.lateral_16(scaled_relu(f16)))))
        p4 = self.lateral_4(scaled_relu(f4))
        if self.context is not None:
            context_8, context_4 = self.context(y)
            p8, p4 = p8 + context_8, p4 + context_4
        p8 = scaled_relu(p8)
        density = F.softplus(self.density_out(scaled_relu(self.density_hidden(p8))))
        p4 = p4 + double(self.lateral_8(p8))
        return Condition(self.pyramid_4(scaled_relu(p4)), density)


def density_inside(density: Tensor, height: int, width: int) -> Tensor:
    """The cells (h, w) of a padded picture that cover its own height x width pixels."""
    return density[: -(-height // DENSITY_STRIDE), : -(-width // DENSITY_STRIDE)]


def normalise(pictures: Tensor) -> Tensor:
    """RGB in 0..255 to roughly zero mean and unit variance (fixed, the same for every picture)."""
    return (pictures.to(torch.float32) - PIXEL_MEAN) / PIXEL_DEVIATION
