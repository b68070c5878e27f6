"""Which notices leave, when, and which are dropped: a real database, a clock that a test moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from alerts.incidents import IncidentBook
from alerts.notices import Notice
from alerts.outages import WORKER, Outage
from alerts.outbox import Outbox, Send
from alerts.ownership import LeaseLost
from alerts.reminders import write_reminders
from core import history_incidents
from core.history import History
from core.history_schema import incidents, outbox, zone_states
from core.settings import Channel, Site
from crowd.levels import Event, EventKind
from crowd.tracker import ZoneValue
from tests.waiting import wait_until

MINUTE = 60_000


class Clock:
    """Time as the test sets it."""

    def __init__(self) -> None:
        self.now = 1_795_519_431_000

    def now_ms(self) -> int:
        return self.now


class Tally:
    """Stands where the heartbeat is: counts what would be sent with it."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def count(self, name: str, amount: float = 1.0) -> None:
        self.counts[name] = self.counts.get(name, 0.0) + amount

    def progress(self, loop: str) -> None:
        """Nobody watches the loop here."""

    def loop_ended(self, loop: str) -> None:
        """Nor waits for it."""


class Desk:
    """A site with two channels, its incidents, and a receiver per channel that can be down."""

    def __init__(self, history: History) -> None:
        self.site = Site.model_validate(
            {
                "cameras": [
                    {
                        "id": "gate",
                        "source": "x.mp4",
                        "zones": [
                            {"id": "all", "levels": {"unit": "persons", "watch": 20}},
                            {"id": "door", "levels": {"unit": "persons", "watch": 20}},
                        ],
                    }
                ],
                "alerts": {
                    "reminder": {"after": "20m", "at_most": 3, "channel": "chief"},
                    "channels": [
                        {"name": "room", "url": "json://room", "min_level": "warning"},
                        {
                            "name": "chief",
                            "url": "json://chief",
                            "min_level": "critical",
                            "cooldown": "2h",
                        },
                    ],
                },
            }
        )
        self.history = history
        self.clock = Clock()
        self.tally = Tally()
        self.down: set[str] = set()
        self.delivered: list[tuple[str, str]] = []
        self.keys: list[str] = []
        self.pictures: list[Path | None] = []
        self.book = IncidentBook(self.site)
        self.sender = self.new_sender()

    def new_sender(self, send: Send | None = None, owner: str = "elsewhere/1/1") -> Outbox:
        return Outbox(
            self.history,
            self.site.alerts.channels,
            self.clock,  # type: ignore[arg-type]
            owner,
            self.tally,  # type: ignore[arg-type]
            send or self.receive,
            lambda incident, camera: Path(f"/{incident}/{camera}.jpg"),
            lambda connection, now: write_reminders(connection, self.site, now),
        )

    def receive(self, to: Channel, notice: Notice, picture: Path | None) -> str | None:
        channel = to.name
        if channel in self.down:
            return "connection refused"
        self.pictures.append(picture)
        self.delivered.append((channel, notice.title.rpartition(", ")[2] + " " + notice.level))
        self.keys.append(notice.key)
        return None

    def event(self, kind: str, level: str, previous: str, zone: str = "all") -> None:
        camera = self.site.cameras[0]
        settings = next(each for each in camera.zones if each.id == zone)
        event = Event(
            EventKind(kind), self.clock.now, level, previous, 50.0, 45.0, 55.0, 60.0, "critical"
        )
        value = ZoneValue(self.clock.now, 50.0, 45.0, 55.0, 50.0, None, None, 50.0, level)
        with self.history.transaction() as connection:
            self.book.crowd_event(connection, camera, settings, event, value, self.clock.now)

    def outage(self, outage: Outage) -> None:
        with self.history.transaction() as connection:
            self.book.outage(connection, outage, self.clock.now)

    def pass_time(self, seconds: float) -> None:
        """Let time go by, with the sender looking each ten seconds."""
        for _ in range(round(seconds / 10)):
            self.clock.now += 10_000
            self.sender.send_due()

    def rows(self, table: Any) -> list[Any]:
        with self.history.transaction() as connection:
            return list(connection.execute(select(table)).all())

    @property
    def reasons(self) -> list[str]:
        return [row.error for row in self.rows(outbox) if row.dropped_at is not None]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    yield Desk(history)
    history.close()


