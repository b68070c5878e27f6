"""Draws what was counted over the picture it was counted on: crowd map, heads, zones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.live import LiveView
from core.messages import Picture, Reading
from core.settings import CameraSettings, Zone
from dashboard.stills import Stills

LAYERS = ("map", "zones", "heads")
JPEG_QUALITY = 85
MAP_OPACITY = 0.62  # at the densest place
MAP_SMOOTHING = 0.016  # of the picture's width, the sigma
FULL_STRENGTH_PEOPLE = (
    4.0  # so many on one place are drawn at full strength, and a lone one faintly
)
FAINTEST_HEAD = 0.15  # people; a weaker dot would only confuse
HEAD_COLOUR = (255, 244, 214)  # BGR: a cold white that no level and no map colour uses
OUTLINE_COLOUR = (36, 22, 10)
ZONE_COLOUR = (240, 214, 150)
NOTHING_COLOUR = (23, 17, 12)  # BGR
NOTHING_SIDE = 640  # longer side, pixels
SUBPIXEL_BITS = 3  # cv2 draws at 1/8 pixel

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Drawn:
    """A picture ready to be sent: a JPEG, or a PNG where the camera's pictures are not shown."""

    jpeg: bytes
    seq: int
    captured_at: int  # ms UTC
    matched: bool  # the reading of the same frame was at hand

    @property
    def media_type(self) -> str:
        return "image/png" if self.jpeg.startswith(b"\x89PNG") else "image/jpeg"


def parse_layers(text: str) -> frozenset[str]:
    """The layers in ``heads,map,zones`` or ``none``.

    Raises:
        ValueError: one of them is unknown.
    """
    names = frozenset(part.strip() for part in text.split(",")) - {"", "none"}
    unknown = names.difference(LAYERS)
    if unknown:
        raise ValueError(
            f"overlay {', '.join(sorted(unknown))!r} is unknown; allowed are "
            f"{', '.join(LAYERS)} (joined by commas) and none"
        )
    return names


def draw(
    picture: Picture, reading: Reading | None, zones: Sequence[Zone], layers: frozenset[str]
) -> bytes:
    """The picture's JPEG with the layers drawn over it; a PNG where there is no picture.

    Args:
        picture: after privacy was applied; an empty ``jpeg`` is no picture.
        reading: of the same frame, or None: then only zones can be drawn.
        zones: of the camera; those without a polygon are not drawn.
        layers: some of `LAYERS`; with none the JPEG is returned as it is.
    """
    if not layers and picture.jpeg:
        return picture.jpeg
    if picture.jpeg:
        image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            return picture.jpeg
        canvas = np.asarray(image, np.uint8)
    else:
        canvas = nothing(reading)
    if reading is not None and "map" in layers:
        canvas = draw_map(canvas, reading)
    if "zones" in layers:
        draw_zones(canvas, zones)
    if reading is not None and "heads" in layers:
        draw_heads(canvas, reading)
    if not picture.jpeg:  # no JPEG at all leaves a camera without pictures, not even a drawn one
        return cv2.imencode(".png", canvas)[1].tobytes()
    _, jpeg = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


def nothing(reading: Reading | None) -> Image:
    """What is drawn on where there is no picture, of the shape of the one that was counted."""
    width, height = (reading.width, reading.height) if reading is not None else (16, 9)
    scale = NOTHING_SIDE / max(width, height)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)), 3)
    canvas = np.empty(shape, np.uint8)
    canvas[:] = NOTHING_COLOUR
    return canvas


