"""Scenes as files."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from scenes.clip import resize_clip, write_clip
from scenes.scene import Scene


def test_a_clip_and_its_truth(tmp_path: Path) -> None:
    told: list[float] = []
    video, table = write_clip("plaza", tmp_path, 3.0, width=320, height=180, progress=told.append)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plaza.csv", "plaza.mp4"]
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == Scene.fps
        frames = [(f.to_ndarray(format="bgr24"), f.key_frame) for f in container.decode(video=0)]
    assert len(frames) == 24
    assert [i for i, (_, key) in enumerate(frames) if key] == [0, 8, 16]
    scene = Scene("plaza", 0, 320, 180)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = Counter(int(row["frame"]) for row in rows)
    for index in range(24):
        image, heads = scene.frame(index)
        assert counts[index] == len(heads)
        written = [(float(r["x"]), float(r["y"])) for r in rows if int(r["frame"]) == index]
        assert np.array(written).reshape(-1, 2) == pytest.approx(heads, abs=0.01)
        assert np.abs(frames[index][0].astype(float) - image).mean() < 12
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_clip_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_clip("concourse", tmp_path, 2.0, width=320, height=180, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_clip_in_another_size_is_the_same_film(tmp_path: Path) -> None:
    video, _ = write_clip("plaza", tmp_path, 1.0, width=320, height=180)
    target = tmp_path / "other.mp4"
    resize_clip(video, target, 480, 270)
    with av.open(str(video)) as film, av.open(str(target)) as other:
        before = [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
        stream = other.streams.video[0]
        after = [
            frame.to_ndarray(width=320, height=180, format="bgr24")
            for frame in other.decode(stream)
        ]
        assert (stream.width, stream.height, stream.average_rate) == (480, 270, 8)
    assert len(after) == len(before)
    for one, two in zip(before, after, strict=True):
        assert np.abs(one.astype(float) - two).mean() < 6


def test_an_unknown_scene_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="plaza, concourse"):
        write_clip("moon", tmp_path, 1.0)
