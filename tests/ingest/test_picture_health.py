"""The picture's health on real videos: silent while all is well, loud when it is not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.messages import Reason
from ingest.look import look_at
from ingest.picture_health import COVERED_BELOW, Health, PictureHealth
from tests.ingest.pictures import Grey, decoded, grey, looking_at, noisy, through_encoder, turned

MALL, PETS = "mall_train_640x480.mp4", "pets2009_480x360.mp4"
VIDEOS = [(MALL, 800), (PETS, 795)]
FROZEN_AFTER_S = 10.0


def judged(
    frames: Iterable[Any], rate: float, health: PictureHealth | None = None, start_s: float = 0.0
) -> list[Health]:
    """What is said of each frame of a stream of ``rate`` frames a second."""
    health = health or PictureHealth(FROZEN_AFTER_S, fixed_view=True)
    return [health.see(frame, start_s + number / rate) for number, frame in enumerate(frames)]


def reasons(healths: list[Health]) -> set[Reason | None]:
    return {health.reason for health in healths}


@pytest.mark.data
@pytest.mark.parametrize(("name", "frames"), VIDEOS)
@pytest.mark.parametrize("rate", [2.0, 10.0])
def test_no_false_alarm_on_any_frame_of_a_real_camera(
    data_folder: Path, name: str, frames: int, rate: float
) -> None:
    healths = judged(decoded(data_folder / "videos" / name), rate)
    assert len(healths) == frames
    assert set(healths) == {Health()}


@pytest.mark.data
@pytest.mark.parametrize("folder", ["brt", "sparse"])
def test_no_real_scene_by_day_or_night_is_called_covered(data_folder: Path, folder: str) -> None:
    import av

    paths = sorted((data_folder / folder / "images").iterdir())[::5]
    assert paths
    for path in paths:
        with av.open(str(path)) as container:
            assert look_at(next(container.decode(video=0))).structure > 4 * COVERED_BELOW, path


@pytest.fixture(scope="module", params=[MALL, PETS])
def scene(request: pytest.FixtureRequest, data_folder: Path) -> list[Grey]:
    """A hundred frames of a real camera, two a second."""
    return grey(data_folder / "videos" / request.param, 100, every=5)


def seen(health: PictureHealth, pictures: Iterable[Grey], start: int) -> list[Health]:
    """What is said of pictures that come two a second, number ``start`` first."""
    return judged(through_encoder(pictures), 2.0, health, start / 2)


@pytest.mark.data
@pytest.mark.parametrize("encoding", [{"crf": "23"}, {"crf": "32"}, {"preset": "veryfast"}])
@pytest.mark.parametrize("name", [MALL, PETS])
def test_a_frozen_picture_is_frozen_until_it_moves_again(
    data_folder: Path, name: str, encoding: dict[str, str]
) -> None:
    live = grey(data_folder / "videos" / name, 150)
    pictures = [*live[:80], *[live[80]] * 240, *live[81:121]]
    healths = judged(through_encoder(pictures, gop=20, **encoding), 10.0)
    assert reasons(healths[:180]) == {None}, "not before its time"
    assert reasons(healths[290:320]) == {Reason.FROZEN}
    assert reasons(healths[340:]) == {None}


@pytest.mark.data
@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_an_empty_place_where_nothing_moves_is_not_frozen(scene: list[Grey], sigma: float) -> None:
    rng = np.random.default_rng(1)
    still = [noisy(scene[0], sigma, rng) for _ in range(100)]
    assert reasons(judged(through_encoder(still, crf="32"), 2.0)) == {None}


@pytest.mark.data
def test_a_short_recording_that_repeats_is_not_frozen(scene: list[Grey]) -> None:
    health = PictureHealth(FROZEN_AFTER_S, fixed_view=True)
    frames = list(through_encoder(scene[:10]))
    for repeat in range(12):
        health.restart()
        assert reasons(judged(frames, 2.0, health, repeat * 5.0)) == {None}


@pytest.mark.data
def test_a_recording_that_is_paused_is_not_frozen(scene: list[Grey]) -> None:
    health = PictureHealth(FROZEN_AFTER_S, fixed_view=True)
    frames = list(through_encoder(scene[:40]))
    judged(frames[:20], 2.0, health)
    assert reasons(judged(frames[20:], 2.0, health, start_s=600.0)) == {None}


def cloth(shape: tuple[int, int]) -> Any:
    """Something hangs before the lens; light falls in at its side."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    return 60 + 40 * np.exp(-((columns - 300) ** 2 + (rows - 100) ** 2) / 2 / 250**2)


