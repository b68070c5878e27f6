"""The shipped weights as a worker uses them."""

import re
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.counter import Counter, WeightsError
from models.shipped import FOLDER, known_weights
from models.training.autoencoder import GATE, oracle
from models.training.data import read_folder, split
from models.weights import load_weights
from scenes.scene import Scene


@pytest.fixture(scope="module", params=known_weights())
def counter(request: pytest.FixtureRequest) -> Counter:
    return Counter.load(request.param, device="cpu")


@pytest.fixture(scope="module")
def crowd() -> tuple[np.ndarray, int]:
    picture, heads = Scene("plaza", width=960, height=540).frame(30 * 8)
    return picture, len(heads)


def test_weights_of_the_heads_sum_to_the_count(counter, crowd):
    reading = counter.count([crowd[0]])[0]
    assert reading.count > 5
    assert reading.heads[:, 2].sum() == pytest.approx(reading.count, rel=1e-4)
    assert reading.low <= reading.count <= reading.high
    assert (reading.heads[:, :2] >= 0).all()
    assert (reading.heads[:, 0] <= 960).all()
    assert (reading.heads[:, 1] <= 540).all()


def test_a_crowd_is_counted_roughly(counter, crowd):
    picture, people = crowd
    assert counter.count([picture])[0].count == pytest.approx(people, rel=0.5)


def test_the_same_picture_gives_the_same_count_in_any_batch(counter, crowd):
    picture, other = crowd[0], np.full((540, 960, 3), 90, np.uint8)
    alone = counter.count([picture])[0]
    first, _, small, again = counter.count([picture, other, picture[:256, :256], picture])
    assert first.count == pytest.approx(alone.count, rel=1e-4)
    assert again.count == pytest.approx(alone.count, rel=1e-4)
    assert small.crowd_map.shape == (256, 256)


@pytest.mark.parametrize("value", [0, 90, 255])
def test_nobody_is_seen_on_a_flat_picture(counter, value):
    for shape in ((480, 640, 3), (1, 1, 3), (33, 700, 3)):
        assert counter.count([np.full(shape, value, np.uint8)])[0].count < 1


def test_nobody_is_seen_in_a_part_that_is_black(counter, crowd):
    picture = crowd[0].copy()
    half = picture.shape[1] // 64 * 32
    picture[:, :half] = 0
    (reading,) = counter.count([picture])
    assert reading.crowd_map[:, :half].sum() == 0
    assert not (reading.heads[:, 0] < half).any()
    assert reading.count > 5


def test_noise_and_a_huge_picture_do_no_harm(counter):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    huge = np.full((6000, 8000, 3), 128, np.uint8)
    for picture in (noise, huge):
        reading = counter.count([picture], max_side=640)[0]
        assert np.isfinite(reading.count)
        assert reading.low <= reading.count <= reading.high
    assert reading.count < 1


def test_damaged_pictures_are_counted_alike(counter, crowd):
    """Night, blur, heavy compression and greyscale keep at least a third of the people."""
    picture, people = crowd
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 15])
    damaged = {
        "night": (picture * 0.35).astype(np.uint8),
        "blur": cv2.GaussianBlur(picture, (0, 0), 1.5),
        "compression": cv2.imdecode(coded, cv2.IMREAD_COLOR),
        "grey": cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    }
    counts = {name: counter.count([other])[0].count for name, other in damaged.items()}
    assert {name: count for name, count in counts.items() if count < people / 3} == {}


def test_steps_and_samples_are_heeded(counter, crowd):
    one, four = (counter.count([crowd[0]], steps=steps)[0] for steps in (1, 4))
    assert one.count != four.count
    assert counter.count([crowd[0]], samples=2)[0].count > 0


def test_missing_weights_are_named(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"huge\.safetensors.*tiny"):
        Counter.load("huge")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a safetensors file at all")
    with pytest.raises(WeightsError, match=r"broken\.safetensors.*not a weights file"):
        load_weights(broken)


@pytest.mark.parametrize("name", known_weights())
def test_the_model_card_is_of_these_weights(name: str):
    card = (FOLDER / f"{name}.md").read_text()
    found = re.search(r"[0-9a-f]{64}", card)
    assert found is not None
    assert found[0] == load_weights(name).sha256


def test_weights_are_small_enough_to_commit():
    assert all(path.stat().st_size <= 16e6 for path in FOLDER.glob("*.safetensors"))


@pytest.mark.data
@pytest.mark.parametrize("part", ["part_A", "part_B"])
def test_gate_1_holds(data_folder: Path, part: str):
    """True maps through the shipped autoencoder and codebook give the right counts."""
    _, validation = split(read_folder(data_folder / "shanghaitech" / part / "train_data"))
    errors = oracle(load_weights("tiny").network.autoencoder, validation[::3])
    assert errors.split <= GATE[part]
    assert errors.contours > errors.split


@pytest.mark.parametrize("name", known_weights())
def test_all_weights_have_the_autoencoder_that_passed_gate_1(name: str):
    """Codebook and all; only the scale that latents are brought to for the diffusion differs."""
    passed = load_weights("tiny").network.autoencoder.state_dict()
    own = load_weights(name).network.autoencoder.state_dict()
    assert own.keys() == passed.keys()
    for key in passed.keys() - {"latent_mean", "latent_std"}:
        assert torch.equal(own[key], passed[key]), key


def test_torch_is_pinned_exactly():
    """Another release may compute other counts from the same weights."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert any(re.fullmatch(r"torch==[\d.]+", name) for name in project["dependencies"])
