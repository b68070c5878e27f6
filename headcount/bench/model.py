"""``headcount bench model``: the model's time beside the ideal time of its convolutions."""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from models.compiled import Compiled, for_inference
from models.counter import default_device
from models.frames import frame_tensor
from models.layers import channels_last, fold_weights
from models.reading import read_map
from models.weights import load_weights

FRAME = (768, 1024)  # height, width in pixels
STEPS = (1, 4)
RATE_SHAPE = (1, 64, 192, 256)  # of the convolutions whose rate is the machine's
RATE_DEPTH = 16  # of them in a row
ROUNDS = 7  # each measures everything once, in turn, so that all see the same load


@dataclass(frozen=True)
class ModelBench:
    """Milliseconds are medians over the rounds."""

    parameters: int
    device: str
    threads: int
    rate_gmacs: float  # GMAC/s of 3 x 3 convolutions of 64 channels
    gmac: dict[int, float]  # of one frame, by S
    ideal_ms: dict[int, float]
    network_ms: dict[int, float]
    ratio: dict[int, float]  # measured to ideal, median of each round's own
    eager_ms: dict[int, float]  # of the same network run by PyTorch alone
    parts_ms: dict[str, float]  # conditioner, one denoising step, decoder, reading


def multiply_adds(network: nn.Module, call: Callable[[], object]) -> float:
    """Multiply-adds of all convolutions that a call runs."""
    total = 0.0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += output.numel() * module.weight[0].numel()

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    call()
    for hook in hooks:
        hook.remove()
    return total


@torch.inference_mode()
def measure(weights: str) -> ModelBench:
    """Times the network, its parts and plain convolutions, all in turn."""
    device = default_device()
    loaded = load_weights(weights)
    network = loaded.network
    parameters = sum(p.numel() for p in network.parameters())
    rng = np.random.default_rng(0)
    pictures = frame_tensor(rng.integers(0, 256, (*FRAME, 3), dtype=np.uint8), None)[0]
    gmac = {s: multiply_adds(network, partial(network.sample, pictures, s)) / 1e9 for s in STEPS}
    convolutions, plain_gmac = _convolutions(device)
    eager = channels_last(copy.deepcopy(network).to(device))
    fold_weights(eager)
    sampler = for_inference(network, device)
    pictures = pictures.to(device)
    zeta, _ = sampler.condition(pictures)
    z = torch.randn(1, sampler.config.latent_channels, *zeta.shape[2:], device=device)
    t = torch.ones(1, device=device)
    crowd = sampler.decode(z)[0, 0].clamp(min=0).cpu().numpy()
    calls: dict[str, Callable[[], object]] = {
        "convolutions": convolutions,
        **{f"S = {s}": partial(sampler.sample, pictures, s) for s in STEPS},
        **{f"S = {s}, PyTorch": partial(eager.sample, pictures, s) for s in STEPS},
        "conditioner": lambda: sampler.condition(pictures),
        "one denoising step": lambda: sampler.predict(z, t, zeta),
        "decoder": lambda: sampler.decode(z),
        "reading the map": lambda: read_map(crowd, loaded.recipe.reading),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            elapsed = _seconds(call, device)
            if number:  # the first round warms up
                times[name].append(elapsed)
    rate = plain_gmac / statistics.median(times["convolutions"])
    ratio = {
        s: statistics.median(
            whole / (gmac[s] * convolution / plain_gmac)
            for whole, convolution in zip(times[f"S = {s}"], times["convolutions"], strict=True)
        )
        for s in STEPS
    }
    return ModelBench(
        parameters=parameters,
        device=device,
        threads=torch.get_num_threads(),
        rate_gmacs=rate,
        gmac=gmac,
        ideal_ms={s: 1000 * gmac[s] / rate for s in STEPS},
        network_ms={s: 1000 * statistics.median(times[f"S = {s}"]) for s in STEPS},
        ratio=ratio,
        eager_ms={s: 1000 * statistics.median(times[f"S = {s}, PyTorch"]) for s in STEPS},
        parts_ms={
            name: 1000 * statistics.median(values)
            for name, values in times.items()
            if name != "convolutions" and not name.startswith("S")
        },
    )


def _convolutions(device: str) -> tuple[Callable[[], object], float]:
    """A call of plain convolutions in the form that the network's have, and their GMAC."""
    channels = RATE_SHAPE[1]
    row = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(RATE_DEPTH)]
    plain = channels_last(nn.Sequential(*row).requires_grad_(False))
    x = torch.randn(RATE_SHAPE)
    gmac = multiply_adds(plain, lambda: plain(x)) / 1e9
    if device == "cpu":
        return partial(Compiled(plain, (x,), exact=False), x), gmac
    return partial(plain.to(device), x.to(device, memory_format=torch.channels_last)), gmac


def _seconds(call: Callable[[], object], device: str) -> float:
    started = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def bench_model(weights: str, *, as_json: bool) -> None:
    """Measure and print.

    Raises:
        models.weights.WeightsError: the weights are missing or unreadable.
    """
    found = measure(weights)
    if as_json:
        print(json.dumps(vars(found)))
        return
    table = Table(
        title=f"{weights}: {found.parameters / 1e6:.2f} M parameters, one frame of "
        f"{FRAME[1]} x {FRAME[0]}, {found.device}, {found.threads} threads"
    )
    for column in ("S", "GMAC", "ideal ms", "measured ms", "ratio", "PyTorch ms"):
        table.add_column(column, justify="right")
    for s in STEPS:
        table.add_row(
            str(s),
            f"{found.gmac[s]:.1f}",
            f"{found.ideal_ms[s]:.0f}",
            f"{found.network_ms[s]:.0f}",
            f"{found.ratio[s]:.2f}",
            f"{found.eager_ms[s]:.0f}",
        )
    out = Console()
    out.print(table)
    out.print(
        f"ideal: all convolutions at {found.rate_gmacs:.0f} GMAC/s, the rate of {RATE_DEPTH} "
        "convolutions of 3 x 3 and 64 channels in a row, compiled as the network is; "
        "PyTorch: the same network, not compiled; all measured in turn",
        highlight=False,
    )
    for name, value in found.parts_ms.items():
        out.print(f"{name}: {value:.1f} ms", highlight=False)
