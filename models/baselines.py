"""Published counters that are trained and measured beside ours, on the same data and budget."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.conditioner import Condition

COLUMNS = (  # kernel sizes and channels of the three columns
    ((9, 16), (7, 32), (7, 16), (7, 8)),
    ((7, 20), (5, 40), (5, 20), (5, 10)),
    ((5, 24), (3, 48), (3, 24), (3, 12)),
)


class Mcnn(nn.Module):
    """The multi-column network, 0.13 M parameters.

    Zhang et al., "Single-image crowd counting via multi-column convolutional neural network",
    CVPR 2016. Its output at stride 4 is kept positive by a softplus and summed to the 8 x 8 pixel
    cells on which our losses compare people; everything else is as published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.columns = nn.ModuleList(_column(layers) for layers in COLUMNS)
        self.out = nn.Conv2d(sum(layers[-1][1] for layers in COLUMNS), 1, 1)
        nn.init.constant_(self.out.bias, -4.0)  # type: ignore[arg-type]

    def forward(self, y: Tensor) -> Condition:
        """Features and density of pictures (N, 3, H, W), as `models.conditioner.Conditioner`."""
        features = torch.cat([column(y) for column in self.columns], dim=1)
        return Condition(features, 4 * F.avg_pool2d(F.softplus(self.out(features)), 2))


def _column(layers: tuple[tuple[int, int], ...]) -> nn.Sequential:
    modules: list[nn.Module] = []
    channels = 3
    for index, (kernel, width) in enumerate(layers):
        convolution = nn.Conv2d(channels, width, kernel, padding=kernel // 2)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        modules += [convolution, nn.ReLU()]
        if index < 2:
            modules.append(nn.MaxPool2d(2))
        channels = width
    return nn.Sequential(*modules)
