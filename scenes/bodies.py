"""What a person is made of: ellipsoids for head, hair, clothes, limbs and bags.

A body is a set of choices (stature, girth, hair, garments, bag) and a pose is a moment of walking
or a way of standing. Body axes: x to the person's right, y ahead, z up, metres, the ground at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from scenes.solids import Bytes, Floats, Paint, Solid, ball, limb

SKIN, HAIR, TOP, BOTTOM, SHOES, INNER, BAG, DARK = range(1, 9)
HEAD_RADIUS = 0.115  # metres, half the height of a head: what is projected as head size

HAIR_STYLES = ("short", "short", "long", "bob", "bun", "bald", "cap", "hood", "scarf", "beanie")
BOTTOMS = ("trousers", "trousers", "trousers", "shorts", "skirt", "coat")
BAGS = ("none", "none", "none", "backpack", "shoulder", "hand")
STANDING_POSES = ("relaxed", "pockets", "folded", "phone", "raised")


@dataclass(frozen=True)
class Body:
    """The choices that give a person's shape; ``girth`` 1 is average."""

    stature: float
    girth: float
    hair: str
    bottom: str
    bag: str
    short_sleeves: bool
    open_jacket: bool
    beard: bool


@dataclass(frozen=True)
class Pose:
    """``phase`` of the walking cycle in turns, or a way of standing."""

    standing: str | None
    phase: float = 0.0


def random_body(rng: np.random.Generator) -> Body:
    """A person as met in a street; one in twenty is a child."""
    stature = float(np.clip(rng.normal(1.71, 0.085), 1.5, 1.95))
    if rng.random() < 0.05:
        stature = float(rng.uniform(1.15, 1.5))
    return Body(
        stature=stature,
        girth=float(np.clip(rng.normal(1.0, 0.13), 0.8, 1.45)),
        hair=str(rng.choice(HAIR_STYLES)),
        bottom=str(rng.choice(BOTTOMS)),
        bag=str(rng.choice(BAGS)),
        short_sleeves=bool(rng.random() < 0.35),
        open_jacket=bool(rng.random() < 0.35),
        beard=bool(rng.random() < 0.2),
    )


def head_centre(body: Body) -> NDArray[np.float64]:
    """Centre of the head (3,), body axes."""
    return np.array([0.0, 0.025, body.stature - HEAD_RADIUS - 0.008])


def solids_of(body: Body, pose: Pose) -> list[Solid]:
    """All ellipsoids of a person in a pose."""
    swing = sin(2 * pi * pose.phase) if pose.standing is None else 0.0
    return [
        *_head(body),
        *_torso(body),
        *_legs(body, pose),
        *_arms(body, pose, swing),
        *_bag(body),
    ]


def _face(beard: bool) -> Paint:
    def paint(s: Floats) -> Bytes:
        x, y, z = s
        label = np.full(x.shape, SKIN, np.uint8)
        ahead = y > 0
        eyes = (np.abs(np.abs(x) - 0.36) < 0.15) & (np.abs(z - 0.12) < 0.055)
        brows = (np.abs(np.abs(x) - 0.38) < 0.2) & (np.abs(z - 0.27) < 0.035)
        mouth = (np.abs(x) < 0.24) & (np.abs(z + 0.5) < 0.035)
        label[ahead & (eyes | mouth)] = DARK
        label[ahead & brows] = HAIR
        if beard:
            label[(y > -0.15) & (z < -0.32) & ~mouth] = HAIR
        return label

    return paint


def _head(body: Body) -> list[Solid]:
    x, y, z = head_centre(body)
    paint = _face(body.beard)
    solids = [
        ball((x, y, z), (0.076, 0.094, HEAD_RADIUS), SKIN, paint, 0.25),
        ball((x, y + 0.093, z - 0.012), (0.013, 0.02, 0.022), SKIN, rough=0.2),
        ball((x - 0.078, y - 0.005, z - 0.005), (0.011, 0.022, 0.03), SKIN, rough=0.2),
        ball((x + 0.078, y - 0.005, z - 0.005), (0.011, 0.022, 0.03), SKIN, rough=0.2),
        *limb((0, 0.0, z - 0.21), (0, 0.012, z - 0.07), (0.062, 0.055), SKIN, 2, 0.3),
    ]
    return solids + _hair(body.hair, x, y, z)


