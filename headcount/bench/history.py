"""``headcount bench history``: how large the history of a site gets, and how fast it answers."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from sqlalchemy import Connection, insert, text

from core.history import History, history, raw_values, roll_up, write_raw
from core.history_blocks import RawValue, pack
from core.history_raw import HOUR_MS, MINUTE_MS
from core.history_rows import summed_up
from core.history_schema import hours, minutes, raw_blocks
from core.history_size import history_bytes
from headcount.failures import InputError

DAY_MS = 24 * HOUR_MS
END = 1_795_478_400_000 // DAY_MS * DAY_MS  # the generated time ends here, a midnight UTC
QUERIES = 20
SCENES = 4  # different series; the other cameras see one of them too, which spares minutes
ZONE = "all"


def bench_history(*, cameras: int, days: int, fps: float, url: str | None, as_json: bool) -> None:
    """Generate a history and print its size and the times of its queries.

    Args:
        url: of an empty database to fill; None takes a SQLite file that is deleted afterwards.

    Raises:
        InputError: the database holds something already.
        core.history.HistoryError: it cannot be opened.
    """
    with _database(url) as database:
        began = time.perf_counter()
        readings = _generate(database, cameras, days, fps, quiet=as_json)
        result = {
            "cameras": cameras,
            "days": days,
            "fps": fps,
            "readings": readings,
            "generated_s": round(time.perf_counter() - began, 1),
            **_sizes(database, readings, cameras * days),
            "query_ms": _query_times(database, cameras, days),
            "write_ms": _write_time(database, cameras),
        }
    print(json.dumps(result) if as_json else _table(result))


@contextmanager
def _database(url: str | None) -> Iterator[History]:
    with tempfile.TemporaryDirectory(prefix="headcount-bench-") as folder:
        database = History.open(url or f"sqlite:///{Path(folder) / 'history.db'}")
        try:
            with database.snapshot() as connection:
                if connection.execute(text("SELECT 1 FROM minutes LIMIT 1")).first():
                    raise InputError("the database holds a history already; name an empty one")
            yield database
        finally:
            database.close()


def _generate(database: History, cameras: int, days: int, fps: float, *, quiet: bool) -> int:
    """Hour after hour of all cameras, in the order in which they would be written."""
    chance = np.random.default_rng(7)
    readings = 0
    starts = range(END - days * DAY_MS, END, HOUR_MS)
    for start in track(starts, description="Generating", disable=quiet, transient=True):
        blocks, sums, hourly = [], [], []
        scenes = [_an_hour(chance, number, start, fps) for number in range(min(SCENES, cameras))]
        size = len(scenes[0]) // 60
        readings += size * 60 * cameras
        for minute in range(60):
            inside = [scene[minute * size : (minute + 1) * size] for scene in scenes]
            data, summed = [pack(values) for values in inside], list(map(summed_up, inside))
            for camera in range(cameras):
                place = {**_place(camera), "at": start + minute * MINUTE_MS}
                scene = camera % len(scenes)
                blocks.append({**place, "readings": size, "data": data[scene]})
                sums.append({**place, **summed[scene], "unknown_share": 0.0})
        for camera in range(cameras):
            whole = summed_up(scenes[camera % len(scenes)])
            hourly.append({**_place(camera), "at": start, **whole, "unknown_share": 0.0})
        with database.transaction() as connection:
            connection.execute(insert(raw_blocks), blocks)
            connection.execute(insert(minutes), sums)
            connection.execute(insert(hours), hourly)
    return readings


def _place(camera: int) -> dict[str, Any]:
    return {"camera": f"camera-{camera:03}", "zone": ZONE}


def _an_hour(chance: np.random.Generator, camera: int, start: int, fps: float) -> list[RawValue]:
    """Counts that rise and fall with the day and waver as a model's do, with uneven times."""
    number = 60 * max(1, round(60 * fps))
    at = start + (np.arange(number) * HOUR_MS / number + chance.uniform(0, 40, number)).astype(int)
    busy = 60 + 50 * np.sin((at % DAY_MS) / DAY_MS * 2 * np.pi + camera)
    count = np.maximum(0, busy + chance.normal(0, 3, number)).round(3)
    smoothed = (count + chance.normal(0, 1, number)).clip(0).round(3)
    low, high = (count * 0.8).round(3), (count * 1.25).round(3)
    density = (smoothed / 40).round(3)
    seq = at[0] + np.arange(number)
    columns = (at, seq, count, low, high, smoothed, density)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [RawValue._make((*row, None, "normal")) for row in rows]


