"""The ``headcount`` command. Each command imports its room only when it runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from headcount import db, users
from headcount.arguments import AsJson, SiteFile
from headcount.failures import report

# OpenCV reads this when it is loaded: a picture that claims more pixels is refused, not allocated
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**26))
# OpenMP reads this when PyTorch is loaded: a thread of the model that waits for another must sleep.
# Spinning, it keeps the other off its core on a busy machine (measured on two: 2700 ms for 85 ms)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="headcount",
    help="Connect CCTV streams, watch a live dashboard, receive crowd-density alerts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(
    help="Measure how fast and how steady Headcount is on this machine.", no_args_is_help=True
)
app.add_typer(db.app, name="db", rich_help_panel="Look after it")
app.add_typer(bench, name="bench", rich_help_panel="Look after it")
app.add_typer(users.app, name="users", rich_help_panel="Look after it")

Transport = Annotated[Literal["tcp", "udp"], typer.Option(help="How RTSP carries the video.")]

RUN = "Run it"
SET_UP = "Set it up"
MODEL = "Count and train"
LOOK_AFTER = "Look after it"


PASSED_ON: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "allow_interspersed_args": False,
}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"headcount {version('headcount')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Connect CCTV streams, watch a live dashboard, receive crowd-density alerts."""


@app.command(rich_help_panel=RUN)
def demo(
    port: Annotated[int, typer.Option(help="Port of the dashboard.")] = 8501,
    seconds: Annotated[
        float | None, typer.Option(help="Stop by itself after so long; else Ctrl-C stops it.")
    ] = None,
    clip_seconds: Annotated[
        float, typer.Option(help="Length of the rendered clips, which repeat.")
    ] = 120.0,
) -> None:
    """The whole product on a built-in scene, and its error against that scene's truth."""
    from headcount.demo import run_demo

    run_demo(port=port, seconds=seconds, clip_seconds=clip_seconds)


@app.command(rich_help_panel=RUN)
def run(
    site: SiteFile,
    seconds: Annotated[
        float | None, typer.Option(help="Stop by itself after so long; else Ctrl-C stops it.")
    ] = None,
) -> None:
    """All services of a site, with the dashboard; Ctrl-C ends them all."""
    from core.logging import configure_logging
    from headcount.running import run_site

    configure_logging("supervisor")
    run_site(site, for_seconds=seconds)


@app.command(rich_help_panel=RUN)
def ingest(site: SiteFile) -> None:
    """One service: opens the cameras and publishes their frames."""
    from headcount.services import run_service

    run_service("ingest", site)


@app.command(rich_help_panel=RUN)
def worker(site: SiteFile) -> None:
    """One service: counts the frames; start as many as you need."""
    from headcount.services import run_service

    run_service("worker", site)


@app.command(rich_help_panel=RUN)
def alerts(site: SiteFile) -> None:
    """One service: levels, incidents, notifications and the history."""
    from headcount.services import run_service

    run_service("alerts", site)


@app.command(rich_help_panel=RUN)
def dashboard(site: SiteFile) -> None:
    """One service: the pages and the HTTP API."""
    from headcount.services import run_service

    run_service("dashboard", site)


@app.command(rich_help_panel=RUN)
def health(
    service: Annotated[
        Literal["ingest", "worker", "alerts", "dashboard"],
        typer.Argument(metavar="SERVICE", help="ingest, worker, alerts or dashboard."),
    ],
    site: SiteFile,
) -> None:
    """Exit 0 if the service of this site lives, else 1 (for container health checks)."""
    from headcount.health import check_health

    check_health(service, site)


@app.command(rich_help_panel=SET_UP)
def check(
    site: SiteFile,
    measure: Annotated[
        bool, typer.Option(help="Also say how many frames a second this machine counts.")
    ] = True,
) -> None:
    """Validate a site file: file:line: path: what is wrong and what is allowed."""
    from headcount.check import check_site

    check_site(site, measure=measure)


@app.command(rich_help_panel=SET_UP)
def init(
    sources: Annotated[
        list[str], typer.Argument(metavar="URL...", help="Camera URLs, files or webcam indexes.")
    ],
    transport: Transport = "tcp",
    timeout: Annotated[float, typer.Option(help="Seconds for each camera.")] = 10.0,
) -> None:
    """Probe cameras and print a commented site file: headcount init URL... > site.yaml."""
    from headcount.init import print_site_file

    print_site_file(sources, transport=transport, timeout_s=timeout)


@app.command(rich_help_panel=SET_UP)
def probe(
    source: Annotated[str, typer.Argument(metavar="URL", help="Camera URL, file or webcam index.")],
    transport: Transport = "tcp",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the first frame.")] = 10.0,
    snapshot: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the first frame is saved as a JPEG.")
    ] = Path("snapshot.jpg"),
    as_json: AsJson = False,
) -> None:
    """Try one source: codec, size, frames a second, time to the first frame, a snapshot."""
    from headcount.probe import probe_source

    probe_source(source, transport=transport, timeout_s=timeout, snapshot=snapshot, as_json=as_json)


