"""The two named scenes and their truth."""

from __future__ import annotations

import numpy as np
import pytest

from scenes.scene import PLACES, Scene, ground_of


@pytest.fixture(scope="module", params=sorted(PLACES))
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param, seed=0, width=480, height=270)


def test_a_frame_is_the_same_whenever_it_is_drawn(scene: Scene) -> None:
    image, heads = scene.frame(330)
    scene.frame(100)
    again, heads_again = Scene(scene.name, 0, 480, 270).frame(330)
    assert np.array_equal(image, again)
    assert np.array_equal(heads, heads_again)


def test_frames_repeat_after_the_cycle(scene: Scene) -> None:
    assert np.array_equal(scene.frame(3)[0], scene.frame(3 + scene.frames)[0])


def test_the_place_fills_and_empties(scene: Scene) -> None:
    people = [len(scene.people(second * scene.fps)[0]) for second in range(0, 120, 2)]
    assert people[0] <= 25
    assert 105 <= max(people) <= 140
    assert people[-1] <= 25
    assert 50 <= 2 * int(np.argmax(people)) <= 90


def test_the_zone_crosses_three_four_and_five_a_square_metre(scene: Scene) -> None:
    area = ground_of(scene).area_m2
    assert 20 <= area <= 25
    density = [scene.people_in_zone(s * scene.fps) / area for s in range(120)]
    for level in (3.0, 4.0, 5.0):
        above = [s for s, value in enumerate(density) if value >= level]
        assert len(above) >= 8, f"{level} is not held"
        assert 20 < above[0] < 70
        assert above[-1] < 100
    assert density[0] < 0.5
    assert density[-1] < 0.5


def test_most_people_of_the_full_zone_are_seen(scene: Scene) -> None:
    frame = 68 * scene.fps
    assert len(scene.frame(frame)[1]) > 0.8 * len(scene.people(frame)[0])


def test_without_a_person_the_picture_changes_at_that_head(scene: Scene) -> None:
    frame = 20 * scene.fps
    image, heads = scene.frame(frame)
    camera = scene.place.camera
    _, everybody = scene.people(frame)
    pixels = camera.project(everybody) - 0.5
    tried = 0
    for x, y in heads[:8]:
        person = int(np.abs(pixels - (x, y)).sum(axis=1).argmin())
        radius = 0.09 * camera.focal / float(camera.depth(everybody[person][None])[0])
        without, fewer = scene.frame_without(frame, person)
        assert not (np.abs(fewer - (x, y)).max(axis=1) < 0.01).any()
        r = max(round(radius), 1)
        box = (slice(round(y) - r, round(y) + r + 1), slice(round(x) - r, round(x) + r + 1))
        changed = np.abs(image[box].astype(int) - without[box]).max(axis=2) > 6
        if changed.size:
            assert changed.mean() > 0.5
            tried += 1
    assert tried


def test_every_head_is_inside_the_picture(scene: Scene) -> None:
    for frame in (0, 300, 560):
        heads = scene.frame(frame)[1]
        assert (heads > -0.51).all()
        assert (heads < (480, 270)).all()


def test_the_zone_s_calibration_is_what_the_camera_sees(scene: Scene) -> None:
    ground = ground_of(scene)
    camera = scene.place.camera
    pixels = np.array(ground.picture) * (480, 270)
    assert (pixels > 0).all()
    assert (pixels < (480, 270)).all()
    assert camera.ground(pixels) == pytest.approx(np.array(ground.metres), abs=1e-6)


def test_an_unknown_scene_and_a_short_cycle_are_refused() -> None:
    with pytest.raises(ValueError, match="plaza, concourse"):
        Scene("moon")
    with pytest.raises(ValueError, match="60 s"):
        Scene("plaza", seconds=10)
