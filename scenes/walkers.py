"""People who come, gather, stand and go: a small simulation of a place's ground.

Everybody steers to a goal at a walking pace of their own, keeps clear of others and of obstacles,
and never comes nearer than ``LEAST_GAP`` to anybody. Gatherers fill the places of a marked zone,
those next to what they came to see first, and leave in the opposite order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST_GAP = 0.35  # metres between two people, at least
PEAK_DENSITY = 5.3  # persons/m2 in the full zone
FRINGE = 12  # people who stand round the full zone
STRIDE = 1.45  # metres of a full walking cycle
WARM_UP = 40.0  # seconds simulated before the first frame
# Shares of the cycle at which the zone begins to fill, is full, begins to empty and is empty.
FILLING, FULL, EMPTYING, EMPTY = 0.13, 0.53, 0.62, 0.88


@dataclass(frozen=True)
class FloorPlan:
    """Where people walk, metres.

    ``zone`` is the rectangle (x0, y0, x1, y1) of the gathering, ``stage`` the point it looks at,
    ``entrances`` the points, out of the picture, where people come and go, ``obstacles`` discs
    (x, y, radius), ``groups`` the centres of people who stand and talk, ``passers`` how many
    people a second cross the place.
    """

    zone: tuple[float, float, float, float]
    stage: tuple[float, float]
    entrances: tuple[tuple[float, float], ...]
    obstacles: tuple[tuple[float, float, float], ...]
    groups: tuple[tuple[float, float], ...]
    passers: float = 0.3

    @property
    def area(self) -> float:
        """Square metres of the zone."""
        x0, y0, x1, y1 = self.zone
        return (x1 - x0) * (y1 - y0)


@dataclass(frozen=True)
class Walks:
    """What A people do over F frames; NaN places are people who are not there.

    ``place`` (F, A, 2) metres, ``heading`` (F, A) radians from +x towards +y, ``phase`` (F, A)
    walking cycles, ``speed`` (F, A) metres a second.
    """

    place: NDArray[np.float32]
    heading: NDArray[np.float32]
    phase: NDArray[np.float32]
    speed: NDArray[np.float32]


@dataclass
class _Crowd:
    """The state of all A people. ``stage``: 0 waits outside, 1 walks in, 2 stands, 3 walks out."""

    place: Floats
    velocity: Floats
    heading: Floats
    phase: Floats
    stage: NDArray[np.int64]
    goal: Floats
    exit: Floats
    facing: Floats
    pace: Floats
    comes: Floats
    goes: Floats
    passer: NDArray[np.bool_]

    @property
    def present(self) -> NDArray[np.int64]:
        return np.flatnonzero((self.stage > 0) & (self.stage < 4))


def simulate(plan: FloorPlan, seed: int, seconds: float, fps: float) -> Walks:
    """Everybody's walk over one cycle of ``seconds``; the same arguments give the same walks."""
    rng = np.random.default_rng([23, seed])
    crowd = _people(plan, rng, seconds)
    frames, warm = round(seconds * fps), round(WARM_UP * fps)
    shape = (frames, len(crowd.pace))
    walks = Walks(
        np.full((*shape, 2), np.nan, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
    )
    for frame in range(-warm, frames):
        _step(crowd, plan, frame / fps, 1 / fps)
        if frame >= 0:
            here = crowd.present
            walks.place[frame, here] = crowd.place[here]
            walks.heading[frame] = crowd.heading
            walks.phase[frame] = crowd.phase
            walks.speed[frame] = np.linalg.norm(crowd.velocity, axis=1)
    return walks


def _slots(plan: FloorPlan, rng: np.random.Generator) -> Floats:
    """Places (N, 2) in the zone, shaken off a hexagonal lattice, nearest to the stage first."""
    x0, y0, x1, y1 = plan.zone
    step = np.sqrt(1 / PEAK_DENSITY / 0.866)
    rows = round((y1 - y0) / (step * 0.866))
    columns = round((x1 - x0) / step)
    points = []
    for row in range(rows):
        y = y0 + (row + 0.5) * (y1 - y0) / rows
        for column in range(columns):
            x = x0 + (column + (0.25 if row % 2 else 0.75)) * (x1 - x0) / columns
            points.append((x, y))
    slots = np.array(points) + rng.uniform(-0.04, 0.04, (len(points), 2))
    slots = np.concatenate([slots, _fringe(plan, rng, slots)])
    order = np.linalg.norm(slots - plan.stage, axis=1) + rng.normal(0, 0.12, len(slots))
    return np.asarray(slots[np.argsort(order)])


def _fringe(plan: FloorPlan, rng: np.random.Generator, slots: Floats) -> Floats:
    """Loose places (M, 2) round the zone, away from the stage, where latecomers stand."""
    x0, y0, x1, y1 = plan.zone
    middle, half = (
        np.array([(x0 + x1) / 2, (y0 + y1) / 2]),
        np.array([(x1 - x0) / 2, (y1 - y0) / 2]),
    )
    kept: list[Floats] = []
    for _ in range(400):
        if len(kept) == FRINGE:
            break
        spot = middle + rng.uniform(-1, 1, 2) * (half + 1.3)
        outside = np.abs(spot - middle) - half
        gaps = np.linalg.norm(np.array([*slots, *kept]) - spot, axis=1)
        behind = (spot - middle) @ (np.array(plan.stage) - middle) < 0.5
        if outside.max() > 0.2 and behind and gaps.min() > 0.6:
            kept.append(spot)
    return np.array(kept).reshape(-1, 2)


def _people(plan: FloorPlan, rng: np.random.Generator, seconds: float) -> _Crowd:
    """The cast: gatherers with their places in the zone, groups, and passers-by."""
    slots = _slots(plan, rng)
    count = len(slots)
    entrances = np.array(plan.entrances)
    pace = np.clip(rng.normal(1.25, 0.17, count), 0.95, 1.6)
    # The nearer of two entrances drawn at random, so that all are used and few cross the zone.
    pairs = rng.integers(len(entrances), size=(2, 2, count))
    ways = np.linalg.norm(entrances[pairs] - slots, axis=3)
    nearer = np.take_along_axis(pairs, ways.argmin(axis=1)[:, None], axis=1)[:, 0]
    start, leave = entrances[nearer[0]], entrances[nearer[1]]
    rank = (np.arange(count) + 0.5) / count
    arrive = seconds * (FILLING + (FULL - FILLING) * rank)
    travel = np.linalg.norm(start - slots, axis=1) / pace
    depart = seconds * (EMPTY - (EMPTY - EMPTYING) * rank)
    facing = np.arctan2(plan.stage[1] - slots[:, 1], plan.stage[0] - slots[:, 0])
    columns = [slots, start, leave, facing + rng.normal(0, 0.3, count), pace]
    columns += [arrive - travel * 1.15, depart, np.zeros(count, bool)]
    parts = [columns, _passers(plan, rng, seconds), _groups(plan, rng)]
    goal, place, leave, facing, pace, comes, goes, passer = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    total = len(pace)
    return _Crowd(
        place=place.copy(),
        velocity=np.zeros((total, 2)),
        heading=np.arctan2(goal[:, 1] - place[:, 1], goal[:, 0] - place[:, 0]),
        phase=rng.random(total),
        stage=np.zeros(total, np.int64),
        goal=goal,
        exit=leave,
        facing=facing,
        pace=pace,
        comes=comes,
        goes=goes,
        passer=passer.astype(np.bool_),
    )


def _passers(plan: FloorPlan, rng: np.random.Generator, seconds: float) -> list[Floats]:
    entrances = np.array(plan.entrances)
    count = round(plan.passers * (seconds + WARM_UP))
    comes = np.sort(rng.uniform(-WARM_UP, seconds, count))
    start = rng.integers(len(entrances), size=count)
    end = (start + rng.integers(1, len(entrances), size=count)) % len(entrances)
    pace = np.clip(rng.normal(1.3, 0.18, count), 0.6, 1.6)
    goal, place = entrances[end].astype(float), entrances[start].astype(float)
    return [goal, place, goal, np.zeros(count), pace, comes, comes, np.ones(count, bool)]


def _groups(plan: FloorPlan, rng: np.random.Generator) -> list[Floats]:
    spots, facing = [], []
    for centre in plan.groups:
        size = int(rng.integers(2, 5))
        turn = rng.uniform(0, 2 * np.pi)
        for member in range(size):
            angle = turn + 2 * np.pi * member / size + rng.normal(0, 0.15)
            radius = 0.3 + 0.12 * size
            spots.append(np.array(centre) + radius * np.array([np.cos(angle), np.sin(angle)]))
            facing.append(angle + np.pi)
    places = np.array(spots).reshape(-1, 2)
    count = len(places)
    long_ago, never = np.full(count, -1e9), np.full(count, 1e9)
    ones, nobody = np.ones(count), np.zeros(count, bool)
    return [places, places.copy(), places, np.array(facing), ones, long_ago, never, nobody]


def _step(crowd: _Crowd, plan: FloorPlan, now: float, dt: float) -> None:
    """One step of everybody."""
    _come(crowd, now)
    crowd.stage[(crowd.stage == 2) & (crowd.goes <= now) & ~crowd.passer] = 3
    walking = np.flatnonzero((crowd.stage == 1) | (crowd.stage == 3))
    before = crowd.place.copy()
    if walking.size:
        goal = np.where(
            (crowd.stage[walking] == 1)[:, None], crowd.goal[walking], crowd.exit[walking]
        )
        way = goal - crowd.place[walking]
        far = np.linalg.norm(way, axis=1, keepdims=True)
        wish = way / np.maximum(far, 1e-6) * crowd.pace[walking, None]
        wish += _push(crowd, plan, walking)
        velocity = crowd.velocity[walking]
        velocity += (wish - velocity) * min(4 * dt, 1.0)
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        velocity *= np.minimum(1, 1.25 * crowd.pace[walking, None] / np.maximum(speed, 1e-6))
        close = far[:, 0] < 0.6  # the last step goes straight to the place
        velocity[close] = (way / np.maximum(far, 1e-6) * np.minimum(far / dt, 0.7))[close]
        crowd.place[walking] += velocity * dt
        _keep_apart(crowd, walking, before)
        crowd.velocity[walking] = (crowd.place[walking] - before[walking]) / dt
        _turn(crowd, walking, dt)
        _make_room(crowd)
    _arrive(crowd, walking)
    standing = np.flatnonzero(crowd.stage == 2)
    crowd.velocity[standing] = 0
    crowd.heading[standing] += 2.5 * dt * _angle(crowd.facing[standing] - crowd.heading[standing])


def _come(crowd: _Crowd, now: float) -> None:
    """Let in who is due, when nobody is in the way."""
    for index in np.flatnonzero((crowd.stage == 0) & (crowd.comes <= now)):
        here = crowd.present
        gaps = np.linalg.norm(crowd.place[here] - crowd.place[index], axis=1)
        if not here.size or gaps.min() > 0.6:
            crowd.stage[index] = 1


def _arrive(crowd: _Crowd, walking: NDArray[np.int64]) -> None:
    arrived = walking[
        (crowd.stage[walking] == 1)
        & ~crowd.passer[walking]
        & (np.linalg.norm(crowd.goal[walking] - crowd.place[walking], axis=1) < 0.05)
    ]
    crowd.stage[arrived] = 2
    leaving = (crowd.stage == 3) | ((crowd.stage == 1) & crowd.passer)
    gone = leaving & (np.linalg.norm(crowd.exit - crowd.place, axis=1) < 0.8)
    crowd.stage[gone] = 4


def _push(crowd: _Crowd, plan: FloorPlan, walking: NDArray[np.int64]) -> Floats:
    """How others and obstacles turn the walkers' wishes (W, 2), metres a second."""
    here = crowd.present
    apart = crowd.place[walking, None] - crowd.place[None, here]
    gap = np.linalg.norm(apart, axis=2) + 1e-9
    force = 1.6 * np.exp(-(gap - 0.45) / 0.22) * (gap < 1.6) * (walking[:, None] != here)
    # A step to the right besides the step back: two who meet pass each other.
    sideways = np.stack([-apart[..., 1], apart[..., 0]], axis=2)
    push = ((apart + 0.5 * sideways) / gap[..., None] * np.minimum(force, 2.5)[..., None]).sum(1)
    x0, y0, x1, y1 = plan.zone
    round_zone = ((x0 + x1) / 2, (y0 + y1) / 2, np.hypot(x1 - x0, y1 - y0) / 2 + 0.2)
    for x, y, radius, only_passers in (
        *((*disc, False) for disc in plan.obstacles),
        (*round_zone, True),
    ):
        away = crowd.place[walking] - (x, y)
        gap = np.linalg.norm(away, axis=1) + 1e-9
        force = np.minimum(1.8 * np.exp(-(gap - radius - 0.35) / 0.35), 3.0) * (gap < radius + 2)
        if only_passers:
            force = force * crowd.passer[walking]
        aside = np.stack([-away[:, 1], away[:, 0]], axis=1)
        turn = np.sign((aside * crowd.velocity[walking]).sum(1, keepdims=True) + 1e-6)
        push += (away + 0.6 * turn * aside) / gap[:, None] * force[:, None]
    length = np.linalg.norm(push, axis=1, keepdims=True)
    return np.asarray(push * np.minimum(1, 3.0 / np.maximum(length, 1e-9)))


def _make_room(crowd: _Crowd) -> None:
    """Who is stuck behind a standing person takes that place; the other one moves up.

    Exchanging goals this way shortens the sum of squared ways, so that it comes to an end.
    """
    slow = np.linalg.norm(crowd.velocity, axis=1) < 0.25
    stuck = np.flatnonzero((crowd.stage == 1) & ~crowd.passer & slow)
    others = np.flatnonzero(((crowd.stage == 1) | (crowd.stage == 2)) & ~crowd.passer)
    for index in stuck:
        near = others[np.linalg.norm(crowd.place[others] - crowd.place[index], axis=1) < 1.0]
        near = near[(near != index) & (crowd.goes[near] < 1e8)]
        if not near.size:
            continue
        here, goal = crowd.place[index], crowd.goal[index]
        now = ((goal - here) ** 2).sum() + ((crowd.goal[near] - crowd.place[near]) ** 2).sum(1)
        then = ((goal - crowd.place[near]) ** 2).sum(1) + ((crowd.goal[near] - here) ** 2).sum(1)
        best = int((then - now).argmin())
        if then[best] < now[best] - 0.02:
            pair, swapped = [index, near[best]], [near[best], index]
            for values in (crowd.goal, crowd.goes, crowd.facing):
                values[pair] = values[swapped]
            crowd.stage[near[best]] = 1


def _keep_apart(crowd: _Crowd, walking: NDArray[np.int64], before: Floats) -> None:
    """Push walkers off those they touch; who still touches somebody stays where they were."""
    here = crowd.present
    moves = np.isin(here, walking)
    for _ in range(3):
        place = crowd.place[here]
        apart = place[:, None] - place[None]
        gap = np.linalg.norm(apart, axis=2) + np.eye(len(here)) * 9
        share = np.where(moves[None, :], 0.5, 1.0)  # who stands does not give way
        shove = np.maximum(LEAST_GAP + 0.04 - gap, 0) * share
        crowd.place[here[moves]] += (apart / gap[..., None] * shove[..., None]).sum(1)[moves]
    for _ in range(8):
        place = crowd.place[here]
        gap = np.linalg.norm(place[:, None] - place[None], axis=2) + np.eye(len(here)) * 9
        stuck = here[(gap.min(axis=1) < LEAST_GAP) & moves]
        if not stuck.size or np.array_equal(crowd.place[stuck], before[stuck]):
            return
        crowd.place[stuck] = before[stuck]


def _turn(crowd: _Crowd, walking: NDArray[np.int64], dt: float) -> None:
    """Bodies turn to where they go; legs move with the way made."""
    velocity = crowd.velocity[walking]
    speed = np.linalg.norm(velocity, axis=1)
    ahead = np.arctan2(velocity[:, 1], velocity[:, 0])
    turn = _angle(ahead - crowd.heading[walking]) * np.clip(speed / 0.5, 0, 1)
    crowd.heading[walking] += np.clip(turn * 4 * dt, -3.0 * dt, 3.0 * dt)
    crowd.phase[walking] += speed * dt / STRIDE


def _angle(turn: Floats) -> Floats:
    """An angle between -pi and pi."""
    return np.asarray((turn + np.pi) % (2 * np.pi) - np.pi)