@app.command(rich_help_panel=SET_UP)
def doctor(
    site: Annotated[
        Path | None, typer.Argument(metavar="[SITE.yaml]", help="Compare with what it asks for.")
    ] = None,
    weights: Annotated[str, typer.Option(metavar="NAME", help="Weights to measure.")] = "tiny",
) -> None:
    """What this machine has, what is missing, and how many frames a second it counts."""
    from headcount.doctor import examine

    examine(site, weights)


@app.command("notify-test", rich_help_panel=SET_UP)
def notify_test(site: SiteFile) -> None:
    """Send one test notice to every channel of a site."""
    from headcount.notify_test import send_test_notices

    send_test_notices(site)


@app.command(rich_help_panel=MODEL)
def count(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures or a video.")],
    weights: Annotated[str, typer.Option(metavar="NAME", help="Shipped name or a file.")] = "tiny",
    steps: Annotated[int | None, typer.Option(min=1, max=500, help="DDIM steps.")] = None,
    max_side: Annotated[
        int | None,
        typer.Option(min=64, help="Longer side of the model's input, pixels; by default its own."),
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.0, help="Of a video: seconds between counted frames; 0 is all.")
    ] = 1.0,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where the model runs.")
    ] = "auto",
    as_json: AsJson = False,
    overlay: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Draw the heads: a picture, or a folder for several."),
    ] = None,
) -> None:
    """Count the people in pictures, or in a video."""
    from headcount.count import count_files

    count_files(
        files,
        weights=weights,
        steps=steps,
        max_side=max_side,
        every_s=every,
        device=device,
        as_json=as_json,
        overlay=overlay,
    )


@app.command(rich_help_panel=LOOK_AFTER)
def backtest(
    site: SiteFile,
    begin: Annotated[
        str,
        typer.Option("--from", metavar="T", help="ISO 8601; without offset in the site's zone."),
    ],
    end: Annotated[str, typer.Option("--to", metavar="T", help="Likewise.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="CAMERA/ZONE.KEY=VALUE", help="Try it: gate-1/all.warning=4.5."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay the history through the levels, or through others: what would have been raised."""
    from headcount.backtest import run_backtest

    run_backtest(site, begin, end, changes=changes or [], as_json=as_json)


@bench.command("chain")
def bench_chain(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video to play as cameras.")],
    cameras: Annotated[int, typer.Option(min=1, max=16, help="How many cameras play it.")] = 1,
    fps: Annotated[float, typer.Option(help="Frames counted per second and camera.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 30.0,
    weights: Annotated[str, typer.Option(metavar="NAME", help="Weights to use.")] = "tiny",
    as_json: AsJson = False,
) -> None:
    """Latency from capture to a readable reading, beside the model's own time."""
    from headcount.bench.chain import bench_chain as measure_chain

    measure_chain(
        video, cameras=cameras, fps=fps, seconds=seconds, weights=weights, as_json=as_json
    )


@bench.command("model")
def bench_model(
    weights: Annotated[str, typer.Option(metavar="NAME", help="Weights to use.")] = "tiny",
    as_json: AsJson = False,
) -> None:
    """The model's time beside the ideal time of its convolutions, and its parts."""
    from headcount.bench.model import bench_model as measure_model

    measure_model(weights, as_json=as_json)


@bench.command("chaos")
def bench_chaos(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to break things.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Another seed, other faults.")] = 1,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write everything that was observed there, as JSON."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Break a running site in every way and check that its numbers stay true; exit 1 if not."""
    from headcount.chaos.run import bench_chaos as break_things

    if not break_things(minutes, seed, as_json=as_json, keep=keep):
        raise typer.Exit(1)


@bench.command("history")
def bench_history(
    cameras: Annotated[int, typer.Option(min=1, max=1000, help="How many cameras.")] = 50,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days of them.")] = 30,
    fps: Annotated[float, typer.Option(min=0.1, max=10, help="Readings a second of each.")] = 1.0,
    url: Annotated[
        str | None,
        typer.Option(help="An empty database to fill; by default a SQLite file, deleted after."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Size of a generated history, and how long its questions take."""
    from headcount.bench.history import bench_history as measure_history

    measure_history(cameras=cameras, days=days, fps=fps, url=url, as_json=as_json)


@app.command(
    "train",
    context_settings=PASSED_ON,
    add_help_option=False,
    rich_help_panel=MODEL,
    short_help="Train the model: headcount train --help.",
)
def train(context: typer.Context) -> None:
    """Train the model."""
    _pass_on("headcount.train", context)


@app.command(
    "evaluate",
    context_settings=PASSED_ON,
    add_help_option=False,
    rich_help_panel=MODEL,
    short_help="Measure weights on a data set: headcount evaluate --help.",
)
def evaluate(context: typer.Context) -> None:
    """Measure weights on a data set."""
    _pass_on("headcount.evaluate", context)


def _pass_on(module: str, context: typer.Context) -> None:
    """Hand the arguments to the Typer app of a module that is loaded only now."""
    command = typer.main.get_command(import_module(module).app)
    name = f"headcount {context.info_name}"
    code = command.main(args=list(context.args), prog_name=name, standalone_mode=False)
    if isinstance(code, int) and code:
        raise typer.Exit(code)


def main() -> None:
    """Run the command line; exits with 0 (fine), 1 (the input is at fault) or 2 (wrong usage)."""
    try:
        app(prog_name="headcount")
    except Exception as error:
        sys.exit(report(error))
