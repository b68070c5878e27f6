"""``headcount bench chaos``: a small site of its own, broken in every way, and what must hold.

Two cameras of our own (`headcount.rtsp_source`) show a rendered crowd that rises above the level
and falls below it again each minute. The site runs as with ``headcount run``; faults come one
after the other; `headcount.chaos.checks` judges what was observed.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

from core.clock import local_ms
from core.logging import configure_logging
from core.status import freshness_limit_s
from headcount.chaos.checks import Verdict, verdicts
from headcount.chaos.faults import KINDS, Breaker, Target
from headcount.chaos.record import Fault, Record, Rules
from headcount.chaos.scene import CAMERAS, Scenery, scenery
from headcount.chaos.watch import Receiver, Watch, written_notices
from headcount.failures import say
from headcount.ports import free_port
from headcount.rtsp_source import RtspCamera
from headcount.running import dashboard_address
from headcount.site_broker import site_broker
from headcount.site_loading import load
from headcount.supervisor import StopSignals, Supervisor
from headcount.weights import require_weights

WEIGHTS = "tiny"
FPS = 2.0
MAX_SIDE = 320  # pixels; small, so that one core is enough
RAISE_AFTER_S, CLEAR_AFTER_S = 2.0, 4.0
READY_WITHIN_S = 180.0
SETTLE_WITHIN_S = 60.0
USER, PASSWORD = "viewer", "hunter2"


def site_text(cameras: dict[str, RtspCamera], hook: str, level: float) -> str:
    """The site file of a run."""
    levels = {
        "unit": "persons",
        "warning": round(level, 1),
        "raise_after": f"{RAISE_AFTER_S:g}s",
        "clear_after": f"{CLEAR_AFTER_S:g}s",
    }
    site = {
        "site": {"name": "Chaos"},
        "model": {"name": WEIGHTS, "max_side": MAX_SIDE, "steps": 1},
        "history": {"url": "sqlite:///history.db"},
        "dashboard": {"port": free_port()},
        "alerts": {"channels": [{"name": "hook", "url": hook, "cooldown": "0s"}]},
        "cameras": [
            {
                "id": name,
                "source": camera.url,
                "fps": FPS,
                "stall_timeout": "4s",
                "zones": [{"id": "all", "levels": dict(levels)}],
            }
            for name, camera in cameras.items()
        ],
    }
    return yaml.safe_dump(site, sort_keys=False)


@contextmanager
def _cameras(shown: Scenery) -> Iterator[dict[str, RtspCamera]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(RtspCamera(shown.clips[0], user=USER, password=PASSWORD))
            for name in CAMERAS
        }


def run_chaos(
    folder: Path,
    seconds: float,
    seed: int,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    on_fault: Callable[[Fault, float | None], None] = lambda _fault, _took: None,
) -> Record:
    """Run a site in ``folder`` and break it for ``seconds``; returns what was observed.

    Call it in the main thread.

    Raises:
        InputError, BrokerError: the site cannot be started.
    """
    require_weights(WEIGHTS)
    shown = scenery(WEIGHTS, MAX_SIDE)
    spared = frozenset(child.pid for child in psutil.Process().children(recursive=True))
    with ExitStack() as stack:
        cameras = stack.enter_context(_cameras(shown))
        record = Record(Rules(0.0, 0.0, shown.level, RAISE_AFTER_S, CLEAR_AFTER_S))
        receiver = stack.enter_context(Receiver(record))
        path = folder / "site.yaml"
        path.write_text(site_text(cameras, receiver.url, shown.level))
        loaded = load(path)
        camera = loaded.site.cameras[0]
        record.rules = Rules(
            camera.age_limit,
            freshness_limit_s(camera),
            shown.level,
            RAISE_AFTER_S,
            CLEAR_AFTER_S,
        )
        signals = stack.enter_context(StopSignals())
        broker = stack.enter_context(site_broker(loaded.site))
        target = Target(broker.url, cameras, shown.clips, receiver, record, signals.stop, spared)
        breaker = Breaker(target, seed, kinds, on_fault)
        address, database = dashboard_address(loaded.site), loaded.site.history.url
        stack.enter_context(Watch(record, broker.url, address, database, signals.stop))
        thread = threading.Thread(
            target=_break, args=(target, breaker, seconds, database), name="chaos", daemon=True
        )
        thread.start()
        Supervisor(path.resolve(), broker).run(signals)
        thread.join(timeout=30)
    record.written = written_notices(loaded.site.history.url)
    record.left_behind = [
        " ".join(child.cmdline()[:5])
        for child in psutil.Process().children(recursive=True)
        if child.pid not in spared
    ]
    return record


def _break(target: Target, breaker: Breaker, seconds: float, database: str) -> None:
    """Wait until all is well, break things, wait until all is well again, and stop the site."""
    record = target.record
    try:
        begin = Fault("start", "site", local_ms(), local_ms(), READY_WITHIN_S)
        if breaker.wait_until_well(begin, READY_WITHIN_S) is None:
            record.faults.append(begin)  # never well: the checker says so
            return
        breaker.break_until(time.monotonic() + seconds)
        target.receiver.before_answer = None
        breaker.wait_until_well(Fault("end", "site", local_ms(), local_ms(), 0.0))
        deadline = time.monotonic() + SETTLE_WITHIN_S
        while time.monotonic() < deadline and not target.stop.is_set():
            if all(row.sent or row.dropped for row in written_notices(database)):
                break
            target.stop.wait(1.0)
    finally:
        target.stop.set()


def report(record: Record, judged: Sequence[Verdict], seconds: float, seed: int) -> dict[str, Any]:
    """The run as plain data, for ``--json`` and for people."""
    recoveries = record.recoveries_s()
    kinds = Tally(fault.kind for fault in record.faults)
    every = [value for values in recoveries.values() for value in values]
    return {
        "seconds": round(seconds),
        "seed": seed,
        "faults": len(record.faults),
        "holds": all(verdict.holds for verdict in judged),
        "recovery_s": _spread(every),
        "kinds": {
            kind: {"faults": number, **_spread(recoveries.get(kind, []))}
            for kind, number in sorted(kinds.items())
        },
        "invariants": [{**asdict(verdict), "holds": verdict.holds} for verdict in judged],
        "incidents": len(record.final_incidents()),
        "notices": len(record.written),
        "notices_received": len(record.received),
        "readings": len(record.readings),
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p99": None, "max": None}
    shares = {"p50": 50, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, q)), 1) for name, q in shares.items()}


def bench_chaos(minutes: float, seed: int, *, as_json: bool, keep: Path | None = None) -> bool:
    """Run, judge and print; returns whether every invariant holds.

    Args:
        keep: a file to write everything that was observed to, as JSON.

    Raises:
        InputError, BrokerError: the site cannot be started.
    """
    configure_logging("bench")
    say(f"Rendering the scene, then breaking a site for {minutes:g} min with seed {seed} ...")
    folder = Path(tempfile.mkdtemp(prefix="headcount-chaos-"))

    def tell(fault: Fault, took_s: float | None) -> None:
        well = "not well again" if took_s is None else f"well after {took_s:.1f} s"
        say(f"{fault.kind} ({fault.target}): {well}")

    try:
        record = run_chaos(folder, minutes * 60, seed, on_fault=tell)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if keep is not None:
        keep.write_text(json.dumps(asdict(record)))
    result = report(record, verdicts(record), minutes * 60, seed)
    if as_json:
        print(json.dumps(result))
    else:
        print_report(result)
    return bool(result["holds"])


def print_report(result: dict[str, Any]) -> None:
    """The report for people."""
    print(f"{'fault':<36} times  well again after: median, 99 %, at most (s)")
    for kind, row in [*result["kinds"].items(), ("all", result["recovery_s"])]:
        times = row.get("faults", result["faults"])
        figures = "  ".join(
            f"{'-' if row[name] is None else format(row[name], '.1f'):>6}"
            for name in ("p50", "p99", "max")
        )
        print(f"{kind:<36} {times:>5}  {figures}")
    print(
        f"{result['readings']} readings, {result['incidents']} incidents, {result['notices']} "
        f"notices written, {result['notices_received']} received"
    )
    for verdict in result["invariants"]:
        print(f"{'holds ' if verdict['holds'] else 'BROKEN'}  {verdict['name']}")
        for violation in verdict["violations"][:5]:
            print(f"        {violation}")
        if len(verdict["violations"]) > 5:
            print(f"        and {len(verdict['violations']) - 5} more")
