from __future__ import annotations

import struct
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.picture import encode_jpeg, sized, upright


@given(st.integers(2, 8000), st.integers(2, 8000), st.integers(128, 4096))
def test_pictures_keep_their_shape_and_are_never_enlarged(
    width: int, height: int, max_side: int
) -> None:
    new_width, new_height = sized(width, height, max_side)
    assert max(new_width, new_height) <= max(max_side, 2)
    assert 2 <= new_width <= max(2, width)
    assert 2 <= new_height <= max(2, height)
    scale = min(1.0, max_side / max(width, height))
    assert abs(new_width - width * scale) <= 2
    assert abs(new_height - height * scale) <= 2


@pytest.mark.parametrize(
    ("turned", "quarters"), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)]
)
def test_a_phone_video_stands_upright(
    videos: Path, tmp_path: Path, turned: tuple[int, int, int, int], quarters: int
) -> None:
    video = (videos / "gate.mp4").read_bytes()
    place = video.index(display_matrix((1, 0, 0, 1)), video.index(b"tkhd"))
    path = tmp_path / "phone.mp4"
    path.write_bytes(video[:place] + display_matrix(turned) + video[place + 36 :])
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    grey = upright(frame).to_ndarray(format="gray")
    assert np.array_equal(grey, np.rot90(frame.to_ndarray(format="gray"), quarters))


def display_matrix(turned: tuple[int, int, int, int]) -> bytes:
    """The matrix of an MP4's track header, fixed point."""
    a, b, c, d = (value * 0x10000 for value in turned)
    return struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)


@pytest.mark.data
def test_the_jpeg_shows_the_frame(data_folder: Path) -> None:
    with av.open(str(data_folder / "videos" / "street_1280x720.mp4")) as container:
        frame = next(container.decode(video=0))
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(frame, 640), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    truth = cv2.resize(frame.to_ndarray(format="bgr24"), (640, 360), interpolation=cv2.INTER_AREA)
    assert decoded.shape == (360, 640, 3)
    difference = np.abs(decoded.astype(int) - truth)
    assert difference.mean() < 3
    assert np.abs((decoded.astype(int) - truth).mean(axis=(0, 1))).max() < 2, "colours are true"
