"""A named scene: a place, its people over two minutes, and any frame of it with its truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.bodies import STANDING_POSES, Body, Pose, head_centre, random_body, solids_of
from scenes.compose import (
    Figure,
    Picture,
    blit,
    cast_shadows,
    colour_sprite,
    placement,
    sprite_level,
    visible_heads,
)
from scenes.concourse import concourse
from scenes.lens import photograph
from scenes.looks import Palette, random_palette
from scenes.places import Place
from scenes.plaza import plaza
from scenes.solids import Bytes, Solid, Sprite, render_sprite
from scenes.walkers import simulate

PLACES: dict[str, Callable[[int, int], Place]] = {"plaza": plaza, "concourse": concourse}
CYCLE = 120.0  # seconds of a scene that is not asked for another length
SHORTEST_CYCLE = 60.0
BODIES, PHASES, TURNS, VIEWS = 8, 6, 12, 3
EXPOSURE_TIME = 1 / 30  # seconds, for the motion blur
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ZoneGround:
    """A zone's calibration: its corners in the picture (fractions) and on the ground (metres)."""

    picture: tuple[tuple[float, float], ...]
    metres: tuple[tuple[float, float], ...]
    polygon: tuple[tuple[float, float], ...]
    area_m2: float
    camera_height: float


class Scene:
    """Any frame of a named scene, and who is in it.

    The number of people rises from about ten to more than a hundred and falls again within one
    cycle; after it the scene begins anew, so that a clip of one cycle can be played in a loop.

    Args:
        name: ``plaza`` or ``concourse``.
        seed: another cast and other walks.
        width, height: of the picture, pixels.
        seconds: of the cycle, 60 or more.

    Raises:
        ValueError: there is no scene of that name, or the cycle is too short.

    Example:
        >>> image, heads = Scene("plaza", width=320, height=180).frame(0)
        >>> image.shape, heads.shape[1]
        ((180, 320, 3), 2)
    """

    fps = 8

    def __init__(
        self,
        name: str,
        seed: int = 0,
        width: int = 1280,
        height: int = 720,
        seconds: float = CYCLE,
    ) -> None:
        if name not in PLACES:
            raise ValueError(f"there is no scene {name!r}; there are {', '.join(PLACES)}")
        if seconds < SHORTEST_CYCLE:
            raise ValueError(
                f"a cycle of {seconds:g} s is too short; it needs {SHORTEST_CYCLE:g} s"
            )
        self.name, self.seed = name, seed
        self.place = PLACES[name](width, height)
        self.walks = simulate(self.place.plan, seed, seconds, self.fps)
        self.frames = len(self.walks.place)
        self._cast = _Cast(self.place, seed, self.walks.place.shape[1])

    def frame(self, index: int) -> tuple[Bytes, NDArray[np.float32]]:
        """Frame ``index`` (any; it wraps): the picture (H, W, 3) BGR and its visible heads (N, 2).

        Heads are x, y in pixels, 0 being the centre of the first pixel.
        """
        image, people, seen = self._draw(index % self.frames, without=None)
        rng = np.random.default_rng([37, self.seed, index % self.frames])
        points = self.place.camera.project(people[seen]) - 0.5
        return photograph(image, self.place.lens, rng), points.astype(np.float32)

    def frame_without(self, index: int, person: int) -> tuple[Bytes, NDArray[np.float32]]:
        """The frame, had one of those in it (numbered as in ``people``) stayed at home."""
        who = int(self._present(index % self.frames)[person])
        image, people, seen = self._draw(index % self.frames, without=who)
        rng = np.random.default_rng([37, self.seed, index % self.frames])
        points = self.place.camera.project(people[seen]) - 0.5
        return photograph(image, self.place.lens, rng), points.astype(np.float32)

    def people(self, index: int) -> tuple[Floats, Floats]:
        """Everybody at the place, seen or not: feet (N, 2) and head centres (N, 3), metres."""
        index %= self.frames
        present = self._present(index)
        feet = self.walks.place[index, present].astype(np.float64)
        return feet, self._cast.heads(feet, self.walks.heading[index, present], present)

    def people_in_zone(self, index: int) -> int:
        """How many people stand in the zone, by their feet."""
        x0, y0, x1, y1 = self.place.plan.zone
        feet = self.people(index)[0]
        inside = (feet >= (x0, y0)) & (feet <= (x1, y1))
        return int(inside.all(axis=1).sum())

    def _present(self, index: int) -> NDArray[np.int64]:
        return np.flatnonzero(~np.isnan(self.walks.place[index, :, 0]))

    def _draw(self, index: int, without: int | None) -> tuple[Bytes, Floats, NDArray[np.bool_]]:
        """The scene before the lens, the head centres of all present (N, 3) and who is seen."""
        place, walks = self.place, self.walks
        present = self._present(index)
        present = present[present != without]
        feet = walks.place[index, present].astype(np.float64)
        heads = self._cast.heads(feet, walks.heading[index, present], present)
        distance = place.camera.depth(np.column_stack([feet, np.zeros(len(feet))]))
        light = place.light(feet)
        image, sunny = place.backdrop, light > 0.9
        for some, sun in ((sunny, place.sun), (~sunny, None)):
            image = cast_shadows(image, place.camera, feet[some], strength=place.shadow, sun=sun)
        picture = Picture.on(image)
        order: list[tuple[float, int]] = [(-d, i) for i, d in enumerate(distance)]
        order += [(-layer.distance, -1 - i) for i, layer in enumerate(place.layers)]
        for _, i in sorted(order):
            if i < 0:
                place.layers[-1 - i].draw(picture)
                continue
            who = int(present[i])
            moving = float(walks.speed[index, who])
            heading, phase = float(walks.heading[index, who]), float(walks.phase[index, who])
            self._cast.draw(
                picture, i + 1, who, feet[i], heads[i], heading, phase, moving, light[i]
            )
        seen = visible_heads(picture, place.camera, heads, range(1, len(present) + 1))
        return picture.image, heads, seen