def _hair(style: str, x: float, y: float, z: float) -> list[Solid]:
    crown = ball((x, y - 0.017, z + 0.022), (0.084, 0.096, 0.105), HAIR, rough=1.6)
    if style == "bald":
        return [ball((x, y - 0.03, z - 0.01), (0.079, 0.072, 0.06), HAIR, rough=1.0)]
    if style == "long":
        return [
            crown,
            ball((x, y - 0.055, z - 0.09), (0.088, 0.055, 0.16), HAIR, rough=2.0),
            ball((x - 0.07, y - 0.02, z - 0.09), (0.025, 0.045, 0.14), HAIR, rough=2.0),
            ball((x + 0.07, y - 0.02, z - 0.09), (0.025, 0.045, 0.14), HAIR, rough=2.0),
        ]
    if style == "bob":
        return [crown, ball((x, y - 0.03, z - 0.03), (0.098, 0.08, 0.11), HAIR, rough=2.0)]
    if style == "bun":
        return [crown, ball((x, y - 0.115, z + 0.06), (0.04, 0.04, 0.04), HAIR, rough=1.5)]
    if style == "cap":
        return [
            ball((x, y - 0.006, z + 0.045), (0.088, 0.105, 0.082), HAIR, rough=0.5),
            ball((x, y + 0.1, z + 0.045), (0.07, 0.075, 0.012), HAIR, rough=0.3),
        ]
    if style == "beanie":
        return [ball((x, y - 0.01, z + 0.045), (0.09, 0.105, 0.095), HAIR, rough=1.5)]
    if style == "hood":
        return [
            ball((x, y - 0.03, z + 0.012), (0.108, 0.108, 0.135), TOP, rough=1.4),
            ball((x, y - 0.04, z - 0.12), (0.12, 0.1, 0.08), TOP, rough=1.4),
        ]
    if style == "scarf":
        return [
            ball((x, y - 0.018, z + 0.012), (0.092, 0.102, 0.122), HAIR, rough=1.2),
            ball((x, y - 0.02, z - 0.13), (0.11, 0.095, 0.1), HAIR, rough=1.5),
        ]
    return [crown]


def _torso(body: Body) -> list[Solid]:
    """Stations of an elliptic trunk from the crotch to the collar bone."""
    h, g = body.stature, body.girth
    stations = (  # height, half width, half depth
        (0.50, 0.165, 0.125),
        (0.54, 0.170, 0.125),
        (0.58, 0.162, 0.118),
        (0.62, 0.155, 0.112),
        (0.66, 0.158, 0.113),
        (0.70, 0.168, 0.118),
        (0.74, 0.178, 0.118),
        (0.78, 0.175, 0.108),
    )

    def jacket(s: Floats) -> Bytes:
        label = np.full(s.shape[1], TOP, np.uint8)
        label[(np.abs(s[0]) < 0.28) & (s[1] > 0)] = INNER
        return label

    solids = []
    for height, wide, deep in stations:
        belly = max(g - 1.0, 0.0) * 0.09 if height < 0.7 else 0.0
        material = BOTTOM if height < 0.53 and body.bottom != "coat" else TOP
        solids.append(
            ball(
                (0, belly * 0.6, height * h),
                (wide * g * h / 1.75, (deep * g + belly) * h / 1.75, 0.085 * h),
                material,
                jacket if body.open_jacket and material == TOP else None,
            )
        )
    broad = 0.158 * (0.6 + 0.4 * g) * h / 1.75
    for side in (-1, 1):  # shoulders slope from the neck to the arm
        solids += limb(
            (side * 0.04, -0.005, 0.833 * h),
            (side * broad, -0.005, 0.80 * h),
            (0.062, 0.068 * (0.5 + 0.5 * g)),
            TOP,
            3,
        )
    if body.bottom in ("skirt", "coat"):
        material = BOTTOM if body.bottom == "skirt" else TOP
        for index, height in enumerate((0.48, 0.44, 0.40, 0.36, 0.32)):
            flare = 0.165 + 0.012 * index
            solids.append(
                ball((0, 0, height * h), (flare * g, (flare - 0.03) * g, 0.05 * h), material)
            )
    return solids


