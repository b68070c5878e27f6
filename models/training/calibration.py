"""The last stage: what is chosen on validation and stored with the weights.

The number of DDIM steps, how heads are read off the map, whether the regression control joins the
reported count, and the interval. The test split has no part in it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from models.conditioner import density_inside
from models.counter import Counter
from models.crowd_map import KERNEL_SUM
from models.frames import frame_tensor
from models.interval import Residuals, calibrate, coverage_by_folds
from models.metrics import Localisation, count_errors
from models.network import CrowdDiffusion
from models.reading import ReadingSettings, read_map, regions_above
from models.training.data import Annotated
from models.weights import UNCALIBRATED, LoadedWeights, Recipe

STEPS = (1, 2, 4)
GOOD_ENOUGH = 1.02  # the smallest S, and the smallest share of the control, within 2 % of the best
GOOD_F1 = 0.01  # readings whose F1 is this near the best one are as good
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
LARGEST_SIDE = 1024
RADIUS = 8  # pixels, of the localisation that decides how heads are read
POLYGONS = 4  # per picture, on which the intervals are calibrated beside the whole
SAMPLES = 4  # K > 1 that an interval is calibrated for


@dataclass(frozen=True)
class Drawn:
    """One validation picture: its map at one S and what the control says."""

    name: str  # of its data set
    map: NDArray[np.float32]  # (H, W)
    density: float  # people
    item: Annotated
    scale: float  # pixels of the map per pixel of the picture

    @property
    def mass(self) -> float:
        """People by the sum of the map."""
        return float(self.map.sum()) / KERNEL_SUM


def draw(
    network: CrowdDiffusion, sets: Mapping[str, Sequence[Annotated]], steps: int
) -> list[Drawn]:
    """The maps of all pictures of the sets at one number of steps."""
    drawn = []
    for name, items in sets.items():
        for item in items:
            picture = item.picture()
            tensor, (height, width) = frame_tensor(picture, LARGEST_SIDE, network.config.squash)
            sampled = network.sample(tensor, steps)
            x = sampled.maps[0, 0, :height, :width].clamp(min=0).numpy()
            cells = density_inside(sampled.density[0], height, width)
            drawn.append(Drawn(name, x, float(cells.sum()), item, height / picture.shape[0]))
    return drawn


def relative_error(drawn: Sequence[Drawn], share: float) -> float:
    """Mean over the data sets of MAE over mean count, with the control's share in the count."""
    relative = []
    for name in {d.name for d in drawn}:
        chosen = [d for d in drawn if d.name == name]
        true = np.array([len(d.item.heads) for d in chosen])
        counts = np.array([(1 - share) * d.mass + share * d.density for d in chosen])
        relative.append(np.abs(counts - true).mean() / max(true.mean(), 1.0))
    return float(np.mean(relative))


def choose_reading(drawn: Sequence[Drawn]) -> tuple[ReadingSettings, float]:
    """The reading with the best localisation F1, averaged over the data sets, and that F1.

    Of those that are as good within `GOOD_F1`, it is the one whose contours are the best count.
    The fixed threshold, which only the ablation uses, is the one with the smallest count error.
    """
    true = [len(d.item.heads) for d in drawn]
    thresholds = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
    fixed = min(
        thresholds,
        key=lambda t: count_errors([regions_above(d.map, t) for d in drawn], true).mae,
    )
    plain = ReadingSettings(fixed_threshold=fixed)
    shapes = product((0.02, 0.05, 0.1, 0.15), (0.0, 0.7, 1.0), (3, 5))
    best, _ = _best(drawn, [replace(plain, offset=o, smoothing=s, spacing=p) for o, s, p in shapes])
    return _best(drawn, [replace(best, joining=j) for j in (0.0, 6.0, 10.0, 16.0)])


def _best(
    drawn: Sequence[Drawn], candidates: Sequence[ReadingSettings]
) -> tuple[ReadingSettings, float]:
    """Of the settings with a good F1, averaged over the data sets, those of the best contours."""
    found = []
    for settings in candidates:
        totals: dict[str, Localisation] = {d.name: Localisation() for d in drawn}
        contours = []
        for d in drawn:
            reading = read_map(d.map, settings)
            totals[d.name].add(reading.heads[:, :2] / d.scale, d.item.heads, RADIUS)
            contours.append(reading.contours)
        f1 = float(np.mean([total.f1 for total in totals.values()]))
        error = count_errors(contours, [len(d.item.heads) for d in drawn]).mae
        found.append((settings, f1, error))
    best_f1 = max(f1 for _, f1, _ in found)
    settings, f1, _ = min(
        (f for f in found if f[1] >= best_f1 - GOOD_F1), key=lambda f: (f[2], -f[1])
    )
    return settings, f1


