import torch

from models.baselines import Mcnn


def test_mcnn_has_its_published_size():
    assert 0.12e6 < sum(p.numel() for p in Mcnn().parameters()) < 0.14e6


def test_mcnn_gives_people_per_cell_of_any_picture():
    density = Mcnn()(torch.randn(2, 3, 64, 96)).density
    assert density.shape == (2, 1, 8, 12)
    assert (density > 0).all()
