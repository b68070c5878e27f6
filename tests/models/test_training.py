"""Training on rendered scenes: it learns, it survives being cut off, data are checked."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console
from scipy.io import savemat

from models.conditioner import Conditioner
from models.network import CrowdDiffusion, NetworkConfig
from models.training.autoencoder import autoencoder_loss
from models.training.averages import between, mean_weights
from models.training.crops import Batch, BatchStream, CropSource, Example, _cut_native
from models.training.damage import with_blank
from models.training.data import DataError, read_folder, split
from models.training.diffusion import diffusion_loss
from models.training.regressor import density_loss, regressor_loss
from models.training.replicas import Replicas
from models.training.run import TrainingError, TrainingRun
from scenes.training import training_picture

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def source() -> CropSource:
    rng = np.random.default_rng(5)
    pictures = [training_picture(rng, (160, 160)) for _ in range(8)]
    examples = [Example(picture, heads + np.float32(0.5)) for picture, heads in pictures]
    return CropSource({"scenes": examples}, {"scenes": 1.0, "elsewhere": 1.0}, 64)


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("1.png", "2.png", "10.png"):
        cv2.imwrite(str(tmp_path / "images" / name), np.zeros((32, 48, 3), np.uint8))
    (tmp_path / "points.csv").write_text("file,x,y\n2.png,5,6\n2.png,7.5,8\n")
    return tmp_path


def make_run(folder: Path, minutes: float = 0.02) -> TrainingRun:
    torch.manual_seed(0)
    module = Conditioner(widths=(4, 8, 8, 8), blocks=(1, 1), dilations=(1,))
    groups = [{"params": list(module.parameters()), "lr": 3e-3}]
    return TrainingRun(module, folder, minutes, groups, lambda ema: {"score": 1.0}, console=QUIET)


def test_crops_carry_their_heads(source):
    batch = source.batch(16, np.random.default_rng(0))
    assert batch.pictures.shape == (16, 3, 64, 64)
    for heads in batch.heads:
        assert ((heads >= 0) & (heads <= 64)).all()
    assert sum(map(len, batch.heads)) > 0


def test_a_crop_shows_its_head_where_it_says():
    """One white dot on black, followed through scaling, cropping and flipping."""
    picture = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(picture, (150, 100), 6, (255, 255, 255), -1)
    example = Example(picture, np.array([[150.5, 100.5]], np.float32))
    dots = CropSource({"dots": [example]}, {"dots": 1.0}, 160)
    rng, seen = np.random.default_rng(3), 0
    for _ in range(40):
        crop = dots.draw(rng)
        if len(crop.heads) == 0:
            continue
        x, y = crop.heads[0]
        if not (12 < x < 148 and 12 < y < 148):
            continue
        grey = crop.picture.astype(np.float64).sum(axis=2)
        grey = np.where(grey > (grey.min() + grey.max()) / 2, 1.0, 0.0)
        patch = grey[int(y) - 11 : int(y) + 12, int(x) - 11 : int(x) + 12]
        rows, columns = np.nonzero(patch)
        assert abs(columns.mean() - 11 + int(x) + 0.5 - x) < 1.5
        assert abs(rows.mean() - 11 + int(y) + 0.5 - y) < 1.5
        seen += 1
    assert seen > 5


def test_no_head_is_taught_where_a_part_is_blank():
    rng = np.random.default_rng(1)
    picture = rng.integers(100, 200, (64, 64, 3), dtype=np.uint8)
    heads = rng.uniform(0, 64, (40, 2)).astype(np.float32)
    shares_seen = []
    for _ in range(60):
        shown, seen = with_blank(picture, heads, rng)
        kept = (shown == picture).all(axis=2)
        assert len(np.unique(shown[~kept], axis=0)) <= 1, "one colour"
        is_seen = kept[heads[:, 1].astype(int), heads[:, 0].astype(int)]
        np.testing.assert_array_equal(seen, heads[is_seen])
        shares_seen.append(kept.mean())
    assert min(shares_seen) == 0.0, "now and then there is no signal at all"
    assert 0.3 < np.mean(shares_seen) < 0.95


def test_native_crops_are_the_picture_pixel_for_pixel():
    rng = np.random.default_rng(5)
    rows, columns = np.indices((150, 130))
    picture = np.stack([columns, rows, np.full_like(rows, 200)], axis=2).astype(np.uint8)
    heads = rng.integers(0, 130, (40, 2)).astype(np.float32) + 0.5
    for _ in range(20):
        cut, inside = _cut_native(Example(picture, heads), 96, rng)
        assert cut.shape == (96, 96, 3)
        shown = cut[cut[:, :, 2] == 200]  # the rest hangs over the border
        assert len(shown) > 0.7 * 96 * 96
        assert len(np.unique(shown, axis=0)) == len(shown)
        on_picture = {tuple(cut[int(y), int(x), :2]) for x, y in inside}
        seen = {tuple(pixel) for pixel in shown[:, :2]}
        assert on_picture == seen & {(int(x), int(y)) for x, y in heads}


def test_a_perfect_density_has_no_bias():
    heads = [np.array([[4.0, 4.0], [20.0, 30.0]])]
    density = torch.zeros(1, 1, 8, 8)
    density[0, 0, 0, 0] = density[0, 0, 3, 2] = 1.0
    better, figures = density_loss(density + 1e-4, heads)
    worse, _ = density_loss(torch.full((1, 1, 8, 8), 2 / 64), heads)
    assert figures["crop_mae"] < 0.01
    assert better < worse


@pytest.mark.parametrize("bfloat16", [False, True])
def test_training_lowers_the_loss_and_goes_on_after_being_cut_off(tmp_path, source, bfloat16):
    run = make_run(tmp_path, minutes=0.1)
    run.bfloat16 = bfloat16
    batches = BatchStream(source, 8, seed=0)
    probe = source.batch(32, np.random.default_rng(9))
    before = regressor_loss(run.module, probe)[0].item()
    run.fit(batches, regressor_loss)
    batches.close()
    assert regressor_loss(run.module, probe)[0].item() < before
    again = make_run(tmp_path)
    assert again.resume()
    assert again.progress == run.progress
    assert again.progress.step > 0
    for name, value in run.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], value)
    first = again.optimiser.param_groups[0]["params"][0]
    assert torch.equal(
        again.optimiser.state[first]["exp_avg"],
        run.optimiser.state[run.optimiser.param_groups[0]["params"][0]]["exp_avg"],
    )
    assert (tmp_path / "best.safetensors").is_file()


def test_parts_of_a_batch_give_its_gradients(tmp_path, source):
    """Whatever their number; a part that has one crop more counts more."""
    batch = source.batch(5, np.random.default_rng(2))
    gradients, losses = [], []
    for parts in (1, 2, 3, 8):
        module = make_run(tmp_path).module
        with Replicas(module, parts) as replicas:
            losses.append(replicas.backward(batch, regressor_loss)["loss"])
        found = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
    assert gradients[0].norm() > 0
    for gradient, loss in zip(gradients[1:], losses[1:], strict=True):
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-3, atol=1e-5)
        assert loss == pytest.approx(losses[0], rel=1e-4)


def test_replicas_see_what_the_optimiser_did(tmp_path, source):
    run = make_run(tmp_path)
    with Replicas(run.module, 2) as replicas:
        replicas.backward(source.batch(4, np.random.default_rng(2)), regressor_loss)
        run.optimiser.step()
        for ours, theirs in zip(*(m.parameters() for m in replicas.modules), strict=True):
            assert torch.equal(ours, theirs)


def test_a_run_ends_after_the_crops_it_may_see(tmp_path, source):
    run = make_run(tmp_path, minutes=60)
    run.crops = 24
    batches = BatchStream(source, 8, seed=0)
    run.fit(batches, regressor_loss)
    batches.close()
    assert run.progress.crops == 24
    assert run.optimiser.param_groups[0]["lr"] < 3e-3


def test_rare_large_counts_keep_their_weight_in_the_mean(tmp_path):
    """The Poisson likelihood of counts 1, 1, ... 40 has its minimum at their mean."""
    rate = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(rate.weight)
    groups = [{"params": list(rate.parameters()), "lr": 0.05}]
    run = TrainingRun(rate, tmp_path, 1.0, groups, lambda ema: {"score": 1.0}, console=QUIET)
    run.crops = 3000
    counts = np.random.default_rng(0).choice([1, 40], 3000, p=[0.9, 0.1])
    batches = [Batch(np.array([count]), [np.zeros((count, 2), np.float32)]) for count in counts]

    def loss(module: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        log_rate = module(torch.ones(1)).squeeze()
        return log_rate.exp() - len(batch.heads[0]) * log_rate, {}

    run.fit(batches, loss)
    assert math.exp(run.ema.weight.item()) == pytest.approx(counts.mean(), rel=0.2)


def test_a_gradient_far_beyond_the_usual_is_shortened(tmp_path):
    run = make_run(tmp_path)
    parameter = next(run.module.parameters())
    for length in (1.0, 1.0, 1000.0):
        run.optimiser.zero_grad()
        parameter.grad = torch.zeros_like(parameter)
        parameter.grad.view(-1)[0] = length
        run._shorten_outliers()
    assert parameter.grad.norm().item() == pytest.approx(10.0, rel=1e-3)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path, source):
    run = make_run(tmp_path)
    batches = BatchStream(source, 2, seed=0)
    with pytest.raises(TrainingError, match="the loss is nan at step 1; train with lower rates"):
        run.fit(batches, lambda module, batch: (torch.tensor(float("nan")), {}))
    batches.close()


def test_every_stage_has_gradients(source):
    torch.manual_seed(0)
    model = CrowdDiffusion(NetworkConfig())
    batch = source.batch(4, np.random.default_rng(1))
    loss, _ = autoencoder_loss(model.autoencoder, batch)
    loss.backward()
    assert all(p.grad is not None for p in model.autoencoder.parameters())
    model.autoencoder.requires_grad_(False)
    loss, _ = diffusion_loss(model, batch)
    loss.backward()
    trained = [*model.denoiser.out.parameters(), *model.conditioner.density_out.parameters()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained)


@pytest.mark.parametrize(
    ("weight", "figure"), [("count_weight", "count"), ("latent_weight", "latent")]
)
def test_a_loss_has_the_weight_that_it_is_given(source, weight, figure):
    torch.manual_seed(0)
    model = CrowdDiffusion(NetworkConfig())
    batch = source.batch(2, np.random.default_rng(1))
    light, figures = diffusion_loss(model, batch, **{weight: 2.0})
    heavy, _ = diffusion_loss(model, batch, **{weight: 5.0})
    assert (heavy - light).item() == pytest.approx(3 * figures[figure], rel=1e-3)


def test_folders_are_read_by_number_and_split(annotated):
    items = read_folder(annotated)
    assert [item.path.name for item in items] == ["1.png", "2.png", "10.png"]
    assert [len(item.heads) for item in items] == [0, 2, 0]
    assert items[1].heads[0].tolist() == [5.5, 6.5]
    train, validation = split(items)
    assert [item.path.name for item in validation] == ["10.png"]
    assert len(train) == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,x\n", "columns file, x, y"),
        ("file,x,y\n2.png,left,6\n", r"points\.csv:2: x is 'left'; a number of pixels is expected"),
        ("file,x,y\n2.png,1,inf\n", r"points\.csv:2: y is 'inf'; a number"),
        ("file,x,y\n2.png,1,2\n2.png,1\n", r"points\.csv:3: y is None; a number"),
        ("file,x,y,w,h\n2.png,1,2,-3,4\n", r"points\.csv:2: w is '-3'; a number"),
        ("file,x,y\n\udcff\n", r"points\.csv: not a CSV file in UTF-8"),
        ("file,x,y\n3.png,1,6\n", "3.png, not in images"),
    ],
)
def test_wrong_tables_are_named(annotated, table, message):
    (annotated / "points.csv").write_text(table, errors="surrogateescape")
    with pytest.raises(DataError, match=message):
        read_folder(annotated)


@pytest.mark.parametrize("content", [{"x": 1}, {"image_info": {"location": "none"}}, None])
def test_a_damaged_annotation_of_shanghaitech_is_named(annotated, content):
    truth = annotated / "ground-truth"
    truth.mkdir()
    for picture in (annotated / "images").iterdir():
        path = truth / f"GT_{picture.stem}.mat"
        savemat(path, content) if content else path.write_bytes(b"MATLAB")
    with pytest.raises(DataError, match=r"GT_\d+\.mat: not an annotation of ShanghaiTech"):
        read_folder(annotated)


def test_a_folder_without_annotation_is_named(annotated, tmp_path):
    (annotated / "points.csv").unlink()
    with pytest.raises(DataError, match="neither"):
        read_folder(annotated)
    with pytest.raises(DataError, match="no folder images"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.data
def test_shanghaitech_has_its_published_numbers(data_folder):
    folder = data_folder / "shanghaitech" / "part_B" / "test_data"
    items = read_folder(folder)
    assert len(items) == 316
    assert sum(len(item.heads) for item in items) == 39_121


def test_squeezed_pictures_keep_their_heads(source):
    squeezed = CropSource(source.examples, {"scenes": 1.0}, 64, squash=True)
    batch = squeezed.batch(8, np.random.default_rng(0))
    assert batch.pictures.shape == (8, 3, 64, 64)
    people = {len(example.heads) for example in source.examples["scenes"]}
    assert {len(heads) for heads in batch.heads} <= people


def test_finetuned_weights_go_part_of_the_way():
    before = {"weight": torch.zeros(3), "usage": torch.tensor([7])}
    after = {"weight": torch.tensor([1.0, 2.0, -4.0]), "usage": torch.tensor([9])}
    mixed = between(before, after, 0.75)
    torch.testing.assert_close(mixed["weight"], torch.tensor([0.75, 1.5, -3.0]))
    assert mixed["usage"].item() == 7
    assert before["weight"].abs().sum() == 0


def test_the_mean_of_weights_is_of_all_runs():
    values = ([0.0, 3.0], [1.0, 3.0], [5.0, 0.0])
    states = [
        {"weight": torch.tensor(v), "usage": torch.tensor(i)} for i, v in enumerate(values, 7)
    ]
    mean = mean_weights(states)
    torch.testing.assert_close(mean["weight"], torch.tensor([2.0, 2.0]))
    assert mean["usage"].item() == 7
