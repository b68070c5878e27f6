"""What must hold across a site file and no single field can know: names, files, shapes.

The checks read the plain data, not the validated site, so that they find their faults even where
another key is wrong; what has the wrong type they leave to the validation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import shapely
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from core.settings import Metres, source_kind
from core.strict_yaml import Document, Fault, Place

_SMALLEST_AREA = 1e-4  # of the picture: a hundredth of its width times a hundredth of its height
_STRAIGHT = 1e-3  # relative: the triangle's area over the square of its longest side
_DATABASES = ("sqlite", "postgresql")
_PAIRS = TypeAdapter(list[Metres])


def check(document: Document, folder: Path, check_files: bool) -> Iterator[Fault]:
    """Everything wrong across the file.

    Args:
        folder: where the site file lies; relative paths start there.
        check_files: whether the files that cameras play must exist.
    """
    site = document.value if isinstance(document.value, dict) else {}
    cameras = ("cameras",)
    yield from _used_twice(document, site.get("cameras"), cameras, "id", "camera id")
    for place, camera in _sections(site.get("cameras"), cameras):
        if check_files:
            yield from _check_source(document, camera, place, folder)
        zones = (*place, "zones")
        yield from _used_twice(document, camera.get("zones"), zones, "id", "zone id")
        for zone_place, zone in _sections(camera.get("zones"), zones):
            yield from _check_polygon(zone.get("polygon"), (*zone_place, "polygon"))
            yield from _check_ground(zone.get("ground"), (*zone_place, "ground"))
    alerts = site.get("alerts")
    if isinstance(alerts, dict):
        channels = ("alerts", "channels")
        yield from _used_twice(document, alerts.get("channels"), channels, "name", "channel name")
    yield from _check_history(site.get("history"))


def _sections(value: Any, place: Place) -> Iterator[tuple[Place, dict[str, Any]]]:
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield (*place, index), item


def _used_twice(
    document: Document, value: Any, place: Place, key: str, title: str
) -> Iterator[Fault]:
    first_uses: dict[str, Place] = {}
    for section_place, section in _sections(value, place):
        name = section.get(key)
        if not isinstance(name, str):
            continue
        name_place = (*section_place, key)
        if name in first_uses:
            line = document.line(first_uses[name])
            yield Fault(f"{title} {name!r} is used twice (first on line {line})", name_place)
        else:
            first_uses[name] = name_place


def _check_source(
    document: Document, camera: dict[str, Any], place: Place, folder: Path
) -> Iterator[Fault]:
    source = camera.get("source")
    place = (*place, "source")
    if not isinstance(source, str) or not source.strip() or place in document.broken:
        return
    if source_kind(source) != "file":
        return
    shown = document.unexpanded.get(place, source)
    try:
        path = (folder / source).resolve()
        if not path.exists():
            yield Fault(f"the file {shown!r} does not exist (looked in {folder.resolve()})", place)
        elif path.is_dir():
            yield Fault(f"{shown!r} is a folder; a video file is expected", place)
    except (OSError, ValueError):  # too long a name, a NUL in it, or no permission
        yield Fault(f"the file {shown!r} cannot be looked at", place)


def _check_history(value: Any) -> Iterator[Fault]:
    url = value.get("url") if isinstance(value, dict) else None
    if not isinstance(url, str):
        return
    try:
        backend = make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        backend = ""
    if backend not in _DATABASES:
        message = (
            "not the address of a database; allowed are sqlite:///file.db and postgresql://..."
        )
        yield Fault(message, ("history", "url"))


def _points(value: Any) -> list[tuple[float, float]] | None:
    try:
        return _PAIRS.validate_python(value)
    except ValidationError:
        return None


def _check_polygon(value: Any, place: Place) -> Iterator[Fault]:
    points = _points(value)
    if points is None or len(points) < 3:
        return
    polygon = shapely.Polygon(points)
    if polygon.convex_hull.area < _SMALLEST_AREA:
        yield Fault("the zone has no area: its corners lie on a line or on one point", place)
    elif not polygon.is_valid:
        message = "the outline crosses itself; give the corners in order, once round the zone"
        yield Fault(message, place)
    elif polygon.area < _SMALLEST_AREA:
        yield Fault("the zone has next to no area", place)


def _check_ground(value: Any, place: Place) -> Iterator[Fault]:
    """A ground plane is only determined by four corners of which no three are on a line."""
    if not isinstance(value, dict):
        return
    convex: dict[str, bool] = {}
    for key in ("picture", "metres"):
        points = _points(value.get(key))
        if points is None or len(points) != 4:
            return
        if any(_on_a_line(three) for three in combinations(points, 3)):
            message = "three of the four points lie on one line; choose corners of a quadrangle"
            yield Fault(message, (*place, key))
            return
        quadrangle = shapely.Polygon(points)
        if not quadrangle.is_valid:
            message = "the sides cross; give the four points in order, once round"
            yield Fault(message, (*place, key))
            return
        convex[key] = quadrangle.convex_hull.area <= quadrangle.area * (1 + 1e-9)
    if convex["picture"] != convex["metres"]:
        message = (
            "picture and metres cannot be the same four points: one has a dent, the other has none"
        )
        yield Fault(message, place)


def _on_a_line(points: Sequence[tuple[float, float]]) -> bool:
    longest = max(math.dist(first, second) for first, second in combinations(points, 2))
    area = float(shapely.Polygon(points).area)
    return area <= _STRAIGHT * longest * longest
