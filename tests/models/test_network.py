"""The network as a function: the same on a crop and on a frame, folded or not."""

import copy

import numpy as np
import pytest
import torch

from models.autoencoder import CrowdMapAutoencoder
from models.conditioner import Conditioner, normalise
from models.frames import frame_tensor, working_size
from models.layers import fold_standardisation
from models.network import CrowdDiffusion, NetworkConfig
from models.weights import load_weights


@pytest.fixture(scope="module")
def network() -> CrowdDiffusion:
    return load_weights("tiny").network


def random_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    return coarse.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)


def test_a_crop_has_the_density_that_it_has_in_its_frame(network):
    """No statistics over the picture: the interior, beyond the receptive field, is the same."""
    frame = torch.from_numpy(random_picture(512, 1024)).permute(2, 0, 1)[None]
    crop = frame[:, :, :, 256:]
    with torch.inference_mode():
        whole = network.conditioner(normalise(frame)).density[0, 0]
        alone = network.conditioner(normalise(crop)).density[0, 0]
    # 256 pixels are 32 cells; from 384 pixels on the crop's edge is out of sight.
    assert torch.allclose(whole[:, 80:], alone[:, 48:], rtol=1e-3, atol=1e-5)


def test_folding_the_standardisation_changes_nothing():
    torch.manual_seed(0)
    conditioner = Conditioner().eval()
    for parameter in conditioner.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    y = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = conditioner(y)
        after = fold_standardisation(copy.deepcopy(conditioner))(y)
    assert torch.allclose(before.density, after.density, atol=1e-5)
    assert torch.allclose(before.zeta, after.zeta, atol=1e-4)


def test_tiny_is_tiny(network):
    assert sum(p.numel() for p in network.parameters()) <= 1_500_000


def test_the_autoencoder_keeps_shapes_and_positive_maps():
    autoencoder = CrowdMapAutoencoder()
    x = torch.rand(2, 1, 64, 96)
    z = autoencoder.encode(x)
    assert z.shape == (2, 4, 16, 24)
    for quantise in (False, True):
        x_hat = autoencoder.decode(z, quantise=quantise)
        assert x_hat.shape == x.shape
        assert (x_hat >= 0).all()


def test_an_unknown_size_of_the_network_is_refused():
    with pytest.raises(TypeError, match="colour"):
        NetworkConfig.from_mapping({"colour": 3})


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [((768, 1024), None, (768, 1024)), ((1080, 1920), 960, (540, 960)), ((1, 1), 640, (1, 1))],
)
def test_pictures_are_reduced_and_never_enlarged(size, max_side, expected):
    assert working_size(*size, max_side) == expected


def test_frames_are_padded_to_whole_strides():
    tensor, inside = frame_tensor(random_picture(40, 72), None)
    assert tensor.shape == (1, 3, 64, 96)
    assert inside == (40, 72)
