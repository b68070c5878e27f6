"""The network as a function: the same on a crop and on a frame, folded or not."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from core.site_file import load_section
from models.autoencoder import CrowdMapAutoencoder, gaussian_sample
from models.conditioner import Conditioner, normalise
from models.denoiser import CrossAttention
from models.diffusion import T, add_noise, predicted_z_0
from models.frames import frame_tensor, working_size
from models.layers import fold_weights
from models.network import CrowdDiffusion, NetworkConfig
from models.training.crops import Batch
from models.training.diffusion import diffusion_loss, noise_loss
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
        after = fold_weights(copy.deepcopy(conditioner))(y)
    assert torch.allclose(before.density, after.density, atol=1e-5)
    assert torch.allclose(before.zeta, after.zeta, atol=1e-4)


def test_tiny_is_tiny(network):
    assert sum(p.numel() for p in network.parameters()) <= 1_500_000


@pytest.mark.parametrize("codes", [16, 0], ids=["VQ", "KL"])
def test_the_autoencoder_keeps_shapes_and_positive_maps(codes):
    autoencoder = CrowdMapAutoencoder(codes=codes)
    x = torch.rand(2, 1, 64, 96)
    z = autoencoder.encode(x)
    assert z.shape == (2, 4, 16, 24)
    for quantise in (False, True):
        x_hat = autoencoder.decode(z, quantise=quantise)
        assert x_hat.shape == x.shape
        assert (x_hat >= 0).all()


def test_the_divergence_is_that_of_the_distributions():
    """Against torch's own; the samples have the moments they were asked for."""
    mean = torch.randn(2, 4, 64, 64)
    log_variance = torch.full_like(mean, -1.0)
    sample, divergence = gaussian_sample(torch.cat([mean, log_variance], dim=1))
    asked = Normal(mean, (0.5 * log_variance).exp())
    torch.testing.assert_close(divergence, kl_divergence(asked, Normal(0.0, 1.0)).mean())
    assert ((sample - mean).std() - asked.stddev.mean()).abs() < 0.02


def test_an_unknown_size_of_the_network_is_refused():
    with pytest.raises(ValueError, match="colour"):
        NetworkConfig.model_validate({"colour": 3})


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


def configured(name: str) -> CrowdDiffusion:
    torch.manual_seed(0)
    path = Path(__file__).parents[2] / "configs" / "models" / f"{name}.yaml"
    return CrowdDiffusion(load_section(path, NetworkConfig))


@pytest.mark.parametrize("name", ["paper", "paper-cross-attention", "tiny-cross-attention"])
def test_the_paper_s_choices_are_configurations(name):
    """Each samples maps of the picture's size, and its loss reaches denoiser and conditioner."""
    model = configured(name)
    pictures = torch.from_numpy(random_picture(256, 256)).permute(2, 0, 1)[None]
    assert model.sample(pictures, 2).maps.shape == (1, 1, 256, 256)
    batch = Batch(pictures.numpy(), [np.array([[40.0, 60.0], [200.0, 90.0]], np.float32)])
    loss_of = noise_loss if model.config.prediction == "epsilon" else diffusion_loss
    for parameter in model.denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    loss, _ = loss_of(model, batch)
    loss.backward()
    for part in (model.denoiser.enter, model.conditioner.pyramid_4):
        assert part.weight.grad.abs().sum() > 0


def test_a_perfect_prediction_of_the_noise_gives_the_latent_back():
    model = configured("paper")
    z_0 = torch.randn(1, 3, 8, 8)
    epsilon = torch.randn_like(z_0)
    alpha_bar = model.alpha_bar[[T]].view(1, 1, 1, 1)
    z_t = add_noise(z_0, epsilon, alpha_bar)
    assert torch.allclose(predicted_z_0(z_t, epsilon, alpha_bar), z_0, atol=1e-4)


def test_cross_attention_sees_no_places():
    """Moving zeta's tokens about changes nothing: positions are lost, as the paper found."""
    attention = CrossAttention(32, 16)
    torch.nn.init.normal_(attention.out.weight)
    h, zeta = torch.randn(1, 32, 4, 4), torch.randn(1, 16, 8, 16)
    tokens = zeta.unflatten(2, (2, 4)).unflatten(4, (4, 4))  # 2 x 4 tokens of 4 x 4 positions
    moved = tokens.roll(1, dims=2).roll(2, dims=4).reshape(zeta.shape)
    assert not torch.allclose(moved, zeta)
    assert torch.allclose(attention(h, zeta), attention(h, moved), atol=1e-5)


def test_a_squeezed_picture_has_the_side_that_was_asked_for():
    tensor, inside = frame_tensor(random_picture(96, 200), None, squash=256)
    assert tensor.shape == (1, 3, 256, 256)
    assert inside == (256, 256)
