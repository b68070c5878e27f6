from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.schema_words import format_duration
from core.settings import CameraSettings, Levels, Site, Zone, parse_duration, resolved
from core.week_settings import Maintenance

GROUND = {
    "picture": [(0, 0), (1, 0), (1, 1), (0, 1)],
    "metres": [(0, 0), (5, 0), (5, 5), (0, 5)],
}


def site(**sections: Any) -> Site:
    return Site.model_validate({"cameras": [{"id": "a", "source": "0"}], **sections})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3s", 3), ("5m", 300), ("2h", 7200), ("35d", 3_024_000), ("5y", 157_680_000), ("1.5 h", 5400),
     (2, 2), (0.5, 0.5)],
)  # fmt: skip
def test_durations_are_seconds(text: Any, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["3", "s", "-3s", "3 weeks", "1h30m", True, None, []])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_a_duration_is_written_as_it_is_read(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


def test_everything_but_the_cameras_has_a_default() -> None:
    plain = site()
    assert plain.dashboard.port == 8501
    assert plain.cameras[0].zones == [Zone(id="all")]
    assert plain.cameras[0].title == "a"
    assert plain.frames_per_second == 1


def test_a_zone_with_ground_and_no_levels_gets_three_four_five() -> None:
    zone = Zone.model_validate({"id": "z", "ground": GROUND})
    assert zone.levels is not None
    assert zone.levels.thresholds() == {"watch": 3, "warning": 4, "critical": 5}
    assert zone.levels.unit == "persons/m2"


def test_the_margin_is_half_a_person_per_square_metre_or_a_tenth() -> None:
    assert Levels(watch=4).margin(4) == 0.5
    assert Levels(watch=40, unit="persons").margin(40) == 4
    assert Levels(watch=40, unit="persons", clear_margin=1).margin(40) == 1


@pytest.mark.parametrize(
    ("source", "kind"),
    [("rtsp://h/x", "url"), ("http://h/x", "url"), ("0", "webcam"), ("12", "webcam"),
     ("a.mp4", "file")],
)  # fmt: skip
def test_what_a_source_is(source: str, kind: str) -> None:
    assert CameraSettings(id="a", source=source).kind == kind


def test_paths_start_at_the_site_files_folder() -> None:
    given_site = site(
        cameras=[{"id": "a", "source": "../a.mp4"}, {"id": "b", "source": "/v/b.mp4"}],
        history={"url": "sqlite:///data/history.db"},
    )
    moved = resolved(given_site, Path("/srv/site"))
    assert [camera.source for camera in moved.cameras] == ["/srv/a.mp4", "/v/b.mp4"]
    assert moved.history.url == "sqlite:////srv/site/data/history.db"


@pytest.mark.parametrize("url", ["sqlite:////var/h.db", "postgresql://db/headcount"])
def test_an_absolute_history_stays_where_it_is(url: str) -> None:
    assert resolved(site(history={"url": url}), Path("/srv")).history.url == url


def test_a_camera_is_found_by_its_id() -> None:
    assert site().camera("a").source == "0"
    with pytest.raises(KeyError):
        site().camera("b")


def test_evidence_lies_beside_the_site_file() -> None:
    assert resolved(site(), Path("/srv/site")).evidence.dir == "/srv/site/evidence"
    elsewhere = site(evidence={"dir": "/data/evidence"})
    assert resolved(elsewhere, Path("/srv/site")).evidence.dir == "/data/evidence"


def test_mqtt_is_one_more_channel() -> None:
    alerts = site(alerts={"mqtt": {"url": "mqtt://h:1883", "min_level": "critical"}}).alerts
    assert [(each.name, each.min_level) for each in alerts.receivers] == [("mqtt", "critical")]


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"reminder": {"channel": "chief"}}, "'chief' is no channel; there are: none is"),
        ({"mqtt": {"url": "http://h"}}, "allowed are mqtt://host:port and mqtts://host:port"),
        ({"mqtt": {"url": "mqtt://h:x"}}, "not a URL such as mqtt://user:password@host:1883"),
        ({"mqtt": {"url": "mqtt://h", "topic": "a/+"}}, "String should match pattern"),
        (
            {"mqtt": {"url": "mqtt://h"}, "channels": [{"name": "mqtt", "url": "json://h"}]},
            "channel name 'mqtt' is used twice; `alerts.mqtt` is one too",
        ),
    ],
)
def test_channels_that_cannot_be_are_refused(alerts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        site(alerts=alerts)


def test_what_is_shown_of_a_cameras_pictures_is_its_own_word_or_the_sites() -> None:
    site = Site.model_validate(
        {
            "privacy": {"pictures": "blurred"},
            "cameras": [
                {"id": "a", "source": "0"},
                {"id": "b", "source": "1", "privacy": "none"},
            ],
        }
    )

    assert [site.pictures_of(camera) for camera in site.cameras] == ["blurred", "none"]


OIDC = {
    "issuer": "https://id.example/realms/city",
    "client_id": "headcount",
    "client_secret": "s",
    "roles": [{"group": "cctv", "role": "admin"}],
}


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        ({"login": "oidc"}, "needs the section oidc"),
        ({"login": "oidc", "oidc": {**OIDC, "issuer": "http://id.example"}}, "no https:// address"),
        ({"login": "oidc", "oidc": {**OIDC, "roles": []}}, "at least 1 item"),
        ({"login": "local", "idle_timeout": "5s"}, "greater than or equal to 60"),
    ],
)
def test_access_that_cannot_work_is_refused(access: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Site.model_validate({"cameras": [{"id": "a", "source": "0"}], "access": access})


def test_with_a_login_the_dashboard_may_listen_anywhere() -> None:
    camera = {"id": "a", "source": "0"}
    dashboard = {"host": "0.0.0.0", "public_url": "HTTPS://CCTV.example:8443/"}

    site = Site.model_validate(
        {"cameras": [camera], "access": {"login": "local"}, "dashboard": dashboard}
    )

    assert site.dashboard.public_url == "https://cctv.example:8443"
    with pytest.raises(ValueError, match="reachable from outside"):
        Site.model_validate({"cameras": [camera], "dashboard": dashboard})


@pytest.mark.parametrize("url", ["cctv.example", "https://a/b", "ftp://a", "https://u:p@a"])
def test_a_public_url_is_an_origin(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://cctv.example"):
        Site.model_validate(
            {"cameras": [{"id": "a", "source": "0"}], "dashboard": {"public_url": url}}
        )


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ({"watch": 3, "schedule": [{"start": "07:00", "end": "09:00"}]}, "give at least one of"),
        (
            {"watch": 3, "warning": 4, "schedule": [{"start": "7:00", "watch": 5}]},
            r"schedule\[0\]: watch \(5\) must be below warning \(4\)",
        ),
        ({"watch": 3, "schedule": [{"start": "7 am", "watch": 5}]}, "start"),
        ({"watch": 3, "schedule": [{"days": ["caturday"], "watch": 5}]}, "days"),
    ],
)
def test_levels_by_hours_that_cannot_be_used_are_refused(
    levels: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Levels.model_validate({"unit": "persons", **levels})


def test_levels_not_named_in_a_schedule_stay_as_always() -> None:
    levels = Levels.model_validate(
        {"watch": 3, "critical": 6, "schedule": [{"days": ["sat"], "watch": 4}]}
    )
    assert levels.thresholds(levels.schedule[0]) == {"watch": 4, "critical": 6}


@pytest.mark.parametrize(
    ("window", "sentence"),
    [
        ({"start": "02:00", "end": "2026-11-24 04:00"}, "both be hours, or both be dates"),
        ({"start": "2026-11-24 04:00", "end": "2026-11-24 02:00"}, "must be after the start"),
        ({"start": "soon", "end": "later"}, "'soon' is no date such as"),
    ],
)
def test_maintenance_that_cannot_be_used_is_refused(window: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Maintenance.model_validate(window)