@pytest.mark.data
@pytest.mark.parametrize("cover", ["cap", "cloth", "spray", "white"])
def test_a_covered_lens_is_covered_until_it_is_free(scene: list[Grey], cover: str) -> None:
    rng = np.random.default_rng(1)
    shape = scene[0].shape
    made = {
        "cap": lambda picture: np.full(shape, 8.0),
        "cloth": lambda picture: cloth((shape[0], shape[1])),
        "spray": lambda picture: 150 + 0.15 * cv2.GaussianBlur(picture, (0, 0), 20),
        "white": lambda picture: np.full(shape, 250.0),
    }[cover]
    health = PictureHealth(FROZEN_AFTER_S, fixed_view=True)
    covered = [noisy(made(picture), 3.0, rng) for picture in scene[30:60]]
    assert reasons(seen(health, scene[:30], 0)) == {None}
    assert reasons(seen(health, covered, 30)[7:]) == {Reason.COVERED}
    assert reasons(seen(health, scene[60:], 60)) == {None}


@pytest.mark.data
@pytest.mark.parametrize("shift", [(0.03, 0.0), (0.0, 0.05), (0.1, 0.1), (-0.1, 0.08)])
def test_a_camera_that_was_turned_is_moved_until_it_is_turned_back(
    scene: list[Grey], shift: tuple[float, float]
) -> None:
    health = PictureHealth(FROZEN_AFTER_S, fixed_view=True)
    right = [looking_at(picture, 0.1, 0.1) for picture in scene]
    away = [looking_at(picture, 0.1 + shift[0], 0.1 + shift[1]) for picture in scene]
    assert reasons(seen(health, right[:30], 0)) == {None}
    assert reasons(seen(health, away[30:70], 30)[30:]) == {Reason.MOVED}
    assert reasons(seen(health, right[70:], 70)[-8:]) == {None}


@pytest.mark.data
@pytest.mark.parametrize("change", ["askew", "zoomed", "elsewhere"])
def test_a_camera_with_another_view_is_moved(
    scene: list[Grey], change: str, data_folder: Path
) -> None:
    other = MALL if scene[0].shape[0] == 360 else PETS
    make = {
        "askew": lambda: [turned(picture, 4) for picture in scene[30:80]],
        "zoomed": lambda: [looking_at(picture, 0.15, 0.15, 0.7) for picture in scene[30:80]],
        "elsewhere": lambda: grey(data_folder / "videos" / other, 80, every=5)[30:],
    }[change]
    for gone in (False, True):  # before our eyes, and while the camera was away
        health = PictureHealth(FROZEN_AFTER_S, fixed_view=True)
        assert reasons(seen(health, scene[:30], 0)) == {None}
        if gone:
            health.restart()
        assert reasons(seen(health, make(), 3000 if gone else 30)[40:]) == {Reason.MOVED}
    free = PictureHealth(FROZEN_AFTER_S, fixed_view=False)
    seen(free, scene[:30], 0)
    assert reasons(seen(free, make(), 30)) == {None}, "a camera that may turn"


@pytest.mark.data
@pytest.mark.parametrize("light", ["dusk", "night", "overexposed", "half hidden"])
def test_light_and_things_before_the_camera_do_not_move_it(scene: list[Grey], light: str) -> None:
    rng = np.random.default_rng(1)
    middle = scene[0].shape[1] // 2
    make = {
        "dusk": lambda picture: picture * 0.4,
        "night": lambda picture: noisy(picture * 0.2, 3.0, rng),
        "overexposed": lambda picture: 255 * (picture / 255.0) ** 0.5,
        "half hidden": lambda picture: np.where(
            np.arange(picture.shape[1])[None] < middle, noisy(picture * 0 + 60, 3.0, rng), picture
        ),
    }[light]
    changed = [np.clip(make(picture), 0, 255).astype(np.uint8) for picture in scene[30:]]
    health = PictureHealth(FROZEN_AFTER_S, fixed_view=True)
    seen(health, scene[:30], 0)
    assert reasons(seen(health, changed, 30)) == {None}


@pytest.mark.data
def test_a_lens_out_of_focus_is_a_warning_and_still_counted(scene: list[Grey]) -> None:
    health = PictureHealth(FROZEN_AFTER_S, fixed_view=True)
    seen(health, scene[:30], 0)
    dull = [np.asarray(cv2.GaussianBlur(picture, (0, 0), 8), np.uint8) for picture in scene[30:]]
    healths = seen(health, dull, 30)
    assert reasons(healths) == {None}
    assert "less sharp" in healths[-1].warning