def _sizes(database: History, readings: int, camera_days: int) -> dict[str, Any]:
    with database.snapshot() as connection:
        size = history_bytes(connection)
    return {
        "bytes": size,
        "bytes_per_reading": round(size / max(readings, 1), 2),
        "bytes_per_camera_and_day": round(size / camera_days),
    }


def _query_times(database: History, cameras: int, days: int) -> dict[str, Any]:
    """Milliseconds of questions that a chart asks, each of another camera."""
    day = min(days, 1) * DAY_MS
    questions = {
        "24 h by minute": (day, "1m"),
        "24 h by second": (day, "1s"),
        "all by hour": (days * DAY_MS, "1h"),
        "all by day": (days * DAY_MS, "1d"),
    }
    times: dict[str, Any] = {}
    for name, (span, step) in questions.items():
        end = END - (days * DAY_MS - span) // 2 // HOUR_MS * HOUR_MS
        taken = []
        for number in range(QUERIES):
            camera = _place(number % cameras)["camera"]
            with database.snapshot() as connection:
                began = time.perf_counter()
                rows = history(connection, camera, ZONE, end - span, end, step)
                taken.append(1000 * (time.perf_counter() - began))
            assert rows[0]["count_mean"] is not None
        times[name] = _spread(taken)
    with database.snapshot() as connection:
        camera = _place(0)["camera"]
        began = time.perf_counter()
        number = sum(1 for _ in raw_values(connection, camera, ZONE, END - day, END))
        taken_ms = round(1000 * (time.perf_counter() - began), 1)
    times["24 h, every value"] = {"values": number, "median": taken_ms, "max": taken_ms}
    return times


def _write_time(database: History, cameras: int) -> dict[str, Any]:
    """Milliseconds to write a reading of each camera, and to sum up and pack their minute."""
    write, sum_up = [], []
    for minute in range(3):
        start = END + minute * MINUTE_MS
        for second in range(0, 60, 3):
            rows = [_live_row(camera, start + 1000 * second) for camera in range(cameras)]
            write.append(
                _timed(database, lambda connection, rows=rows: write_raw(connection, rows))
            )

        def finish(connection: Connection, start: int = start) -> None:
            for camera in range(cameras):
                roll_up(connection, _place(camera)["camera"], ZONE, start, unknown_s=0)

        sum_up.append(_timed(database, finish))
    return {"one reading each": _spread(write), "their minute": _spread(sum_up)}


def _live_row(camera: int, at: int) -> dict[str, Any]:
    value = RawValue(at, at, 50.0, 40.0, 60.0, 50.0, 1.25, None, "normal")
    return {**_place(camera), **value._asdict()}


def _timed(database: History, work: Any) -> float:
    began = time.perf_counter()
    with database.transaction() as connection:
        work(connection)
    return 1000 * (time.perf_counter() - began)


def _spread(taken: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(taken), 1), "max": round(max(taken), 1)}


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"{result['days']} days of {result['cameras']} cameras at {result['fps']:g} frames/s: "
        f"{result['readings']:,} readings, generated in {result['generated_s']:g} s",
        f"size  {result['bytes'] / 1e6:,.0f} MB with the sums by minute and hour: "
        f"{result['bytes_per_camera_and_day'] / 1e6:.2f} MB a camera and day, "
        f"{result['bytes_per_reading']:g} bytes a reading",
    ]
    for kind in ("query_ms", "write_ms"):
        for name, spread in result[kind].items():
            lines.append(
                f"{kind[:5]} {name:18} median {spread['median']:g} ms, at most {spread['max']:g} ms"
            )
    return "\n".join(lines)
