"""``headcount doctor``: what this machine has, what is missing, how fast it counts."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import psutil
import typer

from core.broker import BrokerError, find_server
from headcount.failures import INPUT_AT_FAULT, say
from headcount.site_loading import load
from models.shipped import known_weights, weights_path


def _line(what: str, found: str) -> None:
    print(f"{what:<16} {found}")


def _show_machine() -> None:
    _line("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    _line("Python", platform.python_version())
    cores = len(os.sched_getaffinity(0))
    _line("cores", f"{cores} ({psutil.cpu_count() or cores} in the machine)")
    memory = psutil.virtual_memory()
    _line("memory", f"{memory.total / 2**30:.1f} GB, {memory.available / 2**30:.1f} GB free")
    disk = shutil.disk_usage(Path.cwd())
    _line("disk here", f"{disk.free / 2**30:.1f} GB free")


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        built = "this PyTorch is built without CUDA" if torch.version.cuda is None else "none found"
        return f"none ({built})"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(names)


def _show_libraries() -> None:
    import av
    import torch

    _line("PyTorch", torch.__version__)
    _line("GPU", _gpu())
    major, minor, _ = av.library_versions["libavformat"]
    _line("video", f"PyAV {av.__version__} with libavformat {major}.{minor}")


def _show_broker() -> bool:
    try:
        server = find_server()
    except BrokerError as error:
        _line("broker", f"MISSING: {error}")
        return False
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = next((part[2:] for part in answer.stdout.split() if part.startswith("v=")), "?")
    _line("broker", f"Redis {version}, {server}")
    return True


def _show_speed(weights: str, site_path: Path | None) -> bool:
    """The model's speed at several sizes and, with a site, what it asks for."""
    path = weights_path(weights)
    if not path.is_file():
        known = ", ".join(known_weights()) or "none"
        _line("weights", f"MISSING: {path} (there are: {known})")
        return False
    from core.settings import ModelSettings
    from inference.capacity import Capacity, measure_sides
    from models.counter import Counter

    site = load(site_path).site if site_path else None
    model = site.model if site else ModelSettings(name=weights)
    counter = Counter.load(model.name, device=model.device)
    steps = model.steps or counter.default_steps
    _line(
        "weights",
        f"{counter.name}, {counter.parameters / 1e6:.2f} M parameters, hash "
        f"{counter.weights_hash}, on {counter.device}",
    )
    table = measure_sides(counter, steps=model.steps, samples=model.samples)
    for side, ms in table.items():
        _line(f"  {side} px", f"{ms:.0f} ms a frame, {1000 / ms:.1f} frames/s ({steps} steps)")
    if site is None:
        return True
    fixed = model.max_side if isinstance(model.max_side, int) else None
    capacity = Capacity(table, site.frames_per_second, fixed)
    _line(
        "capacity",
        f"this machine counts {capacity.capacity_fps:.1f} frames/s with max_side "
        f"{capacity.max_side}; the site asks for {site.frames_per_second:g}",
    )
    if capacity.capacity_fps < site.frames_per_second:
        say("Too slow for this site: lower fps or model.steps, or add workers.")
    return True


def examine(site_path: Path | None, weights: str) -> None:
    """Print what is found; exit 1 if something that Headcount needs is missing."""
    if site_path is not None:
        weights = load(site_path).site.model.name
    _show_machine()
    _show_libraries()
    fine = [_show_broker(), _show_speed(weights, site_path)]
    if not all(fine):
        say("Something that Headcount needs is missing; see above.")
        raise typer.Exit(INPUT_AT_FAULT)
