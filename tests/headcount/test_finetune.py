"""Adapting weights to a camera: frames, labels by hand, and a short training."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Error, Page

from headcount.failures import InputError
from headcount.finetune import labelled_frames
from headcount.labelling.labels import labelled_heads, set_points, take_frames, write_points
from headcount.ports import free_port
from models.weights import load_weights
from scenes.scene import Scene
from tests.conftest import REPOSITORY
from tests.headcount.conftest import environment, headcount
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small frames of a plaza with their heads."""
    folder = tmp_path_factory.mktemp("camera")
    (folder / "images").mkdir()
    scene = Scene("plaza", width=320, height=192)
    points = {}
    for number in range(6):
        picture, heads = scene.frame(60 * number)
        cv2.imwrite(str(folder / "images" / f"{number}.jpg"), picture)
        points[f"{number}.jpg"] = [(float(x), float(y)) for x, y in heads]
    write_points(folder / "points.csv", points)
    return folder


def test_pictures_without_a_head_are_said_to_be_taken_as_empty(frames, tmp_path, capsys):
    (tmp_path / "images").symlink_to(frames / "images")
    write_points(tmp_path / "points.csv", {"0.jpg": [(1.0, 2.0)], "3.jpg": [(5.0, 5.0)]})
    assert len(labelled_frames(tmp_path)) == 6
    said = " ".join(capsys.readouterr().err.split())
    assert "4 of 6 pictures have no head in points.csv: they are taken as empty" in said


def test_points_survive_their_file(tmp_path):
    points = {"b.jpg": [(1.0, 2.5)], "a.jpg": [(3.0, 4.0), (0.0, 0.0)]}
    write_points(tmp_path / "points.csv", points)
    assert labelled_heads(tmp_path / "points.csv") == points
    assert labelled_heads(tmp_path / "nothing.csv") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,x,y\n0.jpg,12,nobody\n", "points.csv:2: y is 'nobody'; a number of pixels"),
        ("file,x,y,w,h\n0.jpg,12,9,5,5\n", "sizes of heads (w, h), which labelling here would"),
    ],
)
def test_labelling_refuses_a_table_that_it_would_damage(frames, tmp_path, text, said):
    (tmp_path / "images").symlink_to(frames / "images")
    table = tmp_path / "points.csv"
    table.write_text(text)
    done = headcount("train", "label", tmp_path)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert table.read_text() == text


def test_clicks_in_several_threads_lose_no_picture_s_heads(tmp_path):
    table = tmp_path / "points.csv"
    names = [f"{number}.jpg" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: set_points(table, name, [(1.0, 2.0)]), names))
    assert labelled_heads(table) == {name: [(1.0, 2.0)] for name in names}


def test_frames_are_taken_evenly(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), 8 * number, np.uint8))
    writer.release()
    assert take_frames(tmp_path / "v.avi", tmp_path / "images", 4) == 4
    taken = sorted((tmp_path / "images").iterdir())
    shown = [round(cv2.imread(str(path)).mean() / 8) for path in taken]
    assert shown == [0, 9, 19, 29]
    with pytest.raises(InputError, match="has pictures already"):
        take_frames(tmp_path / "v.avi", tmp_path / "images", 4)
    with pytest.raises(InputError, match="not a video"):
        take_frames(taken[0].with_name("none.mp4"), tmp_path / "other", 4)


def test_finetuning_writes_weights_that_can_be_used(frames, tmp_path):
    """The other pictures that keep the model from forgetting are a pack here."""
    (tmp_path / "data" / "others").mkdir(parents=True)
    for name in ("images", "points.csv"):
        (tmp_path / "data" / "others" / name).symlink_to(frames / name)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("batch: 2\ncrop: 64\nshares: {others: 1}\n")
    others = ("--config", recipe, "--data", tmp_path / "pack")
    packing = ("--config", recipe, "--data", tmp_path / "data", "--out", tmp_path / "pack")
    packed = headcount("train", "pack", *packing, "--limit", "1MB")
    assert packed.returncode == 0, packed.stderr
    out = tmp_path / "mine.safetensors"
    command = ("train", "finetune", "--camera-data", frames, "--out", out, "--minutes", "0.1")
    done = headcount(*command, *others)
    assert done.returncode == 0, done.stderr
    assert "60 pictures made of the camera's people" in done.stderr
    tuned, shipped = load_weights(out), load_weights("tiny")
    assert tuned.recipe == shipped.recipe
    assert tuned.sha256 != shipped.sha256
    more = ("train", "diffusion", "--start", out, "--out", tmp_path / "run", "--rate", "0.1")
    other_network = REPOSITORY / "configs" / "models" / "base.yaml"
    refused = headcount(*more, *others, "--network", other_network)
    assert refused.returncode == 1
    assert "are not of the network in" in refused.stderr
    done = headcount(*more, *others, "--crops", "4")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "best.safetensors").is_file()


@pytest.mark.parametrize(
    ("table", "message"),
    [("file,x,y\n", "no head is labelled"), ("file,x\n", "columns file, x, y are expected")],
)
def test_labels_that_teach_nothing_are_refused(frames, tmp_path, table, message):
    (tmp_path / "images").symlink_to(frames / "images")
    (tmp_path / "points.csv").write_text(table)
    done = headcount("train", "finetune", "--camera-data", tmp_path, "--out", "x.safetensors")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def labelling(frames, tmp_path) -> Iterator[tuple[str, Path]]:
    """The labelling page on frames without labels: its address, and where labels go."""
    (tmp_path / "images").symlink_to(frames / "images")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "headcount", "train", "label", str(tmp_path), "--port", str(port)],
        env=environment(),
    )
    yield f"http://127.0.0.1:{port}", tmp_path / "points.csv"
    process.terminate()
    process.wait(timeout=20)


def test_heads_are_clicked_in_the_browser(labelling, browser):
    address, table = labelling
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    wait_until(lambda: answers(page, address), timeout_s=40, every_s=0.5)
    marks = page.locator("svg[role=application]")
    marks.wait_for(timeout=30_000)
    box = marks.bounding_box()
    assert box is not None
    assert box == page.locator("img").bounding_box()  # heads are drawn on the picture
    for x, y in ((0.25, 0.5), (0.75, 0.25)):
        marks.click(position={"x": x * box["width"], "y": y * box["height"]})
    wait_until(lambda: len(labelled_heads(table).get("0.jpg", [])) == 2, timeout_s=20)
    np.testing.assert_allclose(labelled_heads(table)["0.jpg"], [(80, 96), (240, 48)], atol=2)
    page.get_by_text("0.jpg: 2 heads").wait_for(timeout=20_000)
    page.get_by_text("1 of 6 pictures have heads").wait_for(timeout=20_000)
    marks.click(position={"x": 0.75 * box["width"], "y": 0.25 * box["height"]})
    wait_until(lambda: len(labelled_heads(table)["0.jpg"]) == 1, timeout_s=20)
    for step in range(1, 6):  # faster than the page is drawn anew
        marks.click(position={"x": 0.12 * step * box["width"], "y": 0.8 * box["height"]})
    wait_until(lambda: len(labelled_heads(table)["0.jpg"]) == 6, timeout_s=20)
    page.close()


def answers(page: Page, address: str) -> bool:
    try:
        page.goto(address)
    except Error:
        return False
    return True