def test_a_channel_hears_from_its_own_level_on_and_of_the_clear(desk: Desk) -> None:
    desk.event("raised", "watch", "normal")
    desk.event("escalated", "warning", "watch")
    desk.event("escalated", "critical", "warning")
    desk.event("eased", "watch", "critical")
    desk.event("cleared", "normal", "watch")
    desk.sender.send_due()
    assert desk.delivered == [
        ("room", "escalated warning"),
        ("room", "escalated critical"),
        ("chief", "escalated critical"),
        ("room", "cleared normal"),
        ("chief", "cleared normal"),
    ]
    assert desk.keys[0] == "incident 1 change 2"
    assert desk.tally.counts == {"notifications_sent_total": 5}


def test_a_channel_that_heard_of_nothing_gets_no_clear(desk: Desk) -> None:
    desk.event("raised", "watch", "normal")
    desk.event("cleared", "normal", "watch")
    assert desk.sender.send_due() == 0
    assert desk.rows(outbox) == []


def test_a_failed_delivery_is_tried_again_with_growing_pauses_and_the_others_go_on(
    desk: Desk,
) -> None:
    desk.down = {"room"}
    desk.event("raised", "critical", "normal")
    desk.sender.send_due()
    assert desk.delivered == [("chief", "raised critical")]
    attempts = []
    for _ in range(300):
        desk.clock.now += 1000
        desk.sender.send_due()
        attempts.append(desk.rows(outbox)[0].attempts)
    assert 8 <= attempts[-1] <= 14
    assert desk.rows(outbox)[0].error == "connection refused"
    desk.down = set()
    desk.pass_time(60)
    assert desk.delivered[1:] == [("room", "raised critical")]
    assert desk.rows(outbox)[0].error is None


def test_a_channel_that_fails_rests_for_all_its_notices(desk: Desk) -> None:
    tried: list[str] = []

    def refuse(to: Channel, notice: Notice, picture: Path | None) -> str | None:
        tried.append(notice.key)
        return "connection refused"

    desk.event("raised", "warning", "normal")
    desk.event("raised", "warning", "normal", zone="door")
    desk.new_sender(refuse).send_due()
    assert tried == ["incident 1 change 1"]  # a dead receiver costs one time-out, not one each


def test_notices_of_an_incident_keep_their_order_through_a_failure(desk: Desk) -> None:
    desk.down = {"room"}
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()
    desk.event("cleared", "normal", "warning")
    desk.pass_time(60)
    desk.down = set()
    desk.pass_time(120)
    assert desk.delivered == [("room", "raised warning"), ("room", "cleared normal")]


def test_the_same_level_within_the_cooldown_waits_and_is_dropped_when_it_is_over(
    desk: Desk,
) -> None:
    desk.event("raised", "warning", "normal")
    desk.event("cleared", "normal", "warning")
    desk.sender.send_due()
    desk.pass_time(60)
    desk.event("raised", "warning", "normal")
    desk.pass_time(30)
    desk.event("cleared", "normal", "warning")
    desk.pass_time(600)
    assert desk.delivered == [("room", "raised warning"), ("room", "cleared normal")]
    assert desk.reasons == [
        "its level was over within the cooldown",
        "none of its incident's notices was delivered",
    ]


