"""Drawing over pictures, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.messages import Picture, Reading
from dashboard.overlay import LAYERS, Overlays, draw, parse_layers
from dashboard.stills import Stills
from tests.conftest import MakeSite
from tests.dashboard.feeder import a_picture, a_reading


class TwoStreams:
    """A live view whose picture and reading the test sets."""

    picture_now: Picture | None = None
    reading_now: Reading | None = None

    def picture(self, _: str) -> Picture | None:
        return self.picture_now

    def reading(self, _: str) -> Reading | None:
        return self.reading_now

    def reading_of(self, _: str, seq: int) -> Reading | None:
        reading = self.reading_now
        return reading if reading is not None and reading.seq == seq else None


def a_picture_of(seq: int) -> Picture:
    return Picture(camera="gate-1", seq=seq, captured_at=seq, jpeg=a_picture())


@pytest.mark.parametrize(
    ("text", "layers"),
    [("heads,map", {"heads", "map"}), ("none", set()), ("", set()), (" zones ", {"zones"})],
)
def test_layers_are_named_in_the_query(text: str, layers: set[str]) -> None:
    assert parse_layers(text) == layers


def test_an_unknown_layer_is_named_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="'bones' is unknown; allowed are map, zones, heads"):
        parse_layers("heads,bones")


def test_an_empty_scene_has_no_map_drawn() -> None:
    picture, reading = a_picture_of(1), a_reading("gate-1", 0.1, 1).model_copy(update={"heads": []})

    assert draw(picture, reading, [], frozenset({"map"})) == draw(
        picture, None, [], frozenset({"map"})
    )


def test_a_broken_picture_is_passed_on_rather_than_fatal() -> None:
    broken = a_picture_of(1).model_copy(update={"jpeg": b"no jpeg"})

    assert draw(broken, None, [], frozenset(LAYERS)) == b"no jpeg"


@pytest.fixture
def streams() -> TwoStreams:
    return TwoStreams()


@pytest.fixture
def overlays(streams: TwoStreams, make_site: MakeSite, tmp_path) -> Overlays:  # type: ignore[no-untyped-def]
    cameras = make_site(tmp_path).site.cameras
    return Overlays(streams, cameras, Stills(tmp_path))  # type: ignore[arg-type]


def test_heads_are_never_drawn_on_another_frames_picture(
    overlays: Overlays, streams: TwoStreams
) -> None:
    streams.picture_now, streams.reading_now = a_picture_of(1000), a_reading("gate-1", 5, 1000)
    assert overlays.latest("gate-1") == (streams.picture_now, streams.reading_now)

    streams.picture_now = a_picture_of(2000)  # its reading is still on its way
    pair = overlays.latest("gate-1")
    assert pair is not None
    assert (pair[0].seq, pair[1] and pair[1].seq) == (1000, 1000)

    streams.reading_now = a_reading("gate-1", 6, 2000)
    pair = overlays.latest("gate-1")
    assert pair is not None
    assert (pair[0].seq, pair[1] and pair[1].seq) == (2000, 2000)


def test_a_picture_whose_reading_never_comes_is_shown_alone(
    overlays: Overlays, streams: TwoStreams
) -> None:
    streams.picture_now, streams.reading_now = a_picture_of(1000), a_reading("gate-1", 5, 1000)
    overlays.latest("gate-1")

    streams.picture_now = a_picture_of(9000)

    assert overlays.latest("gate-1") == (streams.picture_now, None)


def test_one_drawing_serves_all_viewers(overlays: Overlays, streams: TwoStreams) -> None:
    streams.picture_now, streams.reading_now = a_picture_of(1000), a_reading("gate-1", 5, 1000)
    layers = frozenset({"heads", "map"})

    assert overlays.jpeg("gate-1", layers) is overlays.jpeg("gate-1", layers)

    streams.picture_now, streams.reading_now = a_picture_of(2000), a_reading("gate-1", 5, 2000)
    drawn = overlays.jpeg("gate-1", layers)
    assert drawn is not None
    assert drawn.seq == 2000


def test_a_deleted_background_is_gone_before_the_next_reading(
    streams: TwoStreams, make_site: MakeSite, tmp_path: Path
) -> None:
    cameras = make_site(tmp_path, privacy={"pictures": "none"}).site.cameras
    stills = Stills(tmp_path / "backgrounds")
    overlays = Overlays(streams, cameras, stills)  # type: ignore[arg-type]
    streams.reading_now = a_reading("gate-1", 5, 1000)

    def shown() -> list[bytes]:
        """Plain, and with something drawn over it."""
        drawn = [overlays.jpeg("gate-1", frozenset(layers)) for layers in ((), ("heads",))]
        return [each.jpeg for each in drawn if each is not None]

    nothing = shown()
    stills.keep("gate-1", a_picture(shade=200))
    taken = shown()
    stills.remove("gate-1")

    assert len(nothing) == 2
    assert all(a != b for a, b in zip(nothing, taken, strict=True))
    assert shown() == nothing
