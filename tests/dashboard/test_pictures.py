"""Live pictures by URL, with the overlay drawn on."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.dashboard.conftest import RunningDashboard
from tests.dashboard.feeder import HEIGHT, WIDTH, a_picture
from tests.waiting import wait_until


def fetch(dashboard: RunningDashboard, overlay: str) -> NDArray[np.uint8]:
    answer = dashboard.http.get("/live/hall.jpg", params={"overlay": overlay}).raise_for_status()
    assert answer.headers["content-type"] == "image/jpeg"
    image: Any = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (HEIGHT, WIDTH, 3)
    return image


def test_without_an_overlay_the_picture_is_passed_on_as_it_is(fed: RunningDashboard) -> None:
    answer = fed.http.get("/live/hall.jpg?overlay=none")

    assert answer.content == a_picture()
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["x-seq"]) > 0


def test_each_layer_changes_the_picture_where_it_belongs(fed: RunningDashboard) -> None:
    plain = fetch(fed, "none").astype(int)
    middle, corner = (HEIGHT // 2, WIDTH // 2), (8, 8)  # between two heads of the row

    def change(overlay: str, place: tuple[int, int]) -> int:
        return int(np.abs(fetch(fed, overlay).astype(int) - plain)[place].max())

    assert change("map", middle) > 10
    assert change("map", corner) < 8
    head = (HEIGHT // 2, round(WIDTH * 0.5 / 12))
    assert change("heads", head) > 60
    assert change("heads", corner) < 8
    outline = (round(HEIGHT * 0.3), WIDTH // 4)
    assert change("zones", outline) > 30
    assert change("heads,map,zones", outline) > 30


def test_a_newer_picture_replaces_the_older(fed: RunningDashboard) -> None:
    first = int(fed.http.get("/live/hall.jpg").headers["x-seq"])

    wait_until(lambda: int(fed.http.get("/live/hall.jpg").headers["x-seq"]) > first)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/live/nowhere.jpg", 404, "nowhere"),
        ("/live/nowhere.mjpg", 404, "nowhere"),
        ("/live/spare.jpg", 404, "no picture yet"),
        ("/live/hall.jpg?overlay=bones", 400, "allowed are map, zones, heads"),
        ("/live/hall.mjpg?overlay=bones", 400, "bones"),
    ],
)
def test_a_picture_that_cannot_be_had_says_why(
    dashboard: RunningDashboard, path: str, status: int, words: str
) -> None:
    answer = dashboard.http.get(path)

    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_the_stream_goes_on_with_new_pictures(fed: RunningDashboard) -> None:
    with fed.http.stream("GET", "/live/hall.mjpg?overlay=none") as answer:
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
        parts = 0
        for chunk in answer.iter_raw():
            parts += chunk.count(b"Content-Type: image/jpeg")
            if parts >= 3:
                break
    assert parts >= 3
