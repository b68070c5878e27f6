"""Recipes: what is missing or unknown is named."""

from __future__ import annotations

import pytest

from headcount.failures import InputError
from headcount.training_inputs import RECIPE, crops_of, recipe_of


def test_the_shipped_recipe_is_read():
    crops = crops_of(recipe_of(RECIPE))
    assert crops["crop"] == 384
    assert 0 < crops["native"] < 1
    assert 0 < crops["damaged"] < 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch: 8\nshares: {}\n", "crop are missing"),
        ("batch: 8\ncrop: 256\nshares: {}\nnatve: 1\n", "unknown key natve; allowed are batch"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        recipe_of(path)
