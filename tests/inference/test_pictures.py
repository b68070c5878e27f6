"""Small pure steps: the shrunk crowd map, the blur, decoding, the printed item."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.crowd_map import as_png, shrunk
from inference.decoding import PictureError, decode_picture
from inference.privacy import blurred
from inference.result_item import result_item
from tests.inference.conftest import spots_jpeg


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_shrinking_keeps_the_people(width: int, height: int, seed: int) -> None:
    crowd_map = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    small = shrunk(crowd_map)
    assert small.shape[1] <= 160
    assert small.sum() == pytest.approx(crowd_map.sum(dtype=np.float64), rel=1e-4)


def test_an_empty_map_is_black() -> None:
    png, peak = as_png(np.zeros((48, 64), np.float32))
    assert peak == 0
    assert decode_picture(png).max() == 0


def test_negative_noise_is_not_people() -> None:
    _, peak = as_png(np.full((48, 64), -0.1, np.float32))
    assert peak == 0


def test_a_blurred_face_has_no_features_left() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[::8, :, :] = 255  # stripes 8 px apart, as fine as the features of a 60 px head
    contrast = np.ptp(blurred(picture)[40:-40, 40:-40].astype(int))
    assert contrast < 25  # of 255 before


def test_tiny_pictures_can_be_blurred() -> None:
    assert blurred(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1, 3)


@pytest.mark.parametrize("data", [b"", b"hello", spots_jpeg(3)[:100]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="no readable picture"):
        decode_picture(data)


def test_the_item_has_what_the_contract_names() -> None:
    reading: Any = SimpleNamespace(
        count=2.0, low=1.0, high=3.0, heads=np.array([[10.123, 20.5, 1.0], [3, 4, 1]]), ms=12.345
    )
    assert result_item(reading, "a.jpg", 0, None) == {
        "source": "a.jpg",
        "frame": 0,
        "captured_at": None,
        "count": 2.0,
        "low": 1.0,
        "high": 3.0,
        "heads": [[10.12, 20.5, 1.0], [3.0, 4.0, 1.0]],
        "ms": 12.35,
    }