class _Cast:
    """The people of a scene: bodies shared by several, colours of everybody's own."""

    def __init__(self, place: Place, seed: int, count: int) -> None:
        rng = np.random.default_rng([41, seed])
        self._place = place
        self._bodies = [_grown_up(rng) for _ in range(BODIES)]
        self._body = rng.integers(BODIES, size=count)
        self._palettes: list[Palette] = [
            random_palette(rng, self._bodies[body].hair) for body in self._body
        ]
        self._standing = [str(rng.choice(STANDING_POSES[:3])) for _ in range(count)]
        self._ahead = np.array([head_centre(b)[1] for b in self._bodies])
        self._high = np.array([head_centre(b)[2] for b in self._bodies])
        self._tint = np.array(place.tint, np.float32)
        self._elevations, self._resolutions = _elevation_bins(place)
        self._shapes: dict[tuple[int, str, int], list[Solid]] = {}
        self._sprites: dict[tuple[int, str, int, int, int], Sprite] = {}
        self._painted: dict[tuple[int, int, int, int, int], Bytes] = {}

    def heads(self, feet: Floats, heading: NDArray[np.float32], who: NDArray[np.int64]) -> Floats:
        """Head centres (N, 3) over ``feet`` (N, 2), metres."""
        body = self._body[who]
        ahead = np.stack([np.cos(heading), np.sin(heading)], 1) * self._ahead[body, None]
        return np.column_stack([feet + ahead, self._high[body]])

    def draw(
        self, picture: Picture, owner: int, who: int, feet: Floats, head: Floats,
        heading: float, phase: float, speed: float, light: float,
    ) -> None:  # fmt: skip
        """Draw one person with id ``owner``."""
        camera = self._place.camera
        depth = float(camera.depth(head[None])[0])
        if depth < 1.0:
            return
        turn, elevation, pose, step = self._view(who, feet, heading, phase, speed)
        sprite = self._sprite(int(self._body[who]), pose, step, turn, elevation)
        level = sprite_level(sprite, camera.focal / depth)
        gain = np.float32(light) * self._tint
        figure = Figure(sprite, self._palettes[who], _pair(feet), (*_pair(head), float(head[2])))
        key = (who, id(sprite), level, elevation, round(light * 100))
        painted = self._painted.get(key)
        if painted is None:
            painted = colour_sprite(sprite, level, figure.palette, gain, mirrored=False)
            if len(self._painted) > 1200:
                self._painted.clear()
            self._painted[key] = painted
        matrix = placement(figure, camera, level, painted)
        if matrix is not None:
            across = abs(np.cos(heading)) * speed * EXPOSURE_TIME * camera.focal / depth
            blit(picture, painted, matrix, owner, blur=float(across))

    def _view(
        self, who: int, feet: Floats, heading: float, phase: float, speed: float
    ) -> tuple[int, int, str, int]:
        """Which of the prepared views shows this person now: turn, elevation, pose and step."""
        ray = np.arctan2(feet[1], feet[0])
        # Seen from the camera, the body is turned by its heading relative to the line of sight.
        azimuth = heading - ray + np.pi
        turn = round(azimuth / (2 * np.pi) * TURNS) % TURNS
        angle = float(self._place.camera.elevation([(feet[0], feet[1], 1.2)])[0])
        elevation = int(np.abs(self._elevations - angle).argmin())
        if speed < 0.12:
            return turn, elevation, self._standing[who], 0
        return turn, elevation, "walking", int(phase * PHASES) % PHASES

    def _sprite(self, body: int, pose: str, step: int, turn: int, elevation: int) -> Sprite:
        key = (body, pose, step, turn, elevation)
        if key not in self._sprites:
            person = self._bodies[body]
            moment = Pose(None, step / PHASES) if pose == "walking" else Pose(pose)
            self._sprites[key] = render_sprite(
                self._solids(body, pose, step, moment),
                head_centre(person),
                turn * 2 * np.pi / TURNS,
                float(self._elevations[elevation]),
                resolution=float(self._resolutions[elevation]),
                # The same folds in every view, as far as noise allows: clothes do not flicker.
                rng=np.random.default_rng([43, body]),
            )
        return self._sprites[key]

    def _solids(self, body: int, pose: str, step: int, moment: Pose) -> list[Solid]:
        key = (body, pose, step)
        if key not in self._shapes:
            self._shapes[key] = solids_of(self._bodies[body], moment)
        return self._shapes[key]


