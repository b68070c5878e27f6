"""What `base` knows beside `tiny`: EfficientNet-Lite2, trained on ImageNet, under a pyramid.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019. Lite
is the variant without squeeze-and-excitation (statistics over the picture, which a crop and a frame
do not share) and with ReLU6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers import ResidualBlock, ScaledConv2d, StandardisedConv2d, double, scaled_relu

STEM_CHANNELS = 32
BATCH_NORM_EPSILON = 1e-3
FEATURE_DEVIATION = 8.0  # of the features at any stride, roughly
BACKBONE_MEAN, BACKBONE_DEVIATION = 127.0, 128.0  # of the pixels that the backbone was trained on


class Stage(NamedTuple):
    """Inverted bottlenecks of one width; the first of them has the stride."""

    blocks: int
    channels: int
    kernel: int
    stride: int
    expansion: int


LITE_2 = (
    Stage(1, 16, 3, 1, 1),
    Stage(3, 24, 3, 2, 6),  # ends at stride 4
    Stage(3, 48, 5, 2, 6),  # 8
    Stage(4, 88, 3, 2, 6),
    Stage(4, 120, 5, 1, 6),  # 16
    Stage(5, 208, 5, 2, 6),  # 32; the seventh stage is for classes only, and left out
)


class DepthwiseConv2d(nn.Module):
    """A convolution of each channel by itself; its kernels stay what ImageNet made of them.

    They are one in fifteen of the weights, but on a CPU their gradients take longer than the rest.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride
        kernels = torch.randn(channels, 1, kernel_size, kernel_size) / kernel_size
        self.register_buffer("weight", kernels)
        self.register_buffer("bias", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1 or not x.requires_grad:
            return self._convolved(x)
        # PyTorch's gradient of a strided one is ten times slower in bfloat16 than in float32.
        with torch.autocast(x.device.type, enabled=False):
            return self._convolved(x.float()).to(x.dtype)

    def _convolved(self, x: Tensor) -> Tensor:
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.channels)


class InvertedBottleneck(nn.Module):
    """1 x 1 to more channels, a depthwise convolution, 1 x 1 back; added to its input."""

    def __init__(self, channels_in: int, channels: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = channels_in * stage.expansion
        self.expand = ScaledConv2d(channels_in, inner, 1) if stage.expansion > 1 else None
        self.depthwise = DepthwiseConv2d(inner, stage.kernel, stride)
        self.project = ScaledConv2d(inner, channels, 1)
        self.added = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else F.relu6(self.expand(x))
        out: Tensor = self.project(F.relu6(self.depthwise(inner)))
        return x + out if self.added else out


class Backbone(nn.Module):
    """EfficientNet-Lite2 up to stride 32, its batch normalisation a fixed scale and shift."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ScaledConv2d(3, STEM_CHANNELS, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for stage in LITE_2:
            blocks = []
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(InvertedBottleneck(channels, stage.channels, stage, stride))
                channels = stage.channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of pictures (N, 3, H, W) at strides 4, 8, 16 and 32."""
        to_2, to_4, to_8, to_16, at_16, to_32 = self.stages
        with torch.no_grad():  # these do not learn
            f4 = to_4(to_2(F.relu6(self.stem(y))))
        f8 = to_8(f4)
        f16 = at_16(to_16(f8))
        return f4, f8, f16, to_32(f16)

    @torch.no_grad()
    def load_imagenet(self, state: Mapping[str, Tensor], mean: float, deviation: float) -> None:
        """Takes over weights in the naming of the package ``efficientnet_lite_pytorch``.

        Args:
            state: the weights.
            mean: of the pixels behind ``y``; the stem makes up for the difference from what the
                backbone was trained on.
            deviation: as well.
        """
        _take_over(self.stem, state, "_conv_stem", "_bn0")
        ratio = deviation / BACKBONE_DEVIATION
        shift = (mean - BACKBONE_MEAN) / BACKBONE_DEVIATION
        offset = self.stem.weight_applied().sum(dim=(1, 2, 3)) * shift
        self.stem.bias.add_(offset)  # type: ignore[union-attr]
        self.stem.weight.mul_(ratio)
        blocks = [m for m in self.modules() if isinstance(m, InvertedBottleneck)]
        for index, block in enumerate(blocks):
            name = f"_blocks.{index}."
            if block.expand is not None:
                _take_over(block.expand, state, f"{name}_expand_conv", f"{name}_bn0")
            weight, gain, bias = _normalised(state, f"{name}_depthwise_conv", f"{name}_bn1")
            block.depthwise.weight.copy_(weight * gain)
            block.depthwise.bias.copy_(bias)
            _take_over(block.project, state, f"{name}_project_conv", f"{name}_bn2")


def _take_over(
    convolution: ScaledConv2d, state: Mapping[str, Tensor], name: str, norm: str
) -> None:
    weight, gain, bias = _normalised(state, name, norm)
    convolution.weight.copy_(weight)
    convolution.gain.copy_(gain)
    convolution.bias.copy_(bias)  # type: ignore[union-attr]


def _normalised(state: Mapping[str, Tensor], name: str, norm: str) -> tuple[Tensor, Tensor, Tensor]:
    """Weight, gain and bias of a convolution and the batch normalisation behind it."""
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + BATCH_NORM_EPSILON).sqrt()
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
    return state[f"{name}.weight"], gain.view(-1, 1, 1, 1), bias


class Context(nn.Module):
    """What the backbone knows of a picture, to be added to a conditioner's own features.

    Args:
        width: channels of the pyramid on the backbone.
        channels_8: of the features to which it is added at stride 8.
        channels_4: at stride 4.
    """

    def __init__(self, width: int, channels_8: int, channels_4: int) -> None:
        super().__init__()
        self.backbone = Backbone()
        f4, f8, f16, f32 = (LITE_2[index].channels for index in (1, 2, 4, 5))
        self.lateral_32 = StandardisedConv2d(f32, width, 1)
        self.lateral_16 = StandardisedConv2d(f16, width, 1)
        self.lateral_8 = StandardisedConv2d(f8, width, 1)
        self.lateral_4 = StandardisedConv2d(f4, channels_4, 1)
        for lateral in (self.lateral_32, self.lateral_16, self.lateral_8, self.lateral_4):
            nn.init.constant_(lateral.gain, 1 / FEATURE_DEVIATION)
        self.at_16 = ResidualBlock(width)
        self.at_8 = ResidualBlock(width)
        self.to_8 = StandardisedConv2d(width, channels_8, 1)
        self.to_4 = StandardisedConv2d(width, channels_4, 1)

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """What is added at strides 8 and 4."""
        f4, f8, f16, f32 = self.backbone(y)
        p16 = self.at_16(self.lateral_16(f16) + double(self.lateral_32(f32)))
        p8 = scaled_relu(self.at_8(self.lateral_8(f8) + double(p16)))
        p4 = self.lateral_4(f4) + double(self.to_4(p8))
        return self.to_8(p8), p4
