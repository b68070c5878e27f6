"""What a guard reads."""

from zoneinfo import ZoneInfo

import pytest

from alerts.notices import Happening, Measured, notice
from alerts.words import KOREAN
from core.messages import Reason
from crowd.levels import LEVELS

AT = 1_795_519_431_000  # 2026-11-24 11:23:51 UTC


def test_a_density_notice_has_the_form_of_the_contract() -> None:
    happening = Happening(
        12, 3, "escalated", "critical", "Gate 1 / platform", AT, "persons/m2",
        Measured(5.24, 4.8, 5.9), 5.31, "critical", people=63.4,
    )  # fmt: skip
    text = notice(happening, ZoneInfo("Asia/Seoul"))
    assert text.title == "[CRITICAL] Gate 1 / platform: 5.2 persons/m2, escalated"
    assert text.body.splitlines() == [
        "2026-11-24 20:23:51 KST",
        "90 % interval 4.8 to 5.9 persons/m2, 63 people in the zone",
        "peak 5.3 persons/m2 (critical)",
        "incident 12 change 3",
    ]
    assert text.key == "incident 12 change 3"


def test_people_are_whole_and_the_interval_holds_the_value() -> None:
    happening = Happening(
        1, 1, "raised", "warning", "Hall / all", AT, "persons",
        Measured(41.6, 42.0, 50.4), 41.6, "warning",
    )  # fmt: skip
    text = notice(happening, ZoneInfo("UTC"))
    assert text.title == "[WARNING] Hall / all: 42 persons, raised"
    assert "90 % interval 42 to 50 persons" in text.body


def test_an_outage_has_its_reason_instead_of_a_value() -> None:
    happening = Happening(
        7,
        1,
        "raised",
        "warning",
        "Gate 1",
        AT,
        remark="unknown",
        reason="stalled",
        detail="No frame.",
    )
    text = notice(happening, ZoneInfo("UTC"))
    assert text.title == "[WARNING] Gate 1: unknown (stalled), raised"
    assert text.body.splitlines()[1:] == ["No frame.", "incident 7 change 1"]


@pytest.mark.parametrize(
    ("at", "shown"),
    [(1_792_888_200_000, "02:30:00 CEST"), (1_792_891_800_000, "02:30:00 CET")],
)
def test_the_hour_that_comes_twice_is_told_apart(at: int, shown: str) -> None:
    happening = Happening(1, 1, "test", "normal", "Site", at, remark="well")
    assert shown in notice(happening, ZoneInfo("Europe/Berlin")).body


def test_a_korean_site_is_told_in_korean_and_keeps_the_key() -> None:
    happening = Happening(
        12, 3, "escalated", "critical", "1번 게이트 / 승강장", AT, "persons/m2",
        Measured(5.24, 4.8, 5.9), 5.31, "critical", people=63.4,
    )  # fmt: skip
    text = notice(happening, ZoneInfo("Asia/Seoul"), "ko")
    assert text.title == "[심각] 1번 게이트 / 승강장: 5.2명/㎡, 단계 상승"
    assert text.body.splitlines() == [
        "2026-11-24 20:23:51 KST",
        "90% 구간 4.8~5.9명/㎡, 구역 내 63명",
        "최고 5.3명/㎡ (심각)",
        "incident 12 change 3",
    ]


def test_every_reason_and_level_has_korean_words() -> None:
    assert {reason.value for reason in Reason} | set(LEVELS) <= KOREAN.keys()