def test_an_incident_that_outlasts_the_cooldown_is_told_at_its_end(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.event("cleared", "normal", "warning")
    desk.sender.send_due()
    desk.pass_time(60)
    desk.event("raised", "warning", "normal")
    desk.pass_time(200)
    assert len(desk.delivered) == 2
    desk.pass_time(60)
    assert desk.delivered[2:] == [("room", "raised warning")]


def test_a_higher_level_and_another_zone_pass_the_cooldown(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()
    desk.event("escalated", "critical", "warning")
    desk.event("raised", "warning", "normal", zone="door")
    desk.sender.send_due()
    assert desk.delivered == [
        ("room", "raised warning"),
        ("room", "escalated critical"),
        ("chief", "escalated critical"),
        ("room", "raised warning"),
    ]


def test_a_failed_delivery_starts_no_cooldown(desk: Desk) -> None:
    desk.down = {"chief"}
    desk.event("raised", "critical", "normal")
    desk.sender.send_due()
    desk.event("cleared", "normal", "critical")
    desk.pass_time(16 * 60)
    desk.down = set()
    desk.event("raised", "critical", "normal")
    desk.pass_time(60)
    assert [what for channel, what in desk.delivered if channel == "chief"] == ["raised critical"]


def test_a_stale_notice_is_dropped_and_said_so(desk: Desk) -> None:
    desk.down = {"room"}
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()
    desk.event("cleared", "normal", "warning")
    desk.clock.now += 16 * MINUTE
    desk.down = set()
    desk.sender.send_due()
    assert desk.delivered == []
    assert desk.reasons == [
        "stale: its level is over",
        "none of its incident's notices was delivered",
    ]
    assert desk.tally.counts["notifications_dropped_total"] == 2


def test_an_old_notice_of_a_level_that_still_holds_is_delivered(desk: Desk) -> None:
    desk.down = {"room"}
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()
    desk.clock.now += 60 * MINUTE
    desk.down = set()
    desk.sender.send_due()
    assert desk.delivered == [("room", "raised warning")]


def test_a_removed_channel_gets_nothing(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    del desk.sender._channels["room"]
    desk.sender.send_due()
    assert desk.delivered == []
    assert desk.reasons == ["its channel is no longer configured"]


def test_a_blind_camera_is_told_once_with_its_open_incident(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.outage(Outage("gate", True, "stalled", "no frame for 30 s"))
    desk.outage(Outage("gate", False, "", ""))
    desk.sender.send_due()
    assert sorted(desk.delivered) == sorted(
        [
            ("room", "raised warning"),  # the crowd
            ("room", "raised warning"),  # the camera
            ("room", "unseen warning"),
            ("room", "cleared normal"),  # the camera
        ]
    )
    kinds = {(row.kind, row.cleared_at is None) for row in desk.rows(incidents)}
    assert kinds == {("crowd", True), ("camera", False)}
    titles = [row.title for row in desk.rows(outbox)]
    assert "[WARNING] gate: unknown (stalled), raised" in titles
    assert "[WARNING] gate / all: unknown (stalled), unseen" in titles
    assert "[NORMAL] gate: ok again, cleared" in titles


def test_a_missing_worker_is_an_incident_of_the_site(desk: Desk) -> None:
    desk.outage(Outage(WORKER, True, "no worker", "no worker is running"))
    desk.sender.send_due()
    (incident,) = desk.rows(incidents)
    assert (incident.kind, incident.camera, incident.zone) == ("worker", "", None)
    assert desk.rows(outbox)[0].title == "[WARNING] Headcount: unknown (no worker), raised"


def test_one_process_sends_at_a_time(desk: Desk) -> None:
    desk.sender.send_due()
    second = desk.new_sender(owner="elsewhere/2/1")
    desk.event("raised", "warning", "normal")
    assert second.send_due() == 0
    assert desk.sender.send_due() == 1


def test_a_crash_between_delivery_and_marking_repeats_the_notice_with_its_key(desk: Desk) -> None:
    class Crash(BaseException):
        pass

    def deliver_and_crash(to: Channel, notice: Notice, picture: Path | None) -> str | None:
        desk.receive(to, notice, picture)
        raise Crash

    desk.event("raised", "warning", "normal")
    with pytest.raises(Crash):
        desk.new_sender(deliver_and_crash).send_due()
    desk.new_sender().send_due()
    assert desk.keys == ["incident 1 change 1"] * 2


def test_what_another_process_sent_meanwhile_is_not_sent_again(desk: Desk) -> None:
    other = desk.new_sender(owner="elsewhere/2/1")

    def take_long(to: Channel, notice: Notice, picture: Path | None) -> str | None:
        desk.clock.now += 2 * MINUTE
        other.send_due()
        desk.clock.now += 10 * MINUTE  # longer than the cooldown
        with pytest.raises(LeaseLost):
            slow.send_due()
        slow.send_due()  # it is the sender again
        return None

    desk.event("raised", "warning", "normal")
    desk.event("raised", "warning", "normal", zone="door")
    slow = desk.new_sender(take_long)
    slow.send_due()
    assert desk.keys == ["incident 1 change 1", "incident 2 change 1"]


def acknowledge(desk: Desk) -> None:
    with desk.history.transaction() as connection:
        assert history_incidents.acknowledge(connection, 1, "kim", "", desk.clock.now)


def test_nobody_acknowledges_so_the_channel_is_reminded_and_then_a_second_one(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.pass_time(20 * 60)
    assert desk.delivered == [("room", "raised warning")]
    desk.pass_time(21 * 60)
    assert desk.delivered[1:] == [
        ("room", "reminder warning"),
        ("room", "reminder warning"),
        ("chief", "reminder warning"),  # though it hears of critical only
    ]
    desk.pass_time(3 * 3600)
    assert [what for _, what in desk.delivered].count("reminder warning") == 5  # three times, then
    desk.event("cleared", "normal", "warning")  # quiet
    desk.sender.send_due()
    assert desk.delivered[-2:] == [("room", "cleared normal"), ("chief", "cleared normal")]
    assert desk.keys[1] == "incident 1 change 2"
    assert "[WARNING] gate / all: unknown, reminder" in [row.title for row in desk.rows(outbox)]


def test_no_reminder_after_an_acknowledgement(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()
    acknowledge(desk)
    desk.pass_time(3600)
    assert desk.delivered == [("room", "raised warning")]


def test_a_reminder_on_its_way_is_dropped_when_somebody_acknowledges(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()
    desk.down = {"room"}
    desk.pass_time(21 * 60)
    acknowledge(desk)
    desk.down = set()
    desk.pass_time(120)
    assert desk.delivered == [("room", "raised warning")]
    assert desk.reasons == ["its incident was acknowledged or is over"]


def test_a_reminder_in_maintenance_is_held_back_and_not_counted(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()

    def clock(seconds: int) -> str:
        return datetime.fromtimestamp(desk.clock.now / 1000 + seconds, UTC).isoformat()

    window = {"cameras": ["gate"], "start": clock(60), "end": clock(70 * 60)}
    worked_on = desk.site.model_dump() | {
        "alerts": desk.site.alerts.model_dump() | {"maintenance": [window]}
    }
    desk.site = Site.model_validate(worked_on)
    desk.pass_time(70 * 60)
    assert desk.delivered == [("room", "raised warning")]
    assert desk.reasons == ["held back: maintenance"] * 3  # at 20, 40 and 60 minutes
    desk.pass_time(11 * 60)
    assert desk.delivered[1:] == [("room", "reminder warning")]
    desk.pass_time(3 * 3600)
    assert [what for to, what in desk.delivered if to == "room"].count("reminder warning") == 3


def test_a_reminder_of_nobody_on_square_metres_tells_no_interval(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.sender.send_due()
    desk.clock.now += 20 * MINUTE
    empty = {"count": 0.0, "low": 0.0, "high": 3.0, "smoothed": 0.0, "density": 0.0}
    state = {"level": "warning", "at": desk.clock.now, "seq": 1, "state_json": "{}", **empty}
    with desk.history.transaction() as connection:
        connection.execute(update(incidents).values(unit="persons/m2"))
        connection.execute(insert(zone_states).values(camera="gate", zone="all", **state))
    desk.sender.send_due()
    assert desk.delivered[1:] == [("room", "reminder warning")]
    assert "interval" not in desk.rows(outbox)[-1].body


def test_a_higher_level_is_reminded_of_anew(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.pass_time(2 * 3600)
    desk.delivered.clear()
    desk.event("escalated", "critical", "warning")
    desk.pass_time(21 * 60)
    assert desk.delivered[2:] == [("room", "reminder critical"), ("chief", "reminder critical")]


def test_what_tells_of_a_level_carries_the_picture_and_a_clear_does_not(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.event("cleared", "normal", "warning")
    desk.sender.send_due()
    assert desk.pictures == [Path("/1/gate.jpg"), None]


def test_a_notice_that_fails_again_and_again_goes_without_its_picture(desk: Desk) -> None:
    desk.event("raised", "warning", "normal")
    desk.down = {"room"}
    desk.pass_time(120)
    desk.down = set()
    desk.pass_time(120)
    assert (desk.delivered, desk.pictures) == ([("room", "raised warning")], [None])


def test_a_channel_that_hangs_keeps_no_other_waiting(desk: Desk) -> None:
    go_on = threading.Event()

    def hang(to: Channel, notice: Notice, picture: Path | None) -> str | None:
        if to.name == "room":
            go_on.wait(10)
        return desk.receive(to, notice, picture)

    desk.event("raised", "critical", "normal")
    sender = desk.new_sender(hang)
    sender.start()
    try:
        wait_until(lambda: desk.delivered == [("chief", "raised critical")])
        desk.event("eased", "watch", "critical")
        desk.event("cleared", "normal", "watch")
        sender.wake()
        wait_until(lambda: ("chief", "cleared normal") in desk.delivered)
        assert [channel for channel, _ in desk.delivered] == ["chief"] * 2
        go_on.set()
        wait_until(lambda: len(desk.delivered) == 4)
    finally:
        go_on.set()
        sender.stop()
    assert desk.delivered[2:] == [("room", "raised critical"), ("room", "cleared normal")]
    assert len(set(desk.keys)) == 2
