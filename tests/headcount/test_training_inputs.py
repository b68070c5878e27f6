"""Recipes and earlier runs: what is missing, unknown or of another network is named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from core.site_file import SiteFileError
from headcount.failures import InputError
from headcount.training_inputs import RECIPE, loaded, read_data_sets
from headcount.training_recipe import TrainingRecipe, recipe_of


def test_the_shipped_recipe_is_read():
    recipe = recipe_of(RECIPE)
    assert recipe.crop == 384
    assert 0 < recipe.native < 1
    assert recipe.changed(crop=None, batch=2) == recipe.model_copy(update={"batch": 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "batch: 8\nshares: {a: 1}\n",
            "1: crop: is missing; allowed is a whole number, 32 or more",
        ),
        ("batch: 8\ncrop: 256\nshares: {a: 1}\nnatve: 1\n", "4: natve: unknown key; did you mean"),
        ("batch: 8\ncrop: 100\nshares: {a: 1}\n", "2: crop: crop must be a multiple of 32"),
        ("batch: 8\ncrop: 256\nshares: {}\n", "3: shares: shares must name at least one"),
        ("batch: 0\ncrop: 256\nshares: {a: 1}\n", "1: batch: found 0; allowed is a whole number"),
        (
            "batch: 8\ncrop: 256\nshares: {stop: 1}\ncut_above_heads: [stopp]\n",
            "4: cut_above_heads: cut_above_heads names stopp, which has no share",
        ),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(SiteFileError, match=message):
        recipe_of(path)


def test_what_is_not_annotated_is_left_out(tmp_path):
    images = tmp_path / "stop" / "images"
    images.mkdir(parents=True)
    for number in range(20):
        picture = np.full((60, 40, 3), number, np.uint8)
        picture[:10] = 255  # people whom nobody annotated
        cv2.imwrite(str(images / f"{number}.png"), picture)
    rows = [f"{number}.png,5,{30 + number}" for number in range(19)]
    (tmp_path / "stop" / "points.csv").write_text("\n".join(["file,x,y", *rows]))
    recipe = TrainingRecipe(batch=8, crop=64, shares={"stop": 1.0})
    whole = read_data_sets(tmp_path, recipe)
    cleaning = {"cut_above_heads": ("stop",), "incomplete": {"stop": ("3", "19")}}
    cleaned = read_data_sets(tmp_path, recipe.changed(**cleaning))
    assert [item.path.stem for item in whole.validation["stop"]] == ["18", "19"]
    assert [item.path.stem for item in cleaned.validation["stop"]] == ["18"]
    names = [item.path.stem for item in cleaned.train["stop"]]
    assert names == [str(number) for number in range(18) if number != 3]
    item = cleaned.train["stop"][0]
    assert item.picture().shape == (60 - 16, 40, 3)
    assert item.heads.tolist() == [[5.5, 14.5]]
    assert all(item.picture().max() < 255 for item in cleaned.train["stop"])


def run_of(module: nn.Module, folder: Path) -> Path:
    folder.mkdir()
    save_file(module.state_dict(), folder / "best.safetensors")
    return folder


def test_several_runs_give_the_mean_of_their_weights(tmp_path):
    modules = [nn.Linear(3, 2) for _ in range(2)]
    runs = [run_of(module, tmp_path / str(i)) for i, module in enumerate(modules)]
    mean = (modules[0].weight + modules[1].weight) / 2
    torch.testing.assert_close(loaded(nn.Linear(3, 2), *runs).weight, mean)


def test_a_run_of_another_network_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"best\.safetensors: not the weights of this network"):
        loaded(nn.Linear(3, 2), run_of(nn.Linear(4, 2), tmp_path / "run"))
    with pytest.raises(InputError, match="run the earlier stage first"):
        loaded(nn.Linear(3, 2), tmp_path)
