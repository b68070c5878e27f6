"""The loop of one shard: readings in; values, incidents and notices out, in one transaction.

Order of things for a batch of readings: evaluate, write everything in one transaction that also
proves the ownership, then acknowledge. Whatever fails in between, the loop forgets what it had in
memory, loads the last committed state and begins again with what was never acknowledged; readings
that had been committed after all are recognised by their time.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from alerts.evaluation import CameraZones, ZoneResult
from alerts.evidence import Occasion
from alerts.housekeeping import Housekeeping
from alerts.incidents import IncidentBook
from alerts.outages import OutageRules
from alerts.ownership import Lease, LeaseLost
from alerts.reading_stream import ReadingStream
from core.heartbeat import HeartbeatSender
from core.history import History, write_raw
from core.history_raw import HOUR_MS
from core.history_replay import newest_snapshots, write_snapshot
from core.history_rows import put_row
from core.history_schema import zone_states
from core.live import LiveView
from core.messages import Keys, Reading, Reason
from core.settings import Site
from crowd.levels import NORMAL

BATCH = 200  # readings per transaction under load
BLOCK_MS = 500
TICK_S = 1.0
STANDBY_S = 0.5
LONGEST_PAUSE_S = 5.0
UNUSABLE = (Reason.FROZEN, Reason.COVERED, Reason.MOVED)  # pictures come, but show nothing

log = structlog.get_logger()


class ShardLoop:
    """Evaluates the readings of one shard while this process owns it, else stands by.

    Args:
        view: of the broker, for the cameras' statuses.
        owner: this process (`alerts.ownership.process_identity`).
        on_notice: called after a transaction that wrote notices.
        keep_evidence: called after a transaction in which an incident was raised, or reached a
            higher level than ever before.
    """

    def __init__(
        self,
        shard: int,
        site: Site,
        url: str,
        history: History,
        view: LiveView,
        owner: str,
        heartbeat: HeartbeatSender,
        on_notice: Callable[[], None],
        keep_evidence: Callable[[Occasion], None],
    ) -> None:
        keys = Keys(site.broker.shards)
        self.shard = shard
        self.passed_at: float | None = None  # monotonic, of the last pass as owner
        self.open_incidents = 0
        self._site, self._history, self._view = site, history, view
        self._heartbeat, self._on_notice = heartbeat, on_notice
        self._keep_evidence = keep_evidence
        self._cameras = {
            camera.id: camera for camera in site.cameras if keys.shard(camera.id) == shard
        }
        self._watches_worker = shard == min(keys.shard(camera.id) for camera in site.cameras)
        self._started_ms = view.clock.now_ms()
        self._lease = Lease(shard, owner)
        self._stream = ReadingStream(url, keys, shard)
        self._housekeeping = Housekeeping(
            self._cameras.values(), site.history.keep, prunes=self._watches_worker
        )
        self._loaded = False
        self._next_tick = 0.0
        self._zones: dict[str, CameraZones] = {}
        self._snapshots: dict[tuple[str, str], int] = {}  # (camera, zone) to the last one's time
        self._in_doubt: list[Occasion] = []  # of a transaction that failed, committed or not
        self._faults: dict[str, str] = {}
        self._maintained: set[str] = set()
        self._book = IncidentBook(site)
        self._outages = OutageRules(self._started_ms)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; survives the loss of the broker and of the database."""
        failures = 0
        while not stop.is_set():
            self._heartbeat.progress(f"shard {self.shard}")
            try:
                if self._loaded or self._take_over():
                    self._pass(stop)
                    failures = 0
                else:
                    stop.wait(STANDBY_S)
            except LeaseLost as lost:
                log.warning("standing by", shard=self.shard, why=str(lost))
                self._forget()
                self._in_doubt = []
            except SQLAlchemyError as error:
                failures += 1
                log.warning("history not written, trying again", error=str(error))
                self._forget()
                stop.wait(min(LONGEST_PAUSE_S, 0.2 * 2**failures))
        self._close()

    def _forget(self) -> None:
        self._loaded = False
        self.passed_at = None

    def _take_over(self) -> bool:
        """Become, or prove to be, the owner, and load the last committed state."""
        now = self._view.clock.now_ms()
        written = self._book.notices_written
        with self._history.transaction() as connection:
            if self._lease.epoch is not None:
                self._lease.renew(connection, now)
            elif not self._lease.acquire(connection, now):
                return False
            self._load(connection, now)
        for occasion in self._in_doubt:
            if self._zones[occasion.reading.camera].has_passed(occasion.reading):
                self._keep_evidence(occasion)
        self._in_doubt = []
        self._after_commit(written)
        self._stream.rewind()
        self._loaded = True
        log.info(
            "watching", shard=self.shard, epoch=self._lease.epoch, incidents=self._book.open_count
        )
        return True

    def _load(self, connection: Connection, now: int) -> None:
        self._zones = {
            camera.id: CameraZones(camera, self._site) for camera in self._cameras.values()
        }
        self._snapshots = newest_snapshots(connection)
        levels = {}
        self._book.load(connection, self._cameras, self._watches_worker)
        for row in connection.execute(select(zone_states)):
            camera = self._cameras.get(row.camera)
            zones = {zone.id: zone for zone in camera.zones} if camera else {}
            if row.zone not in zones:
                continue
            state = json.loads(row.state_json)
            rules = zones[row.zone].levels
            unit = self._book.unit(row.camera, row.zone)
            if rules is not None and unit in (None, rules.unit):
                levels[(row.camera, row.zone)] = row.level
            elif rules is not None:  # its level and peak are in another unit than the levels now
                state["rules"] = None
            self._zones[row.camera].restore(row.zone, row.at, row.seq, state)
        self._book.close_unwatched(connection, levels, now)
        self._outages = OutageRules(self._started_ms, self._book.outages)
        self._housekeeping.find_open(connection)

    def _pass(self, stop: threading.Event) -> None:
        try:
            entries = self._stream.read(BATCH, BLOCK_MS)
        except (redis.RedisError, OSError) as error:
            if self.passed_at is not None:
                log.warning("readings cannot be read", shard=self.shard, error=str(error))
            self.passed_at = None
            entries = []
            stop.wait(TICK_S)
        else:
            self.passed_at = time.monotonic()
        if entries:
            self._process([reading for _, reading in entries if reading is not None])
            try:
                self._stream.acknowledge([entry_id for entry_id, _ in entries])
            except (redis.RedisError, OSError) as error:
                log.warning("readings not acknowledged", shard=self.shard, error=str(error))
                self._stream.rewind()
        if time.monotonic() >= self._next_tick:
            self._tick()
            self._next_tick = time.monotonic() + TICK_S

    def _process(self, readings: list[Reading]) -> None:
        """Evaluate a batch and write it."""
        now = self._view.clock.now_ms()
        raw: list[dict[str, Any]] = []
        newest: dict[tuple[str, str], tuple[dict[str, Any], ZoneResult]] = {}
        occasions = self._in_doubt = []
        written = self._book.notices_written
        evaluated = 0
        with self._history.transaction() as connection:
            self._lease.renew(connection, now)
            for reading in readings:
                results = self._evaluate(reading, now)
                evaluated += bool(results)
                for result in results:
                    row = _row(reading, result)
                    raw.append(row)
                    newest[(reading.camera, result.zone.id)] = (row, result)
                    self._keep_snapshot(connection, reading, result)
                    for event in result.events:
                        incident = self._book.crowd_event(
                            connection,
                            self._cameras[reading.camera],
                            result.zone,
                            event,
                            result.value,
                            now,
                        )
                        if incident is not None:
                            occasions.append(Occasion(incident, result.zone, event, reading))
                    if result.value.level != NORMAL:
                        self._book.raise_peak(
                            connection, reading.camera, result.zone.id, result.peak
                        )
            if raw:
                write_raw(connection, raw)
                _write_states(connection, newest)
        self._in_doubt = []
        for occasion in occasions:
            self._keep_evidence(occasion)
        for row in raw:
            self._housekeeping.touch(row["camera"], row["at"])
        self._heartbeat.count("readings_processed_total", evaluated)
        self._after_commit(written)
        self._report_faults()

    def _evaluate(self, reading: Reading, now: int) -> list[ZoneResult]:
        """What a reading says of its camera's zones; nothing where its picture cannot be used."""
        zones = self._zones.get(reading.camera)
        if zones is None:
            return []
        said = self._view.state(reading.camera)
        if said is not None and said.reason in UNUSABLE and reading.captured_at >= said.since:
            zones.skip(reading)
            return []
        return zones.evaluate(reading, now)

    def _keep_snapshot(self, connection: Connection, reading: Reading, result: ZoneResult) -> None:
        """Once an hour in event time, and where a scene begins: replays start from there."""
        key, at = (reading.camera, result.zone.id), reading.captured_at
        last = self._snapshots.get(key)
        if last is None or result.new_scene or last // HOUR_MS != at // HOUR_MS:
            write_snapshot(connection, *key, at, result.state, result.new_scene)
            self._snapshots[key] = at

    def _say_maintenance(self, now: int) -> None:
        """Which cameras are worked on, on the System page and in the log."""
        for camera, zones in self._zones.items():
            held = zones.maintenance is not None and zones.maintenance.holds(now)
            if held != (camera in self._maintained):
                self._maintained ^= {camera}
                self._heartbeat.fact(f"maintenance {camera}", "nothing is raised" if held else "")
                log.info("maintenance", camera=camera, began=held)

    def _tick(self) -> None:
        """Once a second: keep the lease, judge outages, sum up minutes."""
        now = self._view.clock.now_ms()
        written = self._book.notices_written
        statuses = {camera: self._view.status(camera) for camera in self._cameras}
        changes = self._outages.step(now, statuses, self._watches_worker)
        self._housekeeping.look([camera for camera, each in statuses.items() if not each.ok], now)
        due = self._housekeeping.due(now)
        with self._history.transaction() as connection:
            self._lease.renew(connection, now)
            for outage in changes:
                if self._book.outage(connection, outage, now):
                    why, began = outage.reason, outage.began
                    log.info("outage", camera=outage.camera, began=began, reason=why)
            self._housekeeping.sum_up(connection, due)
            self._housekeeping.prune(connection, now)
        self._housekeeping.settle(due, now)
        self._outages.open = self._book.outages
        self._say_maintenance(now)
        self._after_commit(written)

    def _after_commit(self, notices_before: int) -> None:
        self.open_incidents = self._book.open_count
        if self._book.notices_written != notices_before:
            self._on_notice()

    def _report_faults(self) -> None:
        """Say once what is wrong with a calibration, and keep saying it on the System page."""
        faults = {
            f"{camera}/{zone}": why
            for camera, zones in self._zones.items()
            for zone, why in zones.faults.items()
        }
        for place, why in faults.items():
            if self._faults.get(place) != why:
                log.error("zone cannot be evaluated", zone=place, why=why)
                self._heartbeat.fact(f"fault {place}", why)
        for place in self._faults.keys() - faults.keys():
            self._heartbeat.fact(f"fault {place}", "")
        self._faults = faults

    def _close(self) -> None:
        self._heartbeat.loop_ended(f"shard {self.shard}")
        try:
            with self._history.transaction() as connection:
                self._lease.release(connection)
        except SQLAlchemyError as error:
            log.warning("lease not released", shard=self.shard, error=str(error))
        self._stream.close()


def _row(reading: Reading, result: ZoneResult) -> dict[str, Any]:
    value = result.value
    return {
        "camera": reading.camera,
        "zone": result.zone.id,
        "at": value.at_ms,
        "seq": reading.seq,
        "count": value.count,
        "low": value.low,
        "high": value.high,
        "smoothed": value.compared,
        "density": value.density,
        "worst": value.worst,
        "level": value.level,
    }


def _write_states(
    connection: Connection,
    newest: Mapping[tuple[str, str], tuple[dict[str, Any], ZoneResult]],
) -> None:
    """Replace the current values of the zones of a batch."""
    for row, result in newest.values():
        put_row(connection, zone_states, row | {"state_json": json.dumps(result.state)})
