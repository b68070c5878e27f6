"""Building blocks without normalisation over the picture.

What is trained on 256 x 256 crops must be the same function on a whole frame. Statistics over the
picture (GroupNorm, InstanceNorm) differ between the two and shift the count, so activations are
kept in range by standardising the *weights* instead (Brock, De, Smith, "Characterizing signal
propagation to close the performance gap in unnormalized ResNets", 2021).
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RELU_GAIN = 1.7139588594436646  # sqrt(2 / (1 - 1/pi)): keeps the variance through a ReLU at one


class ScaledConv2d(nn.Conv2d):
    """A convolution with a gain and a bias for each output channel, padded to its input's size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        padding = dilation * (kernel_size - 1) // 2
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=True
        )
        self.gain = nn.Parameter(torch.ones(out_channels, 1, 1, 1))
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]

    def weight_applied(self) -> Tensor:
        """The weights that the convolution applies, (out, in/groups, k, k)."""
        return self.weight * self.gain

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(
            x,
            self.weight_applied(),
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )


class StandardisedConv2d(ScaledConv2d):
    """A convolution whose weights have zero mean and variance 1/fan_in for each output channel."""

    def weight_applied(self) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, correction=0)
        fan_in = self.weight[0].numel()
        return (self.weight - mean) * torch.rsqrt(variance * fan_in + 1e-4) * self.gain


def scaled_relu(x: Tensor) -> Tensor:
    """ReLU that keeps the variance of a unit Gaussian."""
    scaled: Tensor = F.relu(x) * RELU_GAIN
    return scaled


def double(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by two: (N, C, h, w) to (N, C, 2h, 2w)."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class ResidualBlock(nn.Module):
    """x + gain * f(x), with the gain starting at zero, so that a new block is the identity.

    Args:
        channels: channels in and out.
        dilation: of both convolutions.
        embedding: width of a time embedding that shifts and scales the inner channels, or 0.
    """

    def __init__(self, channels: int, *, dilation: int = 1, embedding: int = 0) -> None:
        super().__init__()
        self.first = StandardisedConv2d(channels, channels, dilation=dilation)
        self.second = StandardisedConv2d(channels, channels, dilation=dilation)
        self.residual_gain = nn.Parameter(torch.zeros(()))
        self.modulation = nn.Linear(embedding, 2 * channels) if embedding else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        inner = self.first(scaled_relu(x))
        if self.modulation is not None and embedding is not None:
            scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
            inner = inner * (1 + scale) + shift
        out: Tensor = x + self.residual_gain * self.second(scaled_relu(inner))
        return out


Module = TypeVar("Module", bound=nn.Module)


def channels_last(module: Module) -> Module:
    """The module with its weights in the layout that CPU and GPU convolutions like best."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def fold_weights(module: nn.Module) -> nn.Module:
    """Replaces each scaled or standardised convolution by the plain one that computes the same.

    For inference: the weights applied are computed once instead of at every call.
    """
    for name, child in module.named_children():
        if isinstance(child, ScaledConv2d):
            plain = nn.Conv2d(
                child.in_channels,
                child.out_channels,
                child.kernel_size,  # type: ignore[arg-type]
                child.stride,  # type: ignore[arg-type]
                child.padding,  # type: ignore[arg-type]
                child.dilation,  # type: ignore[arg-type]
                child.groups,
            )
            with torch.no_grad():
                plain.weight.copy_(child.weight_applied())
                plain.bias.copy_(child.bias)  # type: ignore[union-attr, arg-type]
            setattr(module, name, plain)
        else:
            fold_weights(child)
    return module
