"""The whole film of Mall through the product, and its incidents against those that the truth gives.

    python benchmarks/mall_incidents.py ../shared/data/videos [--levels 34 24 12] [--folder KEEP]

Runs `headcount run` on a site of three zones until every frame of the film is counted and in the
history. The annotated heads then go through the same rules: zones, smoothing, dwell and margin. Two
tables tell what was found, missed and raised wrongly: with the levels as they are, and with levels
that fit the camera's counts, tried by `headcount backtest --set`. The factor between counts
and people comes from the first ten seconds, as somebody finds it who counts a few pictures by hand.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from core.history import History, raw_values
from core.history_blocks import RawValue
from core.settings import CameraSettings, Zone
from core.site_file import load_site
from core.status import freshness_limit_s
from crowd.configured import zone_tracker
from crowd.levels import UTC as RULES_UTC
from crowd.replay import replay_zone
from crowd.zones import zone_weights
from headcount.ports import free_port
from models.shipped import weights_path

FILM, HEADS = "mall_train_640x480.mp4", "mall_train_heads.csv"
WIDTH, HEIGHT, FPS = 640, 480, 10
CAMERA = "mall"
LEARNT_S = 10.0  # of the film, from which the factor between counts and people is taken
NO_NEWS_S = 120.0
EVER_MS = 10**15

Truth = Mapping[int, list[tuple[float, float]]]


@dataclass(frozen=True)
class Stay:
    """One incident in seconds of the film; ``end`` is infinite where it was open at the end."""

    begin: float
    end: float

    def overlap(self, other: Stay, film_s: float) -> float:
        """Seconds that both last."""
        return max(0.0, min(self.end, other.end, film_s) - max(self.begin, other.begin))

    def __str__(self) -> str:
        return f"{self.begin:.1f} to {self.end:.1f}" if self.end < 1e9 else f"from {self.begin:.1f}"


def site_of(film: Path, levels: Sequence[float]) -> dict[str, Any]:
    """Whole picture, left and right half, each with one level in persons."""
    digest = hashlib.sha256(weights_path("tiny").read_bytes()).hexdigest()
    halves = {"left": (0, 0.5), "right": (0.5, 1)}
    dwell = {"unit": "persons", "raise_after": "2s", "clear_after": "4s", "approaching": "0s"}
    zones: list[dict[str, Any]] = [{"id": "whole", "levels": {**dwell, "watch": levels[0]}}]
    for (name, (left, right)), watch in zip(halves.items(), levels[1:], strict=True):
        polygon = [[left, 0], [right, 0], [right, 1], [left, 1]]
        zones.append({"id": name, "polygon": polygon, "levels": {**dwell, "watch": watch}})
    play = {"repeat": False, "pace": "fast", "policy": "every"}
    camera = {"id": CAMERA, "source": str(film.resolve()), "fps": FPS, "play": play}
    return {
        "site": {"name": f"Mall, weights tiny {digest[:12]}", "timezone": "UTC"},
        "model": {"name": "tiny", "max_side": WIDTH},
        "dashboard": {"port": free_port()},
        "cameras": [{**camera, "zones": zones}],
    }


@contextmanager
def running(site: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The product on a site; its log beside the site file."""
    command = [sys.executable, "-m", "headcount", "run", str(site)]
    with (
        site.with_name("run.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process,  # noqa: S603
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def count_film(site: Path, frames: int) -> None:
    """Run the product until every frame is in the history."""
    url = load_site(site).site.history.url
    with running(site) as process, closing(History.open(url)) as history:
        known, since = -1, time.monotonic()
        while known < frames:
            time.sleep(2)
            number = len(values_of(history, "whole"))
            if number != known:
                known, since = number, time.monotonic()
                print(f"\r{known} of {frames} frames", end="", file=sys.stderr, flush=True)
            if process.poll() is not None or time.monotonic() - since > NO_NEWS_S:
                raise SystemExit(f"only {known} of {frames} frames were counted; see run.log")
    print(file=sys.stderr)


def values_of(history: History, zone: str) -> list[RawValue]:
    """All stored values of a zone, oldest first."""
    with history.snapshot() as connection:
        return list(raw_values(connection, CAMERA, zone, 0, EVER_MS))


def read_heads(path: Path) -> Truth:
    """The annotated heads of each frame, as fractions of the picture."""
    heads: dict[int, list[tuple[float, float]]] = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            heads[int(row["frame"])].append((float(row["x"]) / WIDTH, float(row["y"]) / HEIGHT))
    return heads


def true_values(heads: Truth, zone: Zone, frames: int) -> list[RawValue]:
    """What the history would hold of a zone if every head was found, stamped from 0 on."""
    values = []
    for frame in range(frames):
        table = [(x, y, 1.0) for x, y in heads.get(frame, [])]
        number = float(zone_weights(table, zone.polygon).sum())
        at = round(1000 * frame / FPS) + 1
        values.append(RawValue(at, at, number, number, number, number, None, None, "normal"))
    return values


def true_stays(camera: CameraSettings, zone: Zone, values: Sequence[RawValue]) -> list[Stay]:
    """The incidents that the site's own rules raise on the truth."""
    assert zone.levels is not None
    tracker = zone_tracker(zone, None, freshness_limit_s(camera), RULES_UTC, None)
    unit = zone.levels.unit
    found = replay_zone(tracker, values, camera=camera.id, zone=zone.id, unit=unit)
    return [stay(each.raised_at, each.cleared_at, 1) for each in found]


def stay(raised_at: int, cleared_at: int | None, first_ms: int) -> Stay:
    end = float("inf") if cleared_at is None else (cleared_at - first_ms) / 1000
    return Stay((raised_at - first_ms) / 1000, end)


def backtest(site: Path, last_ms: int, first_ms: int, changes: Sequence[str] = ()) -> Any:
    """What `headcount backtest --json` prints of the whole run."""
    begin, end = (
        datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in (first_ms, last_ms + 1)
    )
    options = [part for change in changes for part in ("--set", change)]
    arguments = ["backtest", str(site), "--from", begin, "--to", end, "--json", *options]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "headcount", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"headcount {shlex.join(arguments)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def stays_of(incidents: Iterable[Mapping[str, Any]], zone: str, first_ms: int) -> list[Stay]:
    """A zone's incidents of a backtest's document."""

    def ms(text: str | None) -> int | None:
        return None if text is None else round(1000 * datetime.fromisoformat(text).timestamp())

    rows = [(ms(each["raised_at"]), each) for each in incidents if each["zone"] == zone]
    return [stay(at, ms(each["cleared_at"]), first_ms) for at, each in rows if at is not None]


def row(zone: str, found: Sequence[Stay], truth: Sequence[Stay], film_s: float) -> str:
    """One zone of a table: the stays, and how far they agree."""
    missed = [each for each in truth if not any(each.overlap(one, film_s) for one in found)]
    wrong = [each for each in found if not any(each.overlap(one, film_s) for one in truth)]
    both = sum(one.overlap(each, film_s) for one in found for each in truth)
    mine, theirs = (sum(each.overlap(each, film_s) for each in some) for some in (found, truth))
    lists = [", ".join(map(str, some)) or "none" for some in (found, truth)]
    cells = [zone, *lists, f"{len(truth) - len(missed)} of {len(truth)}", str(len(wrong))]
    return f"| {' | '.join(cells)} | {both:.0f} | {theirs - both:.0f} | {mine - both:.0f} |"


HEADING = """\
| zone | product | truth | found | false | s both | s missed | s too many |
|---|---|---|---|---|---|---|---|"""


def report(site: Path, heads: Truth, frames: int) -> None:
    """Print all that is said of the run."""
    camera = load_site(site).site.cameras[0]
    with closing(History.open(load_site(site).site.history.url)) as history:
        counted = {zone.id: values_of(history, zone.id) for zone in camera.zones}
    truth = {zone.id: true_values(heads, zone, frames) for zone in camera.zones}
    first, last = counted["whole"][0].at, counted["whole"][-1].at
    film_s = frames / FPS
    ratios = {}
    print(f"{load_site(site).site.site.name}\n")
    print("| zone | people, mean | counted, mean | mean absolute error | counted, first 10 s |")
    print("|---|---|---|---|---|")
    for zone in camera.zones:
        pairs = [(a.count, b.count) for a, b in zip(counted[zone.id], truth[zone.id], strict=True)]
        people, error = sum(b for _, b in pairs), sum(abs(a - b) for a, b in pairs)
        early = pairs[: round(LEARNT_S * FPS)]
        ratios[zone.id] = sum(a for a, _ in early) / sum(b for _, b in early)
        means = [people / frames, sum(a for a, _ in pairs) / frames, error / frames]
        print(f"| {zone.id} | {' | '.join(f'{m:.1f}' for m in means)} | {ratios[zone.id]:.0%} |")
    plain = backtest(site, last, first)
    changes, lines = [], []
    for zone in camera.zones:
        assert zone.levels is not None
        assert zone.levels.watch is not None
        changes.append(f"{CAMERA}/{zone.id}.watch={zone.levels.watch * ratios[zone.id]:.1f}")
        lines.append((zone.id, true_stays(camera, zone, truth[zone.id])))
    fitted = backtest(site, last, first, changes)
    for title, document, key in (
        ("The site's own levels, recorded live", plain, "recorded"),
        (f"Levels that fit the counts: {' '.join(changes)}", fitted, "replayed"),
    ):
        print(f"\n{title}\n\n{HEADING}")
        for zone_id, stays in lines:
            print(row(zone_id, stays_of(document[key], zone_id, first), stays, film_s))
    for name, document in (("its own levels", plain), ("fitted levels", fitted)):
        numbers = {key: len(document[key]) for key in ("recorded", "replayed", "added", "missing")}
        print(f"\nbacktest with {name}: {numbers}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, help=f"folder with {FILM} and {HEADS}")
    parser.add_argument("--folder", type=Path, help="keep site, history and log here")
    parser.add_argument(
        "--levels", type=float, nargs=3, default=(34, 24, 12), help="persons: whole, left, right"
    )
    arguments = parser.parse_args()
    heads = read_heads(arguments.videos / HEADS)
    frames = max(heads) + 1
    with tempfile.TemporaryDirectory(prefix="headcount-mall-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        site = folder / "site.yaml"
        if not site.exists():  # else a run that was kept is told again
            site.write_text(
                yaml.safe_dump(site_of(arguments.videos / FILM, arguments.levels), sort_keys=False)
            )
            count_film(site, frames)
        report(site, heads, frames)


if __name__ == "__main__":
    main()