def _legs(body: Body, pose: Pose) -> list[Solid]:
    h, g = body.stature, 0.5 + 0.5 * body.girth
    hip_z, shin = 0.5 * h, 0.235 * h
    thigh = hip_z - shin - 0.045 * h
    bare = body.bottom in ("shorts", "skirt")
    solids: list[Solid] = []
    for side in (-1, 1):
        if pose.standing is None:
            swing = sin(2 * pi * pose.phase + (0 if side > 0 else pi))
            lift = max(cos(2 * pi * pose.phase + (0 if side > 0 else pi)), 0.0)
            at_hip, at_knee = 0.36 * swing, 0.08 + 0.6 * lift + 0.12 * max(-swing, 0)
        else:
            at_hip, at_knee = 0.03 * side, 0.03
        apart = 0.09 * g if pose.standing is None else 0.105 * g
        hip = np.array([side * 0.085 * g, 0.0, hip_z])
        knee = hip + thigh * np.array([side * 0.005, sin(at_hip), -cos(at_hip)])
        bend = at_hip - at_knee
        ankle = knee + shin * np.array([0, sin(bend), -cos(bend)])
        ankle[0] = side * apart
        solids += limb(hip, knee, (0.09 * g, 0.066 * g), BOTTOM, 4)
        lower = SKIN if bare else BOTTOM
        width = (0.055, 0.04) if bare else (0.064 * g, 0.055 * g)
        solids += limb(knee, ankle, width, lower, 3)
        foot = ankle + np.array([side * 0.015, 0.06, -0.035 * h])
        foot[2] = max(foot[2], 0.04)
        solids.append(ball(foot, (0.047, 0.135, 0.045), SHOES, rough=0.4))
    return solids


def _arms(body: Body, pose: Pose, swing: float) -> list[Solid]:
    h, g = body.stature, 0.55 + 0.45 * body.girth
    solids: list[Solid] = []
    for side in (-1, 1):
        shoulder = np.array([side * 0.19 * g * h / 1.75, -0.005, 0.795 * h])
        elbow, hand = _arm_joints(pose, side, swing, shoulder, h)
        sleeve = SKIN if body.short_sleeves else TOP
        solids += limb(shoulder, elbow, (0.06 * g, 0.05 * g), TOP, 3)
        thick = (0.042, 0.034) if body.short_sleeves else (0.05 * g, 0.042 * g)
        solids += limb(elbow, hand, thick, sleeve, 3)
        tip = hand + (hand - elbow) * 0.25
        solids.append(ball(tip, (0.032, 0.042, 0.05), SKIN, rough=0.3))
    return solids


def _arm_joints(
    pose: Pose, side: int, swing: float, shoulder: NDArray[np.float64], h: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Elbow and wrist of one arm."""
    upper, lower = 0.165 * h, 0.15 * h
    ahead, bend = -0.5 * swing * side, 0.35
    wide = 0.12
    if pose.standing in ("relaxed", "pockets"):
        ahead, bend = -0.05, 0.15 if pose.standing == "relaxed" else 0.5
    elif pose.standing == "folded":
        elbow = shoulder + np.array([side * 0.045, 0.06, -upper])
        return elbow, elbow + np.array([-side * 0.19, 0.15, 0.03])
    elif pose.standing == "phone" and side > 0:
        elbow = shoulder + np.array([0.02, 0.03, -upper])
        return elbow, elbow + np.array([-0.09, 0.19, 0.10])
    elif pose.standing == "raised" and side > 0:
        elbow = shoulder + np.array([0.08, 0.16, 0.06])
        return elbow, elbow + np.array([-0.05, 0.12, 0.2])
    elif pose.standing is not None:
        ahead, bend = 0.0, 0.2
    elbow = shoulder + upper * np.array([side * wide, sin(ahead), -cos(ahead)])
    forward = ahead + bend
    wrist = elbow + lower * np.array([-side * 0.02, sin(forward), -cos(forward)])
    return elbow, wrist


def _bag(body: Body) -> list[Solid]:
    h = body.stature
    if body.bag == "backpack":
        return [
            ball((0, -0.19, 0.69 * h), (0.145, 0.09, 0.20), BAG, rough=0.8),
            ball((0, -0.26, 0.64 * h), (0.1, 0.05, 0.09), BAG, rough=0.8),
            *limb((-0.1, 0.1, 0.66 * h), (-0.1, 0.03, 0.84 * h), (0.024, 0.024), BAG),
            *limb((0.1, 0.1, 0.66 * h), (0.1, 0.03, 0.84 * h), (0.024, 0.024), BAG),
        ]
    if body.bag == "shoulder":
        return [
            ball((0.24, 0.0, 0.52 * h), (0.055, 0.15, 0.11), BAG, rough=0.6),
            *limb((0.19, 0.07, 0.58 * h), (-0.08, 0.08, 0.82 * h), (0.016, 0.016), BAG, 6),
        ]
    if body.bag == "hand":
        strap = limb((0.23, 0.02, 0.44 * h), (0.235, 0.02, 0.38 * h), (0.02, 0.02), BAG, 2)
        return [*strap, ball((0.235, 0.03, 0.33 * h), (0.05, 0.15, 0.11), BAG, rough=0.5)]
    return []
