"""Random pictures for training."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scenes import training
from scenes.solids import Bytes
from scenes.training import training_picture

MANY = range(60)
SIZE = (192, 160)


@pytest.fixture(scope="module")
def pictures() -> list[tuple[Bytes, NDArray[np.float32]]]:
    return [training_picture(np.random.default_rng(seed), SIZE) for seed in MANY]


def test_the_same_generator_gives_the_same_picture() -> None:
    first = training_picture(np.random.default_rng(7), (256, 256))
    again = training_picture(np.random.default_rng(7), (256, 256))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def test_pictures_and_heads_have_the_promised_shape(
    pictures: list[tuple[Bytes, NDArray[np.float32]]],
) -> None:
    for image, heads in pictures:
        assert image.shape == (160, 192, 3)
        assert image.dtype == np.uint8
        assert heads.shape == (len(heads), 2)
        assert heads.dtype == np.float32
        assert (heads >= -0.5).all()
        assert (heads <= np.array([191.5, 159.5])).all()


def test_there_are_empty_places_lone_people_and_crowds(
    pictures: list[tuple[Bytes, NDArray[np.float32]]],
) -> None:
    counts = np.array([len(heads) for _, heads in pictures])
    assert 0.1 < (counts == 0).mean() < 0.5
    assert ((counts > 0) & (counts < 10)).any()
    assert counts.max() > 60


def test_pictures_differ_in_brightness(pictures: list[tuple[Bytes, NDArray[np.float32]]]) -> None:
    means = [float(image.mean()) for image, _ in pictures]
    assert min(means) < 60
    assert max(means) > 130


def test_an_empty_place_has_things_but_no_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EMPTY_SHARE", 1.0)
    monkeypatch.setattr(training, "CLUTTER_SHARE", 0.0)
    for seed in range(10):
        image, heads = training_picture(np.random.default_rng(seed), SIZE)
        assert heads.shape == (0, 2)
        assert image.std() > 0


def test_clutter_is_busy_and_nobody_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CLUTTER_SHARE", 1.0)
    edges = []
    for seed in range(20):
        image, heads = training_picture(np.random.default_rng(seed), SIZE)
        assert heads.shape == (0, 2)
        assert image.shape == (160, 192, 3)
        edges.append(cv2.Laplacian(image, cv2.CV_64F).std())
    assert np.median(edges) > 15


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="64 x 64"):
        training_picture(np.random.default_rng(0), (32, 512))
