"""`headcount evaluate`: the figures, the rows that must be beaten, and what it refuses."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import save_file
from scipy.io import savemat

from headcount.evaluate import ROWS
from headcount.labelling.labels import write_points
from models.metrics import count_errors
from models.training.data import read_folder
from models.weights import load_weights
from scenes.scene import Scene
from tests.headcount.conftest import headcount


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene("plaza", width=320, height=192)


def write_shanghaitech(folder: Path, scene: Scene, frames: range) -> None:
    """Frames as a folder of ShanghaiTech: 1-based places in .mat files."""
    (folder / "images").mkdir(parents=True)
    (folder / "ground-truth").mkdir()
    for number, frame in enumerate(frames, 1):
        picture, heads = scene.frame(frame)
        cv2.imwrite(str(folder / "images" / f"IMG_{number}.jpg"), picture)
        cell = np.empty((1, 1), object)
        cell[0, 0] = {"location": np.array([(x + 0.5, y + 0.5) for x, y in heads])}
        savemat(folder / "ground-truth" / f"GT_IMG_{number}.mat", {"image_info": cell})


@pytest.fixture(scope="module")
def parts(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts; the first has a training split."""
    folder = tmp_path_factory.mktemp("shanghaitech")
    write_shanghaitech(folder / "part_A" / "train_data", scene, range(0, 90, 30))
    write_shanghaitech(folder / "part_A" / "test_data", scene, range(100, 160, 30))
    write_shanghaitech(folder / "part_B" / "test_data", scene, range(20, 80, 30))
    return folder


def test_each_part_has_its_figures_beside_the_constants(parts):
    done = headcount("evaluate", "--data", parts, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["parts"]
    assert list(found) == ["part_A", "part_B"]
    assert found["part_A"]["n"] == 2
    true = [len(i.heads) for i in read_folder(parts / "part_A" / "test_data")]
    trained = [len(i.heads) for i in read_folder(parts / "part_A" / "train_data")]
    ways = found["part_A"]["ways"]
    assert set(ways) == set(ROWS)
    assert found["part_A"]["mae"] < np.mean(true) / 2
    assert ways["constant"] == vars(count_errors([float(np.median(trained))] * 2, true))
    assert ways["best_constant"] == vars(count_errors([float(np.median(true))] * 2, true))
    assert "constant" not in found["part_B"]["ways"]
    for part in found.values():
        assert set(part) >= {"rmse", "nae", "bias", "game", "f1", "coverage", "steps"}
        assert part["game"]["0"] <= part["game"]["1"] <= part["game"]["3"]
        assert part["coverages"]["0.8"] <= part["coverages"]["0.95"]


def test_a_folder_of_points_prints_a_table(scene, tmp_path):
    (tmp_path / "images").mkdir()
    picture, heads = scene.frame(0)
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), picture)
    write_points(tmp_path / "points.csv", {"a.jpg": [(float(x), float(y)) for x, y in heads]})
    done = headcount("evaluate", "--data", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path.name}: 1 pictures, S = 1" in done.stdout
    assert "reported count" in done.stdout
    assert "constant (this set's own median)" in done.stdout
    assert "constant (training median)" not in done.stdout
    assert "heads within 8 px: precision" in done.stdout


def test_every_folder_is_read_before_the_first_is_counted(parts, tmp_path):
    """A damaged one is known before a long measurement, not after it."""
    copied = tmp_path / "part_A"
    copied.mkdir()
    (copied / "test_data").symlink_to(parts / "part_A" / "test_data")
    (copied / "train_data" / "images").mkdir(parents=True)
    done = headcount("evaluate", "--data", tmp_path, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert f"{copied}/train_data: neither ground-truth/*.mat nor points.csv" in line


def test_a_run_of_the_control_counts_as_the_control_of_the_weights(parts, tmp_path):
    conditioner = load_weights("tiny").network.conditioner.state_dict()
    save_file(conditioner, tmp_path / "best.safetensors")
    done = headcount("evaluate", "--data", parts, "--run", tmp_path, "--regressor", "--json")
    assert done.returncode == 0, done.stderr
    whole = headcount("evaluate", "--data", parts, "--json")
    for name, part in json.loads(whole.stdout)["parts"].items():
        own = json.loads(done.stdout)["parts"][name]
        assert own["n"] == part["n"]
        assert own["mae"] == pytest.approx(part["ways"]["density"]["mae"], abs=0.1)


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    done = headcount("evaluate", "--data", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}: holds neither images/ nor part_*/test_data" in done.stderr
