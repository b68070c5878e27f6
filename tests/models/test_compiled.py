"""The compiled model computes what the network computes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from headcount.training_inputs import network_of
from models.compiled import CompiledSampler, for_inference
from models.counter import Counter
from models.frames import frame_tensor
from models.network import CrowdDiffusion
from models.weights import load_weights
from scenes.training import training_picture

CONFIGS = Path(__file__).parents[2] / "configs" / "models"


@pytest.mark.parametrize("name", ["tiny", "base", "tiny-kl", "tiny-cross-attention", "paper"])
def test_every_function_of_every_network_is_the_same_in_float32(name):
    torch.manual_seed(0)
    network = CrowdDiffusion(network_of(CONFIGS / f"{name}.yaml")).eval().requires_grad_(False)
    for parameter in network.parameters():  # new residual branches are zero and would hide errors
        parameter += 0.02 * torch.randn_like(parameter)
    compiled = CompiledSampler(network, exact=True)
    pictures = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    zeta, density = network.condition(pictures)
    z = torch.randn(2, network.config.latent_channels, 24, 32)
    t = torch.tensor([0.5, 0.9])
    for found, expected in (
        (compiled.condition(pictures), (zeta, density)),
        (compiled.predict(z, t, zeta), network.predict(z, t, zeta)),
        (compiled.decode(z), network.decode(z)),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("exact", [True, False])
def test_the_fastest_form_of_the_shipped_weights_counts_the_same_people(exact):
    picture, heads = training_picture(np.random.default_rng(6), (320, 480))
    pictures, _ = frame_tensor(picture, None)
    plain = load_weights("tiny").network.sample(pictures, 2).maps.sum().item()
    sampler = for_inference(load_weights("tiny").network, "cpu", exact=exact)
    assert len(heads) > 100
    assert sampler.sample(pictures, 2).maps.sum().item() == pytest.approx(
        plain, rel=1e-4 if exact else 0.02
    )


def test_another_number_of_threads_changes_no_count():
    picture, _ = training_picture(np.random.default_rng(6), (320, 480))
    counter, threads = Counter.load("tiny", device="cpu"), torch.get_num_threads()
    try:
        counts = []
        for number in (1, 2):
            torch.set_num_threads(number)
            counts.append(counter.count([picture])[0].count)
    finally:
        torch.set_num_threads(threads)
    assert counts[0] == pytest.approx(counts[1], rel=1e-3)


def test_nobody_is_told_of_it():
    """OpenVINO reports each import to its makers; here its own stub takes that."""
    program = (
        "from models.counter import Counter\n"
        "Counter.load('tiny', device='cpu')\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "print(telemetry_utils.tm.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub"]
