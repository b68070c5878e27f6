"""When a blind camera, or the lack of a worker, is an incident of its own. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.messages import Reason
from core.status import Status

RAISE_AFTER_S = 30.0  # unknown for so long
CLEAR_AFTER_S = 5.0  # ok again for so long
START_GRACE_S = 120.0  # for what has never been ok since the service started: models take time
WORKER = ""  # the key of the worker's outage among those of cameras
CALM_REASONS = {
    Reason.ENDED,
    Reason.NO_BROKER,
}  # the end of a file; and when we are blind ourselves


@dataclass(frozen=True)
class Outage:
    """An outage begins or ends."""

    camera: str  # `WORKER` for the worker's
    began: bool
    reason: str  # of the status, or "" at the end
    detail: str


@dataclass
class _Watch:
    seen_ok: bool = False
    unknown_since: int | None = None
    ok_since: int | None = None


@dataclass
class OutageRules:
    """Follows the statuses of a shard's cameras.

    A missing worker makes every camera unknown; that is one outage of the worker, not one per
    camera.

    Args:
        started_ms: when the service started, ms UTC.
        open: cameras (and `WORKER`) whose outage is already an open incident.
    """

    started_ms: int
    open: set[str] = field(default_factory=set)
    _watches: dict[str, _Watch] = field(default_factory=dict)

    def step(self, now_ms: int, statuses: Mapping[str, Status], worker: bool) -> list[Outage]:
        """What changed at ``now_ms``.

        Args:
            statuses: of every camera of the shard.
            worker: also watch for the lack of a worker.
        """
        changes = []
        for camera, status in statuses.items():
            if status.reason in CALM_REASONS:
                self._watches.pop(camera, None)
                continue
            # Without a worker nothing is known of the camera itself: neither raise nor clear.
            if status.reason is Reason.NO_WORKER:
                continue
            changes += self._watch(now_ms, camera, status.ok, status.reason or "", status.detail)
        if worker and not all(status.reason in CALM_REASONS for status in statuses.values()):
            missing = any(status.reason is Reason.NO_WORKER for status in statuses.values())
            detail = "no worker counts the cameras' frames"
            changes += self._watch(now_ms, WORKER, not missing, Reason.NO_WORKER, detail)
        return changes

    def _watch(self, now_ms: int, key: str, ok: bool, reason: str, detail: str) -> list[Outage]:
        watch = self._watches.setdefault(key, _Watch())
        if ok:
            watch.seen_ok, watch.unknown_since = True, None
            watch.ok_since = now_ms if watch.ok_since is None else watch.ok_since
            if key in self.open and now_ms - watch.ok_since >= CLEAR_AFTER_S * 1000:
                return [Outage(key, False, "", "")]
            return []
        watch.ok_since = None
        watch.unknown_since = now_ms if watch.unknown_since is None else watch.unknown_since
        waited = now_ms - watch.unknown_since >= RAISE_AFTER_S * 1000
        starting = not watch.seen_ok and now_ms - self.started_ms < START_GRACE_S * 1000
        if key in self.open or not waited or starting:
            return []
        return [Outage(key, True, str(reason), detail)]
