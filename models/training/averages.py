"""Weights between those of several networks that were trained on from the same start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def between(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Weights that lie ``share`` of the way from one network's to another's.

    Of a finetuned network most of what it learnt stays, and half of what it forgot comes back
    (Wortsman et al., Robust fine-tuning of zero-shot models, 2022).
    """
    return {
        name: tensor.lerp(after[name], share) if tensor.is_floating_point() else tensor
        for name, tensor in before.items()
    }


def mean_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the weights of several networks; what is no real number is the first one's.

    Networks that were trained on from one start, with other crops, can be averaged, often to a
    better one than each (Wortsman et al., Model soups, 2022).
    """
    first = states[0]
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in first.items()
    }