def ground_of(scene: Scene) -> ZoneGround:
    """The calibration of the scene's zone, clockwise from its far left corner."""
    x0, y0, x1, y1 = scene.place.plan.zone
    metres = ((x0, y1), (x1, y1), (x1, y0), (x0, y0))
    camera = scene.place.camera
    pixels = camera.project([(x, y, 0.0) for x, y in metres])
    size = (camera.width, camera.picture_height)
    picture = tuple((float(x / size[0]), float(y / size[1])) for x, y in pixels)
    return ZoneGround(picture, metres, picture, scene.place.plan.area, camera.height)


def _grown_up(rng: np.random.Generator) -> Body:
    while True:
        body = random_body(rng)
        if body.stature >= 1.5:
            return body


def _elevation_bins(place: Place) -> tuple[Floats, Floats]:
    """How steeply people are looked at, in a few steps, and pixels a metre that suffice there."""
    near, far = place.plan.zone[1] - 3.5, place.plan.zone[3] + 8
    camera = place.camera
    steep, flat = camera.elevation([(0, near, 1.2), (0, far, 1.2)])
    elevations = np.linspace(flat, steep, VIEWS)
    nearest = np.minimum(elevations + (elevations[1] - elevations[0]) / 2, steep)
    away = (camera.height - 1.2) / np.tan(nearest)
    depths = camera.depth(np.stack([0 * away, away, 0 * away + 1.2], 1))
    return elevations, np.clip(camera.focal / depths, 24, 160)


def _pair(point: Floats) -> tuple[float, float]:
    return float(point[0]), float(point[1])
