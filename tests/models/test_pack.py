"""A training pack holds the same pictures and points as the folders it was made of."""

import cv2
import numpy as np
import pytest

from models.training.data import Annotated, read_folder
from models.training.pack import PackError, read_pack, write_pack
from scenes.training import training_picture


@pytest.fixture
def sets(tmp_path) -> dict[str, list[Annotated]]:
    rng = np.random.default_rng(2)
    for name, sized in (("one", False), ("two/inner", True)):
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        rows = ["file,x,y,w,h" if sized else "file,x,y"]
        for number in range(6):
            picture, heads = training_picture(rng, (160, 240))
            cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
            if number == 3:
                continue  # a picture with nobody labelled
            size = ",9,16" if sized else ""
            rows += [f"{number}.png,{x:.2f},{y:.2f}{size}" for x, y in heads]
        (folder / "points.csv").write_text("\n".join(rows) + "\n")
    return {name: read_folder(tmp_path / name) for name in ("one", "two/inner")}


def test_a_pack_gives_back_pictures_and_points(tmp_path, sets):
    written = write_pack(sets, tmp_path / "pack", 10_000_000)
    assert (written.pictures, written.side, written.quality) == (12, 1024, 80)
    packed = read_pack(tmp_path / "pack")
    assert list(packed) == list(sets)
    for name, items in sets.items():
        for item, again in zip(items, packed[name], strict=True):
            assert again.path.name == item.path.name
            np.testing.assert_allclose(again.heads, item.heads, atol=1e-4)
            assert (again.sizes is None) == (item.sizes is None)
            if item.sizes is not None:
                np.testing.assert_allclose(again.sizes, item.sizes)
            difference = again.picture().astype(float) - item.picture()
            assert np.abs(difference).mean() < 8


def test_a_small_limit_is_kept_by_smaller_pictures_with_points_in_place(tmp_path):
    """A white dot stays under its point when pictures are reduced."""
    folder = tmp_path / "dots"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(4):
        picture = rng.integers(0, 60, (1200, 1600, 3), dtype=np.uint8)
        cv2.circle(picture, (400 + 100 * number, 600), 30, (255, 255, 255), -1)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
    lines = [f"{number}.png,{400 + 100 * number},600" for number in range(4)]
    (folder / "points.csv").write_text("file,x,y\n" + "\n".join(lines) + "\n")
    sets = {"dots": read_folder(folder)}
    whole = write_pack(sets, tmp_path / "whole", 100_000_000)
    limit = (tmp_path / "whole").stat().st_size // 3
    written = write_pack(sets, tmp_path / "small", limit)
    assert (written.side, -written.quality) != (whole.side, -whole.quality)
    assert (tmp_path / "small").stat().st_size <= limit
    for item in read_pack(tmp_path / "small")["dots"]:
        picture = item.picture()
        assert max(picture.shape) <= written.side
        x, y = item.heads[0].astype(int)
        assert picture[y, x].min() > 200
    with pytest.raises(PackError, match="do not fit into 0 MB"):
        write_pack(sets, tmp_path / "tiny", 1000)


def test_other_files_are_named(tmp_path):
    (tmp_path / "notes").write_text("not a pack")
    with pytest.raises(PackError, match="notes: not a training pack"):
        read_pack(tmp_path / "notes")
