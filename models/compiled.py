"""The model as it runs fastest: on a CPU, its functions compiled by OpenVINO.

OpenVINO computes the same convolutions with everything round them fused in, and in bfloat16 where
the CPU has instructions for it (AMX); elsewhere in float32.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from models.autoencoder import FACTOR
from models.layers import channels_last, fold_weights
from models.network import CrowdDiffusion, Sampler

EXAMPLE = 64  # pixels, side of the picture that is traced; any other is taken later


def for_inference(network: CrowdDiffusion, device: str, *, exact: bool = False) -> Sampler:
    """The model in its fastest form; the network cannot be trained or saved any more.

    Args:
        network: is changed.
        device: ``cpu`` or ``cuda``.
        exact: float32 even where the CPU has bfloat16.
    """
    fold_weights(network)
    channels_last(network.to(device)).eval().requires_grad_(False)
    return CompiledSampler(network, exact=exact) if device == "cpu" else network


class CompiledSampler(Sampler):
    """A network's functions compiled for the CPU."""

    def __init__(self, network: CrowdDiffusion, *, exact: bool) -> None:
        self.config, self.schedule = network.config, network.schedule
        self._network = network
        picture = torch.zeros(1, 3, EXAMPLE, EXAMPLE, dtype=torch.uint8)
        zeta, _ = network.condition(picture)
        z = torch.zeros(1, self.config.latent_channels, EXAMPLE // FACTOR, EXAMPLE // FACTOR)
        # The error of a predicted noise grows by 1 / sqrt(alpha_bar) on its way to z_0.
        exact = exact or self.config.prediction == "epsilon"
        self._condition = Compiled(network.condition, (picture,), exact=exact)
        self._predict = Compiled(network.predict, (z, torch.ones(1), zeta), exact=exact)
        self._decode = Compiled(network.decode, (z,), exact=exact)

    def condition(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        zeta, density = self._condition(pictures)
        return zeta, density

    def predict(self, z_t: Tensor, t: Tensor, zeta: Tensor) -> Tensor:
        return self._predict(z_t, t, zeta)[0]

    def decode(self, z_0: Tensor, *, quantise: bool = False) -> Tensor:
        if quantise:  # the ablation's
            return self._network.decode(z_0, quantise=True)
        return self._decode(z_0)[0]


class Compiled:
    """A function of tensors compiled for the CPU, on as many threads as PyTorch has when called.

    Args:
        function: whose weights need no gradient.
        example: of its inputs; any number of pictures of any size is taken later.
        exact: float32 even where the CPU has bfloat16.
    """

    def __init__(
        self, function: Callable[..., Any], example: tuple[Tensor, ...], *, exact: bool
    ) -> None:
        openvino = _openvino()
        with warnings.catch_warnings():
            # Tracing is deprecated in PyTorch; what replaces it takes ten times as long.
            warnings.filterwarnings("ignore", ".*torch.jit.trace", DeprecationWarning)
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                lambda *inputs: function(*inputs), example, check_trace=False
            )
        self._graph = openvino.convert_model(traced)
        self._precision = {"INFERENCE_PRECISION_HINT": "f32"} if exact else {}
        self._compiled: dict[int, Any] = {}  # by threads

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The function's outputs for these inputs."""
        threads = torch.get_num_threads()  # each of a process's threads has its own number
        if threads not in self._compiled:
            newest = list(self._compiled.items())[-1:]
            self._compiled = {**dict(newest), threads: self._compile(threads)}
        values = [x.contiguous().numpy() for x in inputs]
        outputs = self._compiled[threads].create_infer_request().infer(values)
        return tuple(torch.from_numpy(value) for value in outputs.values())

    def _compile(self, threads: int) -> Any:
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # every worker would pin itself to the same cores
            "CPU_RUNTIME_CACHE_CAPACITY": 0,  # else each size of picture ever seen keeps 12 MB
        }
        core = _openvino().Core()
        return core.compile_model(self._graph, "CPU", options | self._precision)


def _openvino() -> Any:
    """OpenVINO, imported where it is needed only: on a CPU."""
    # It tells its makers of every import, unless this package is missing.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino
