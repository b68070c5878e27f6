"""Open incidents and their changes: each is written with its notices in the owner's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from alerts.notices import Happening, Measured, place
from alerts.outages import WORKER, Outage
from alerts.outbox_rows import change_incident, write_outbox
from alerts.words import Language, say
from core.history_schema import incidents, outbox
from core.settings import CameraSettings, Site, Zone
from crowd.configured import maintenance_of
from crowd.levels import LEVELS, NORMAL, Event, EventKind, rank
from crowd.tracker import ZoneValue

OUTAGE_LEVEL = "warning"  # of camera and worker incidents
UNSEEN = "unseen"  # the camera of an open crowd incident went blind

IncidentKey = tuple[str, str, str]  # kind, camera, zone ("" for none)


@dataclass(frozen=True)
class OpenIncident:
    """An incident that is not cleared."""

    id: int
    level: str
    unit: str
    peak: float
    peak_level: str


class IncidentBook:
    """The open incidents of one shard, kept in step with the database.

    After a transaction that failed the book must be thrown away and loaded anew.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._open: dict[IncidentKey, OpenIncident] = {}
        self._maintenance = {
            camera: maintenance_of(site.alerts.maintenance, camera, site.site.zone)
            for camera in (WORKER, *(camera.id for camera in site.cameras))
        }
        self.notices_written = 0

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def outages(self) -> set[str]:
        """Cameras, and `WORKER`, whose outage is open."""
        return {camera for kind, camera, _ in self._open if kind in ("camera", "worker")}

    def load(self, connection: Connection, cameras: Collection[str], worker: bool) -> None:
        """Read the open incidents of these cameras, and the worker's if ``worker``."""
        rows = connection.execute(select(incidents).where(incidents.c.cleared_at.is_(None)))
        self._open = {}
        for row in rows:
            if row.camera in cameras or (worker and row.kind == "worker"):
                self._open[(row.kind, row.camera or "", row.zone or "")] = OpenIncident(
                    row.id, row.level, row.unit or "", row.peak or 0.0, row.peak_level
                )

    def unit(self, camera: str, zone: str) -> str | None:
        """What a zone's open crowd incident is measured in; None where there is none."""
        known = self._open.get(("crowd", camera, zone))
        return None if known is None else known.unit

    def close_unwatched(
        self, connection: Connection, levels: Mapping[tuple[str, str], str], now_ms: int
    ) -> None:
        """Clear crowd incidents whose zone is no longer configured, or has no levels any more.

        Args:
            levels: (camera, zone) to the level that the zone's rules are at.
        """
        for kind, camera, zone in list(self._open):
            if kind == "crowd" and levels.get((camera, zone), NORMAL) == NORMAL:
                detail = "The zone is no longer watched at these levels."
                self._clear(connection, (kind, camera, zone), now_ms, "no longer watched", detail)

    def crowd_event(
        self,
        connection: Connection,
        camera: CameraSettings,
        zone: Zone,
        event: Event,
        value: ZoneValue,
        now_ms: int,
    ) -> int | None:
        """Write a change of a zone's level, its incident and its notices.

        Returns:
            The incident where it was raised or reached a higher level than ever before: then its
            evidence is kept.
        """
        assert zone.levels is not None
        key = ("crowd", camera.id, zone.id)
        unit = zone.levels.unit
        known = self._open.get(key)
        if event.kind is EventKind.APPROACHING:
            self._approaching(connection, key, unit, event, value, now_ms)
            return None
        if event.kind is EventKind.CLEARED:
            if known is None:
                return None
            incident = known.id
            change = change_incident(connection, incident, cleared_at=event.at_ms)
            del self._open[key]
        elif known is None:
            incident, change = _insert(connection, key, event.level, unit, event.peak, event.at_ms)
        else:
            incident = known.id
            change = change_incident(
                connection,
                known.id,
                level=event.level,
                peak_level=event.peak_level,
                peak=event.peak,
            )
        if event.kind is not EventKind.CLEARED:
            self._open[key] = OpenIncident(
                incident, event.level, unit, event.peak, event.peak_level
            )
        happening = Happening(
            incident,
            change,
            event.kind.value,
            event.level,
            self._place(key),
            event.at_ms,
            unit,
            Measured(event.value, event.low, event.high),
            event.peak,
            event.peak_level,
            people=value.smoothed if unit == "persons/m2" else None,
            detail=_detail(event, value, self._site.site.language),
        )
        level = event.previous if event.kind is EventKind.CLEARED else event.level
        self._tell(connection, key, happening, level, now_ms)
        highest = NORMAL if known is None else known.peak_level
        return incident if rank(event.level) > rank(highest) else None

    def _approaching(
        self,
        connection: Connection,
        key: IncidentKey,
        unit: str,
        event: Event,
        value: ZoneValue,
        now_ms: int,
    ) -> None:
        """Tell that the trend leads to a level; with no incident open, this does not make one."""
        known = self._open.get(key)
        _, camera, zone = key
        happening = Happening(
            None if known is None else known.id,
            1 if known is None else change_incident(connection, known.id),
            event.kind.value,
            event.level,
            self._place(key),
            event.at_ms,
            unit,
            Measured(event.value, event.low, event.high),
            people=value.smoothed if unit == "persons/m2" else None,
            detail=_detail(event, value, self._site.site.language),
            key="" if known else f"trend {camera}/{zone} {event.at_ms}",
        )
        self._tell(connection, key, happening, event.level, now_ms)

    def raise_peak(self, connection: Connection, camera: str, zone: str, peak: float) -> None:
        """Keep an open incident's highest value; no change that anybody is told of."""
        key = ("crowd", camera, zone)
        known = self._open.get(key)
        if known is None or peak <= known.peak:
            return
        connection.execute(update(incidents).where(incidents.c.id == known.id).values(peak=peak))
        self._open[key] = OpenIncident(known.id, known.level, known.unit, peak, known.peak_level)

    def outage(self, connection: Connection, outage: Outage, now_ms: int) -> bool:
        """Write the beginning or the end of an outage; whether there was anything to write."""
        kind = "worker" if outage.camera == WORKER else "camera"
        key = (kind, outage.camera, "")
        if not outage.began:
            return self._clear(connection, key, now_ms, "ok again", "")
        if key not in self._open:
            if self._held_back(outage.camera, now_ms):
                return False  # asked again each second, and raised if it outlasts the maintenance
            incident, change = _insert(connection, key, OUTAGE_LEVEL, "", 0.0, now_ms)
            self._open[key] = OpenIncident(incident, OUTAGE_LEVEL, "", 0.0, OUTAGE_LEVEL)
            happening = Happening(
                incident,
                change,
                EventKind.RAISED.value,
                OUTAGE_LEVEL,
                self._place(key),
                now_ms,
                remark="unknown",
                reason=outage.reason,
                detail=outage.detail,
            )
            self._tell(connection, key, happening, OUTAGE_LEVEL, now_ms)
        self._unseen(connection, outage, now_ms)
        return True

    def _unseen(self, connection: Connection, outage: Outage, now_ms: int) -> None:
        """Tell that open crowd incidents can no longer be seen: they may have got worse."""
        for key, known in list(self._open.items()):
            kind, camera, _ = key
            if kind != "crowd" or outage.camera not in (camera, WORKER):
                continue
            happening = Happening(
                known.id,
                change_incident(connection, known.id),
                UNSEEN,
                known.level,
                self._place(key),
                now_ms,
                known.unit,
                peak=known.peak,
                peak_level=known.peak_level,
                remark="unknown",
                reason=outage.reason,
                detail="The incident is still open, but nobody sees it.",
            )
            self._tell(connection, key, happening, known.level, now_ms)

    def _clear(
        self, connection: Connection, key: IncidentKey, now_ms: int, remark: str, detail: str
    ) -> bool:
        """Clear an incident; False where it is not open."""
        known = self._open.pop(key, None)
        if known is None:
            return False
        happening = Happening(
            known.id,
            change_incident(connection, known.id, cleared_at=now_ms),
            EventKind.CLEARED.value,
            NORMAL,
            self._place(key),
            now_ms,
            remark=remark,
            detail=detail,
        )
        self._tell(connection, key, happening, known.level, now_ms)
        return True

    def _place(self, key: IncidentKey) -> str:
        return place(self._site, *key)

    def _held_back(self, camera: str, at_ms: int) -> bool:
        """Whether somebody works on a camera (or on all, for `WORKER`), so that nobody is told."""
        window = self._maintenance.get(camera)
        return window is not None and window.holds(at_ms)

    def _tell(
        self,
        connection: Connection,
        key: IncidentKey,
        happening: Happening,
        level: str,
        now_ms: int,
    ) -> None:
        """One outbox row per channel that is to hear of it.

        A clear goes to every channel that was to hear of the incident; the sender drops it where
        none of those notices was delivered.
        """
        if happening.event == EventKind.CLEARED:
            heard = set(
                connection.execute(
                    select(outbox.c.channel).where(outbox.c.incident == happening.incident)
                ).scalars()
            )
        else:
            heard = {
                channel.name
                for channel in self._site.alerts.receivers
                if rank(happening.level) >= rank(channel.min_level)
            }
        self.notices_written += write_outbox(
            connection,
            self._site,
            happening,
            key[1:],
            heard,
            level,
            now_ms,
            held_back=self._held_back(key[1], happening.at_ms),
        )


def _detail(event: Event, value: ZoneValue, language: Language) -> str:
    """More for the notice of a level: how long, how sure, how soon, how dense at most."""
    said = [_of_event(event, language)]
    if value.worst is not None and event.kind is not EventKind.CLEARED:
        text = "Densest place: {density} persons/m2."
        said.append(say(text, language, density=f"{value.worst:.1f}"))
    return " ".join(each for each in said if each)


def _of_event(event: Event, language: Language) -> str:
    level = say(event.level, language)
    if event.kind is EventKind.APPROACHING and event.reached_in_s is not None:
        text = "At this rate {level} is reached in {time}."
        return say(text, language, level=level, time=_duration(event.reached_in_s))
    if event.kind is EventKind.CLEARED and event.raised_ms is not None:
        lasted = _duration((event.at_ms - event.raised_ms) / 1000)
        return say("It lasted {time}.", language, time=lasted)
    if event.probable:
        return say("Probable: the upper end of the interval is at {level}.", language, level=level)
    return ""


def _duration(seconds: float) -> str:
    """Such as ``40 s``, ``12 min`` or ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _insert(
    connection: Connection, key: IncidentKey, level: str, unit: str, peak: float, at_ms: int
) -> tuple[int, int]:
    """A new incident's id and change number."""
    assert level in LEVELS
    kind, camera, zone = key
    number = connection.execute(
        insert(incidents)
        .values(
            kind=kind,
            camera=camera,
            zone=zone or None,
            level=level,
            peak_level=level,
            unit=unit,
            peak=peak,
            raised_at=at_ms,
            change=1,
        )
        .returning(incidents.c.id)
    ).scalar_one()
    return int(number), 1
