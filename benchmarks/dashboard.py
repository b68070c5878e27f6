"""How much memory the dashboard takes while people look at it: a line per minute, then the trend.

python -m benchmarks.dashboard --minutes 60 --viewers 8 --clips FOLDER_OF_THE_DEMO

Each viewer does what the wall does in a browser: it holds the event stream and fetches each
new picture, at most four at a time; every minute it also opens a page, as people do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import websockets

from tests.dashboard.staging import staged_dashboard

FETCHES_AT_ONCE = 4
VISIT_EVERY_S = 60.0
SETTLING_MINUTES = 3  # caches and pools fill; not part of the trend
RERUN = bytes.fromhex("5a00")  # Streamlit's BackMsg with an empty rerun_script: "make the page"


@dataclass
class Seen:
    """What all viewers together received."""

    events: int = 0
    pictures: int = 0
    visits: int = 0
    failures: int = 0
    last: list[str] = field(default_factory=list)

    def fail(self, error: Exception) -> None:
        self.failures += 1
        self.last = [f"{type(error).__name__}: {error}"]


async def look(address: str, seen: Seen) -> None:
    """One viewer of the wall, until it is cancelled."""
    limit = asyncio.Semaphore(FETCHES_AT_ONCE)
    busy: set[str] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def fetch(camera: str, seq: int) -> None:
        try:
            async with limit:
                answer = await http.get(f"/live/{camera}.jpg?seq={seq}&overlay=heads,map")
            answer.raise_for_status()
            seen.pictures += 1
        except httpx.HTTPError as error:
            seen.fail(error)
        finally:
            busy.discard(camera)

    async with (
        httpx.AsyncClient(base_url=address, timeout=15) as http,
        http.stream("GET", "/api/v1/events", timeout=None) as events,
    ):
        async for line in events.aiter_lines():
            if not line.startswith("data: "):
                continue
            seen.events += 1
            for camera in json.loads(line[6:])["cameras"]:
                if camera["picture_seq"] is not None and camera["id"] not in busy:
                    busy.add(camera["id"])
                    task = asyncio.create_task(fetch(camera["id"], camera["picture_seq"]))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)


async def visit(address: str, seen: Seen) -> None:
    """Opens a Streamlit page now and then: a session begins, runs its script, and ends."""
    url = address.replace("http", "ws", 1) + "/_stcore/stream"
    while True:
        try:
            async with websockets.connect(url, origin=address, max_size=None) as socket:  # type: ignore[arg-type]
                await socket.send(RERUN)
                async with asyncio.timeout(10):
                    while len(await socket.recv()) < 1000:
                        pass  # until the page's own elements come
                seen.visits += 1
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            seen.fail(error)
        await asyncio.sleep(VISIT_EVERY_S)


async def watch(address: str, process: psutil.Process, options: argparse.Namespace) -> list[float]:
    """Memory of the process each minute, MB, while the viewers look."""
    seen, sizes = Seen(), []
    viewers = [asyncio.create_task(look(address, seen)) for _ in range(options.viewers)]
    viewers += [asyncio.create_task(visit(address, seen)) for _ in range(options.viewers)]
    started = time.monotonic()
    for minute in range(options.minutes + 1):
        await asyncio.sleep(max(0.0, started + 60 * minute - time.monotonic()))
        sizes.append(process.memory_info().rss / 1e6)
        print(
            f"{minute:3d} min  {sizes[-1]:7.1f} MB  {seen.events:7d} events  "
            f"{seen.pictures:7d} pictures  {seen.visits:4d} pages  {seen.failures} failures "
            f"{' '.join(seen.last)}",
            flush=True,
        )
        ended = next((task for task in viewers if task.done()), None)
        if ended is not None:
            await ended  # raises what ended it
    for task in viewers:
        task.cancel()
    return sizes


def trend(sizes: list[float]) -> float:
    """Growth by least squares, MB an hour, after the first minutes."""
    points = list(enumerate(sizes))[SETTLING_MINUTES:]
    middle = sum(minute for minute, _ in points) / len(points)
    mean = sum(size for _, size in points) / len(points)
    across = sum((minute - middle) ** 2 for minute, _ in points)
    return 60 * sum((minute - middle) * (size - mean) for minute, size in points) / across


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--viewers", type=int, default=8)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--clips", type=Path, required=True, help="folder of the demo's clips")
    options = parser.parse_args()
    if options.minutes < SETTLING_MINUTES + 2:
        parser.error(f"--minutes must be at least {SETTLING_MINUTES + 2} to see a trend")
    with staged_dashboard("en", options.cameras, options.clips) as (address, process):
        sizes = asyncio.run(watch(address, psutil.Process(process.pid), options))
    print(f"Trend after {SETTLING_MINUTES} minutes: {trend(sizes):+.1f} MB an hour")


if __name__ == "__main__":
    main()
