"""``headcount count``: pictures and videos, as text, as JSON, drawn."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.headcount.conftest import headcount

pytestmark = pytest.mark.usefixtures("weights")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A grey wall with some noise."""
    path = tmp_path / "wall.png"
    noise = np.random.default_rng(1).normal(120, 5, (240, 320, 3))
    assert cv2.imwrite(str(path), noise.clip(0, 255).astype(np.uint8))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Three seconds of grey at 10 frames a second."""
    path = tmp_path / "wall.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 90, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_json_is_all_there_is_on_stdout(picture: Path) -> None:
    result = headcount("count", picture, "--json", "--steps", "1")
    assert result.returncode == 0, result.stderr
    (item,) = json.loads(result.stdout)["items"]
    assert set(item) == {"source", "frame", "captured_at", "count", "low", "high", "heads", "ms"}
    assert (item["source"], item["frame"]) == (str(picture), 0)
    assert item["low"] <= item["count"] <= item["high"]
    assert sum(weight for _, _, weight in item["heads"]) == pytest.approx(item["count"], abs=0.01)
    assert item["count"] < 2  # nobody is on the wall


def test_a_video_is_counted_second_by_second(video: Path) -> None:
    result = headcount("count", video, "--json", "--steps", "1", "--max-side", "320")
    assert result.returncode == 0, result.stderr
    assert [item["frame"] for item in json.loads(result.stdout)["items"]] == [0, 10, 20]


def test_the_overlay_has_the_size_of_the_picture(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "counted.jpg"
    result = headcount("count", picture, "--overlay", out)
    assert result.returncode == 0, result.stderr
    assert "people, 90 % between" in result.stdout
    drawn = cv2.imread(str(out))
    assert drawn is not None
    assert drawn.shape == (240, 320, 3)


def test_a_file_that_cannot_be_read_is_said_and_the_others_are_counted(
    picture: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    missing = tmp_path / "missing.png"
    result = headcount("count", broken, missing, text, picture, "--json")
    assert result.returncode == 1
    (item,) = json.loads(result.stdout)["items"]
    assert item["source"] == str(picture)
    assert len(result.stderr.strip().splitlines()) == 3
    for name in ("broken.jpg", "missing.png", "notes.mp4"):
        assert name in result.stderr


def test_unknown_weights_are_one_sentence(picture: Path) -> None:
    result = headcount("count", picture, "--weights", "huge", "--json")
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.strip().splitlines()) == 1


def test_pictures_of_the_same_name_are_drawn_side_by_side(tmp_path: Path, picture: Path) -> None:
    others = [tmp_path / place / picture.name for place in ("north", "south")]
    for other in others:
        other.parent.mkdir()
        other.write_bytes(picture.read_bytes())
    out = tmp_path / "drawn"
    assert headcount("count", *others, "--overlay", out).returncode == 0
    assert sorted(path.name for path in out.iterdir()) == ["000-wall.jpg", "001-wall.jpg"]
