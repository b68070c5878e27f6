"""``headcount demo``: the product on a scene that knows its truth.

The clips are rendered once and kept in the user's cache folder. The rest is `headcount run` with
``configs/demo.yaml``; beside it a thread compares each reading with the truth of its frame.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import av
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

import scenes
from core.logging import LEVEL_VARIABLE, configure_logging
from core.site_file import LoadedSite
from headcount.failures import InputError
from headcount.ports import require_free_port
from headcount.running import run_site
from headcount.score import DemoScore
from headcount.weights import require_weights
from scenes.clip import write_clip

CLIPS = ("plaza", "concourse")
SITE_TEMPLATE = Path(__file__).parent.parent / "configs" / "demo.yaml"

NEXT_STEPS = """\
What to try next:
  headcount probe rtsp://USER:PASSWORD@CAMERA/STREAM     does my camera work?
  headcount init rtsp://... > site.yaml                  a site file for it
  headcount run site.yaml                                and the dashboard with it"""


def clips_folder(seconds: float) -> Path:
    """Where clips of this length, rendered by this version of the scenes, are kept."""
    digest = hashlib.sha256(f"{seconds:g}".encode())
    for source in sorted(Path(scenes.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "headcount" / f"demo-{digest.hexdigest()[:12]}"


def render_clips(folder: Path, seconds: float, console: Console) -> None:
    """Render the clips that are not there yet, with a progress bar."""
    missing = [name for name in CLIPS if not (folder / f"{name}.csv").is_file()]
    if not missing:
        console.print(f"Scene: rendered earlier, {folder}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with (
        tempfile.TemporaryDirectory(prefix="rendering-", dir=folder) as scratch,
        Progress(*columns, console=console) as progress,
    ):
        for name in missing:
            task = progress.add_task(f"Rendering the scene: {name}", total=1.0)
            report = partial(_report, progress, task)
            write_clip(name, Path(scratch), seconds, progress=report)
            for suffix in (".mp4", ".csv"):  # the truth last: its presence says that both are whole
                (Path(scratch) / f"{name}{suffix}").replace(folder / f"{name}{suffix}")


def _report(progress: Progress, task: TaskID, share: float) -> None:
    progress.update(task, completed=share)


def truth_of(folder: Path, name: str) -> list[int]:
    """People in each frame of a clip."""
    with (folder / f"{name}.csv").open(newline="") as file:
        heads = Counter(int(row["frame"]) for row in csv.DictReader(file))
    with av.open(str(folder / f"{name}.mp4")) as video:
        frames = video.streams.video[0].frames
    return [heads[index] for index in range(frames)]


def frames_per_second(folder: Path, name: str) -> float:
    with av.open(str(folder / f"{name}.mp4")) as video:
        return float(video.streams.video[0].average_rate or 0) or 10.0


def write_site(folder: Path, clips: Path, port: int) -> Path:
    """The demo's site file beside links to its clips; returns its path."""
    text = SITE_TEMPLATE.read_text()
    site = yaml.safe_load(text)
    if port != site["dashboard"]["port"]:
        text = text.replace(f"port: {site['dashboard']['port']}", f"port: {port}")
    path = folder / "demo.yaml"
    path.write_text(text)
    for name in CLIPS:
        (folder / f"{name}.mp4").symlink_to(clips / f"{name}.mp4")
    return path


def _score(clips: Path, names: Sequence[str], console: Console) -> DemoScore:
    truth = {name: truth_of(clips, name) for name in names}
    fps = {name: frames_per_second(clips, name) for name in names}

    def print_line(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    return DemoScore(truth, fps, print_line=print_line)


def run_demo(*, port: int, seconds: float | None, clip_seconds: float) -> None:
    """Render, run, compare; ends on Ctrl-C or after ``seconds``.

    Raises:
        InputError, BrokerError: what keeps it from starting.
    """
    os.environ.setdefault(LEVEL_VARIABLE, "WARNING")  # the demo's own lines are the ones to read
    configure_logging("demo")
    console = Console()
    if not SITE_TEMPLATE.is_file():
        raise InputError(f"there is no {SITE_TEMPLATE}: the demo runs from a clone of the project")
    template = yaml.safe_load(SITE_TEMPLATE.read_text())
    require_weights(template["model"]["name"])
    require_free_port(template["dashboard"]["host"], port)
    clips = clips_folder(clip_seconds)
    render_clips(clips, clip_seconds, console)
    folder = Path(tempfile.mkdtemp(prefix="headcount-demo-"))
    try:
        site = write_site(folder, clips, port)
        score = _score(clips, CLIPS, console)

        def follow(loaded: LoadedSite, url: str) -> DemoScore:
            return score.following(loaded, url)

        console.print("Starting the services (the model is loaded and measured). Ctrl-C ends all.")
        run_site(site, companion=follow, for_seconds=seconds)
        console.print(score.summary(), highlight=False, soft_wrap=True)
        console.print(NEXT_STEPS, highlight=False, soft_wrap=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
