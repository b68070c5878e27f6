"""Which heads count as visible."""

from __future__ import annotations

import numpy as np
import pytest

from scenes import pool
from scenes.camera import Camera
from scenes.compose import Figure, Picture, draw_figure, far_to_near, visible_heads
from scenes.looks import random_palette

CAMERA = Camera(height=1.7, tilt=0.0, focal=500.0, width=480, picture_height=320)


def person(x: float, y: float) -> Figure:
    sprite, body = pool.person(0, 0, False)
    palette = random_palette(np.random.default_rng(0), body.hair)
    return Figure(sprite, palette, (x, y), (x, y, body.stature - 0.123))


def seen(figures: list[Figure], camera: Camera = CAMERA) -> list[bool]:
    picture = Picture.on(np.full((camera.picture_height, camera.width, 3), 128, np.uint8))
    for index in far_to_near(camera, np.array([f.place for f in figures])):
        draw_figure(picture, camera, figures[index], int(index) + 1)
    heads = np.array([f.head for f in figures])
    return [bool(v) for v in visible_heads(picture, camera, heads, range(1, len(figures) + 1))]


def test_one_behind_another_is_hidden_and_one_beside_is_not() -> None:
    assert seen([person(0.0, 5.0), person(0.0, 7.0), person(1.2, 7.0)]) == [True, False, True]


def test_the_order_of_the_list_does_not_matter() -> None:
    assert seen([person(0.0, 7.0), person(0.0, 5.0)]) == [False, True]


def test_from_above_one_behind_another_is_seen() -> None:
    high = Camera(height=8.0, tilt=0.8, focal=500.0, width=480, picture_height=320)
    assert seen([person(0.0, 8.0), person(0.0, 9.0)], high) == [True, True]


def test_a_head_outside_the_picture_is_nobody() -> None:
    assert seen([person(9.0, 5.0)]) == [False]


@pytest.mark.parametrize("distance", [4.0, 8.0, 16.0, 30.0])
def test_the_sprite_s_head_is_where_the_truth_says(distance: float) -> None:
    figure = person(0.3, distance)
    picture = Picture.on(np.full((320, 480, 3), 128, np.uint8))
    draw_figure(picture, CAMERA, figure, 1)
    x, y = CAMERA.project([figure.head])[0] - 0.5
    radius = 500 * 0.115 / distance
    assert picture.owner[round(y), round(x)] == 1
    # The crown is about one radius above the centre of the head.
    top = np.flatnonzero((picture.owner == 1).any(axis=1))[0]
    assert y - top == pytest.approx(radius, rel=0.5, abs=1.5)
    # The whole person is as tall as its stature says: from the crown to below the feet.
    bottom = np.flatnonzero((picture.owner == 1).any(axis=1))[-1]
    if bottom < 319:
        feet = CAMERA.project([(*figure.place, 0.0)])[0, 1]
        assert bottom == pytest.approx(feet, abs=0.1 * (bottom - top) + 2)
