"""Weights files: one safetensors file that says everything needed to use it.

Its header holds, as JSON under ``headcount``, the network's sizes, how maps are read, which count
is reported, the default number of DDIM steps and the calibrated intervals. Half precision on disk.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.interval import COVERAGES, Interval
from models.network import CrowdDiffusion, NetworkConfig
from models.reading import ReadingSettings
from models.shipped import known_weights, weights_path

# The interval of a network that was not calibrated: everything is possible.
UNCALIBRATED = Interval(
    1, 1, (1.0,), dict.fromkeys(COVERAGES, (1e6,)), dict.fromkeys(COVERAGES, (1e6,))
)


class WeightsError(ValueError):
    """Weights are missing or unreadable; the text is one sentence with the file's name."""


@dataclass(frozen=True)
class Recipe:
    """How the network's output becomes a count; chosen on validation, stored with the weights."""

    steps: int  # S, DDIM steps by default
    reading: ReadingSettings
    density_share: float  # of the regression control in the reported count; 0 is the map alone
    intervals: tuple[Interval, ...]  # one for each S and K that was calibrated
    quantise: bool = False  # decode the sampled latent through the codebook


@dataclass(frozen=True)
class LoadedWeights:
    name: str
    sha256: str
    network: CrowdDiffusion
    recipe: Recipe


def load_weights(name: str | Path) -> LoadedWeights:
    """The network and its recipe.

    Raises:
        WeightsError: there is no such file, or it is not a weights file of ours.
    """
    path = weights_path(name)
    if not path.is_file():
        known = ", ".join(known_weights()) or "none"
        raise WeightsError(f"{path}: no such weights file (shipped weights: {known})")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["headcount"])
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        network = CrowdDiffusion(NetworkConfig.model_validate(header["network"]))
        network.load_state_dict(tensors)
        recipe = header["recipe"]
        return LoadedWeights(
            path.stem,
            hashlib.sha256(path.read_bytes()).hexdigest(),
            network.eval().requires_grad_(False),
            Recipe(
                steps=int(recipe["steps"]),
                reading=ReadingSettings(**recipe["reading"]),
                density_share=float(recipe["density_share"]),
                intervals=tuple(map(Interval.from_json, recipe["intervals"])),
                quantise=bool(recipe["quantise"]),
            ),
        )
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: not a weights file of Headcount ({reason})") from None


def save_weights(network: CrowdDiffusion, recipe: Recipe, path: Path) -> str:
    """Writes a weights file atomically, half precision, and returns its sha256."""
    tensors = {
        name: tensor.detach().cpu().to(torch.float16).contiguous()
        for name, tensor in network.state_dict().items()
    }
    plain = {**asdict(recipe), "intervals": [i.to_json() for i in recipe.intervals]}
    header = {"network": network.config.model_dump(), "recipe": plain}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"headcount": json.dumps(header)})
    temporary.replace(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