def random_polygon(rng: np.random.Generator) -> shapely.Polygon:
    """A zone as people draw it: a convex polygon on the unit square, of any size above 3 %."""
    while True:
        low = rng.uniform(0, 0.75, 2)
        high = np.minimum(1.0, low + rng.uniform(0.2, 1.0, 2))
        corners = rng.uniform(low, high, (6, 2))
        polygon = shapely.MultiPoint(corners).convex_hull
        if isinstance(polygon, shapely.Polygon) and polygon.area > 0.03:
            return polygon


def interval_residuals(
    counter: Counter, items: Sequence[Annotated], steps: int, samples: int, seed: int = 0
) -> tuple[Residuals, NDArray[np.int64]]:
    """Counts and truth of whole pictures and of random polygons of them.

    Returns:
        The residuals, and the index of the picture of each row; a picture's first row is the whole.
    """
    rng = np.random.default_rng(seed)
    rows, groups = [], []
    for index, item in enumerate(items):
        picture = item.picture()
        reading = counter.count([picture], steps=steps, samples=samples, max_side=LARGEST_SIDE)[0]
        size = np.array([picture.shape[1], picture.shape[0]])
        rows.append((reading.count, reading.spread, len(item.heads)))
        for _ in range(POLYGONS):
            polygon = random_polygon(rng)
            heads, true = reading.heads[:, :2] / size, item.heads / size
            inside = shapely.contains_xy(polygon, heads[:, 0], heads[:, 1])
            count = float(reading.heads[inside, 2].sum())
            spread = reading.spread * count / max(reading.count, 1.0)
            rows.append((count, spread, int(shapely.contains_xy(polygon, *true.T).sum())))
        groups += [index] * (1 + POLYGONS)
    return Residuals(*np.array(rows, np.float64).T), np.array(groups)


@torch.inference_mode()
def choose_recipe(
    network: CrowdDiffusion,
    selection: Mapping[str, Sequence[Annotated]],
    calibration: Mapping[str, Sequence[Annotated]],
) -> tuple[Recipe, dict[str, float]]:
    """The recipe of trained weights.

    Args:
        network: trained.
        selection: validation pictures by data set, on which choices are made.
        calibration: validation pictures on which the intervals are calibrated.

    Returns:
        The recipe, and the validation figures that led to it.
    """
    by_steps = {steps: draw(network, selection, steps) for steps in STEPS}
    errors = {steps: relative_error(drawn, 0.0) for steps, drawn in by_steps.items()}
    limit = min(errors.values()) * GOOD_ENOUGH
    steps = min(s for s, error in errors.items() if error <= limit)
    drawn = by_steps[steps]
    by_share = {share: relative_error(drawn, share) for share in SHARES}
    limit = min(by_share.values()) * GOOD_ENOUGH
    share = min(s for s, error in by_share.items() if error <= limit)
    reading, f1 = choose_reading([d for d in drawn if "shanghaitech" in d.name])
    figures = {f"relative error at S = {s}": error for s, error in errors.items()}
    figures |= {f"relative error with {s:.0%} control": e for s, e in by_share.items()}
    figures[f"F1 at {RADIUS} px"] = f1
    uncalibrated = Recipe(steps, reading, share, (UNCALIBRATED,))
    # The counter folds the network's weights, so it gets a copy.
    weights = LoadedWeights("", "", copy.deepcopy(network), uncalibrated)
    counter = Counter(weights, "cpu", exact=True)
    items = [item for of_set in calibration.values() for item in of_set]
    intervals = []
    for s, k in ((1, 1), (2, 1), (4, 1), (steps, SAMPLES)):
        residuals, groups = interval_residuals(counter, items, s, k)
        intervals.append(calibrate(residuals, s, k))
        held, width = coverage_by_folds(residuals, groups, k)
        whole = np.arange(len(groups)) % (1 + POLYGONS) == 0
        for name, rows in (("pictures", whole), ("polygons", ~whole)):
            figures[f"coverage on {name}, S = {s}, K = {k}"] = float(held[rows].mean())
            figures[f"width on {name}, S = {s}, K = {k}"] = float(width[rows].mean())
    return replace(uncalibrated, intervals=tuple(intervals)), figures
