"""``headcount bench model``: the model's time beside the ideal time of its convolutions."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from models.counter import default_device
from models.frames import frame_tensor
from models.layers import channels_last, fold_standardisation
from models.reading import read_map
from models.weights import load_weights

FRAME = (768, 1024)  # height, width in pixels
STEPS = (1, 4)
RATE_SHAPE = (1, 64, 192, 256)  # of the convolution whose rate is the machine's
ROUNDS = 7  # each measures everything once, in turn, so that all see the same load


@dataclass(frozen=True)
class ModelBench:
    """Milliseconds are medians over the rounds."""

    parameters: int
    device: str
    threads: int
    rate_gmacs: float  # GMAC/s of a 3 x 3 convolution of 64 channels
    gmac: dict[int, float]  # of one frame, by S
    ideal_ms: dict[int, float]
    network_ms: dict[int, float]
    ratio: dict[int, float]  # median of each round's own ratio
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
    """Times the network, its parts and a plain convolution, all in turn."""
    device = default_device()
    loaded = load_weights(weights)
    network = loaded.network.to(device)
    parameters = sum(p.numel() for p in network.parameters())
    fold_standardisation(network)
    channels_last(network)
    rng = np.random.default_rng(0)
    pictures = frame_tensor(rng.integers(0, 256, (*FRAME, 3), dtype=np.uint8), None)[0].to(device)
    plain = channels_last(nn.Conv2d(RATE_SHAPE[1], RATE_SHAPE[1], 3, padding=1).to(device))
    x = torch.randn(RATE_SHAPE, device=device).contiguous(memory_format=torch.channels_last)
    zeta, _ = network.condition(pictures)
    z = torch.randn(1, network.config.latent_channels, *zeta.shape[2:], device=device)
    t = torch.ones(1, device=device)
    crowd = network.decode(z)[0, 0].clamp(min=0).cpu().numpy()
    calls: dict[str, Callable[[], object]] = {
        "convolution": lambda: plain(x),
        **{f"S = {s}": lambda s=s: network.sample(pictures, s) for s in STEPS},  # type: ignore[misc]
        "conditioner": lambda: network.condition(pictures),
        "one denoising step": lambda: network.predict(z, t, zeta),
        "decoder": lambda: network.decode(z),
        "reading the map": lambda: read_map(crowd, loaded.recipe.reading),
    }
    gmac = {s: multiply_adds(network, calls[f"S = {s}"]) / 1e9 for s in STEPS}
    plain_gmac = multiply_adds(plain, calls["convolution"]) / 1e9
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            elapsed = _seconds(call, device)
            if number:  # the first round warms up
                times[name].append(elapsed)
    rate = plain_gmac / statistics.median(times["convolution"])
    ratio = {
        s: statistics.median(
            whole / (gmac[s] * convolution / plain_gmac)
            for whole, convolution in zip(times[f"S = {s}"], times["convolution"], strict=True)
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
        parts_ms={
            name: 1000 * statistics.median(values)
            for name, values in times.items()
            if name != "convolution" and not name.startswith("S")
        },
    )


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
    for column in ("S", "GMAC", "ideal ms", "measured ms", "ratio"):
        table.add_column(column, justify="right")
    for s in STEPS:
        table.add_row(
            str(s),
            f"{found.gmac[s]:.1f}",
            f"{found.ideal_ms[s]:.0f}",
            f"{found.network_ms[s]:.0f}",
            f"{found.ratio[s]:.2f}",
        )
    out = Console()
    out.print(table)
    out.print(
        f"ideal: all convolutions at {found.rate_gmacs:.0f} GMAC/s, the rate of one 3 x 3 "
        "convolution of 64 channels, measured in turn with the rest",
        highlight=False,
    )
    for name, value in found.parts_ms.items():
        out.print(f"{name}: {value:.1f} ms", highlight=False)
