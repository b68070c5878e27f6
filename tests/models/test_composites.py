"""Composites of a fixed camera: no person without label, no label without person."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.training.composites import composites, cut_out
from models.training.crops import Example

BODY, HEAD = (40, 40, 160), (200, 160, 120)


def frame(places, size=(120, 160), ground=90):
    """People of 8 x 22 pixels: a head's disc on a body."""
    picture = np.full((*size, 3), ground, np.uint8)
    for x, y in places:
        cv2.rectangle(picture, (x - 4, y), (x + 4, y + 18), BODY, -1)
        cv2.circle(picture, (x, y), 4, HEAD, -1)
    return Example(picture, np.array(places, np.float32).reshape(-1, 2) + 0.5)


def shown_heads(picture):
    """How many discs in the colour of heads a picture shows."""
    near = (np.abs(picture.astype(int) - HEAD) < 40).all(axis=2).astype(np.uint8)
    return cv2.connectedComponentsWithStats(near)[2][1:, cv2.CC_STAT_AREA]


FRAMES = [frame([(20 + 22 * n, 30 + 6 * n)]) for n in range(6)]


def test_people_are_cut_out_with_their_heads():
    people = cut_out(FRAMES)
    assert len(people) == len(FRAMES)
    for person, original in zip(people, FRAMES, strict=True):
        corner = np.array([person.x, person.y])
        np.testing.assert_allclose(person.heads + corner, original.heads)
        assert person.mask.sum() == pytest.approx(9 * 23, rel=0.6)


def test_every_head_of_a_composite_is_labelled_and_every_label_shows_a_head():
    made = composites(FRAMES, 40, np.random.default_rng(0))
    assert len(made) == 40
    assert max(len(each.heads) for each in made) >= 4
    hidden = 0  # half covered by the soft border of another person
    for each in made:
        for x, y in each.heads:
            hidden += np.abs(each.picture[int(y), int(x)].astype(int) - HEAD).max() > 40
        whole = shown_heads(each.picture) > 25  # pixels of a disc that is not half covered
        assert whole.sum() <= len(each.heads)
    assert hidden <= 0.03 * sum(len(each.heads) for each in made)


def test_people_stay_at_the_height_where_they_are_so_large():
    heights = [
        y for each in composites(FRAMES[:5], 40, np.random.default_rng(0)) for _, y in each.heads
    ]
    assert min(heights) > 20
    assert max(heights) < 30 + 6 * 4 + 12


def test_labels_outside_of_regions_and_regions_without_label_are_left():
    unlabelled = Example(FRAMES[0].picture, np.array([[150.0, 100.0]], np.float32))
    assert len(cut_out([unlabelled, *FRAMES[1:]])) == len(FRAMES) - 1


@pytest.mark.parametrize(
    "frames",
    [
        FRAMES[:4],
        [*FRAMES, frame([(20, 30)], size=(60, 80))],
        [frame([])] * 6,
        [frame([(20, 30)])] * 6,
    ],
    ids=["too few", "not one camera", "nobody", "nobody moves"],
)
def test_frames_without_a_background_give_none(frames):
    assert composites(frames, 5, np.random.default_rng(0)) == []