def draw_map(image: Image, reading: Reading) -> Image:
    """The crowd map over ``image`` (H, W, 3), perceptually uniform, opaque where it is dense."""
    if reading.crowd_map is None:
        return image
    small = cv2.imdecode(np.frombuffer(reading.crowd_map, np.uint8), cv2.IMREAD_GRAYSCALE)
    if small is None or reading.count < 0.5:
        return image
    height, width = image.shape[:2]
    # A head is a narrow peak: smoothed, the map shows where people stand close.
    sigma = MAP_SMOOTHING * small.shape[1]
    people = small.astype(np.float32) * (reading.crowd_map_peak / 255.0)
    smooth = cv2.GaussianBlur(people, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    one_person = 1.0 / (2 * np.pi * sigma**2)
    full = max(float(smooth.max()), FULL_STRENGTH_PEOPLE * one_person)
    # The square root keeps thinly spread people visible beside a crowd.
    strength = np.sqrt(cv2.resize(smooth / full, (width, height), interpolation=cv2.INTER_LINEAR))
    colour = cv2.applyColorMap((64 + 191 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = (MAP_OPACITY * np.clip(strength * 1.4 - 0.12, 0, 1))[..., None]
    blended = image * (1 - opacity) + colour * opacity
    return np.asarray(blended, np.uint8)


def draw_zones(image: Image, zones: Sequence[Zone]) -> None:
    """The outlines of the zones that have one, drawn into ``image``."""
    height, width = image.shape[:2]
    thickness = max(1, round(height / 360))
    for zone in zones:
        if zone.polygon is None:
            continue
        corners = np.array(zone.polygon) * (width, height) * 2**SUBPIXEL_BITS
        points = [corners.round().astype(np.int32)]
        for colour, extra in ((OUTLINE_COLOUR, 2), (ZONE_COLOUR, 0)):
            cv2.polylines(
                image, points, True, colour, thickness + extra, cv2.LINE_AA, SUBPIXEL_BITS
            )


def draw_heads(image: Image, reading: Reading) -> None:
    """One dot per head, drawn into ``image``: larger where it stands for several people, smaller
    where the model is in doubt, and none below `FAINTEST_HEAD`."""
    height, width = image.shape[:2]
    unit = max(2.0, height / 190) * 2**SUBPIXEL_BITS
    scale = 2**SUBPIXEL_BITS
    for x, y, weight in reading.heads:
        if weight < FAINTEST_HEAD:
            continue
        centre = (round(x * width * scale), round(y * height * scale))
        radius = unit * float(np.clip(np.sqrt(weight), 0.5, 2.5))
        for colour, extra in ((OUTLINE_COLOUR, 0.9 * scale), (HEAD_COLOUR, 0.0)):
            cv2.circle(
                image, centre, round(radius + extra), colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS
            )


class Overlays:
    """The latest picture of each camera with its layers, drawn once however many look at it.

    A picture and its reading arrive by different streams; they are shown together or, when the
    reading does not come within `PAIR_WITHIN_MS`, the picture alone.

    Args:
        live: the process's view of the broker, with pictures.
        cameras: of the site, each with its own word on privacy.
        stills: backgrounds for those without pictures.
    """

    PAIR_WITHIN_MS = 3000

    def __init__(self, live: LiveView, cameras: Sequence[CameraSettings], stills: Stills) -> None:
        self.live = live
        self.stills = stills
        self.hidden = {camera.id for camera in cameras if camera.privacy == "none"}
        self.zones = {camera.id: camera.zones for camera in cameras}
        self._lock = threading.Lock()
        self._pairs: dict[str, tuple[Picture, Reading | None]] = {}
        self._drawn: dict[tuple[str, frozenset[str]], tuple[bytes, Drawn]] = {}
        self._drawing = {camera.id: threading.Lock() for camera in cameras}

    def watch(self, cameras: Sequence[CameraSettings]) -> None:
        """Draw these cameras' pictures from now on, with these zones."""
        with self._lock:
            self._drawing |= {camera.id: threading.Lock() for camera in cameras}
            self.zones = {camera.id: camera.zones for camera in cameras}
            self.hidden = {camera.id for camera in cameras if camera.privacy == "none"}
            self._drawn.clear()
            for camera in self._pairs.keys() - (self.zones.keys() - self.hidden):
                del self._pairs[camera]

    def latest(self, camera: str) -> tuple[Picture, Reading | None] | None:
        """The newest picture that can be shown with its reading; None before the first."""
        if camera in self.hidden:
            return self._without_picture(camera)
        picture = self.live.picture(camera)
        with self._lock:
            pair = self._pairs.get(camera)
            if picture is None or (pair and pair[1] and pair[0].seq == picture.seq):
                return pair
            reading = self.live.reading_of(camera, picture.seq)
            waited = pair is None or picture.captured_at - pair[0].captured_at > self.PAIR_WITHIN_MS
            if reading is not None or waited:
                self._pairs[camera] = (picture, reading)
            return self._pairs.get(camera)

    def _without_picture(self, camera: str) -> tuple[Picture, Reading] | None:
        """The newest reading, over a still background or nothing."""
        reading = self.live.reading(camera)
        if reading is None:
            return None
        still = self.stills.jpeg(camera) or b""
        at = reading.captured_at
        return Picture(camera=camera, seq=reading.seq, captured_at=at, jpeg=still), reading

    def jpeg(self, camera: str, layers: frozenset[str]) -> Drawn | None:
        """The latest picture of a camera with these layers, or None before the first picture."""
        pair = self.latest(camera)
        if pair is None:
            return None
        picture, reading = pair
        with self._drawing[camera]:
            under, drawn = self._drawn.get((camera, layers), (b"", None))
            # A background may be taken or deleted between two readings.
            same = drawn is not None and drawn.seq == picture.seq and under == picture.jpeg
            if drawn is None or not same or drawn.matched != (reading is not None):
                jpeg = draw(picture, reading, self.zones.get(camera, []), layers)
                drawn = Drawn(jpeg, picture.seq, picture.captured_at, reading is not None)
                self._drawn[camera, layers] = (picture.jpeg, drawn)
        return drawn
