"""Readings to zone values, with and without a ground calibration."""

import json

import pytest

from alerts.evaluation import CameraZones
from core.settings import CameraSettings
from tests.alerts.readings import reading

NOW = 1_000_000
GROUND = {
    "picture": [[0.2, 0.5], [0.8, 0.5], [0.95, 0.95], [0.05, 0.95]],
    "metres": [[0, 0], [12, 0], [12, 8], [0, 8]],
}


def camera(*zones: dict[str, object]) -> CameraSettings:
    return CameraSettings.model_validate({"id": "gate", "source": "x.mp4", "zones": list(zones)})


def test_a_zone_in_square_metres_has_a_density_and_levels() -> None:
    zones = CameraZones(camera({"id": "floor", "polygon": GROUND["picture"], "ground": GROUND}))
    heads = [(0.5, 0.6, 400.0)]
    for second in range(6):
        (result,) = zones.evaluate(reading("gate", 1000 * second, 400.0, heads=heads), NOW)
    assert result.value.density == pytest.approx(400 / 96)
    assert [(event.kind, event.level) for event in result.events] == [("raised", "warning")]
    assert result.peak == pytest.approx(400 / 96)


def test_a_head_is_counted_where_its_person_stands() -> None:
    zones = CameraZones(camera({"id": "floor", "polygon": GROUND["picture"], "ground": GROUND}))
    far_edge = [(0.5, 0.47, 1.0)]  # above the polygon, but its feet are inside
    (result,) = zones.evaluate(reading("gate", 0, 1.0, heads=far_edge), NOW)
    assert result.value.count == 1.0


def test_a_zone_without_calibration_only_counts() -> None:
    zones = CameraZones(camera({"id": "left", "polygon": [[0, 0], [0.4, 0], [0.4, 1], [0, 1]]}))
    heads = [(0.2, 0.5, 3.0), (0.8, 0.5, 4.0)]
    (result,) = zones.evaluate(reading("gate", 0, 7.0, heads=heads), NOW)
    assert (result.value.count, result.value.density, result.value.level) == (3.0, None, "normal")


def test_a_useless_calibration_is_named_and_its_zone_not_judged() -> None:
    street = {
        "picture": [[0.45, 0.3], [0.55, 0.3], [1, 0.95], [0, 0.95]],
        "metres": [[0, 0], [8, 0], [8, 40], [0, 40]],
    }
    whole = {"id": "whole", "ground": street}  # the picture's top lies above the horizon
    zones = CameraZones(camera(whole, {"id": "all"}))
    results = zones.evaluate(reading("gate", 0, 7.0), NOW)
    assert [result.zone.id for result in results] == ["all"]
    assert "horizon" in zones.faults["whole"]


def test_old_readings_are_ignored_also_after_a_restart() -> None:
    zones = CameraZones(camera({"id": "all"}))
    assert zones.evaluate(reading("gate", 5000, 7.0), NOW)
    assert zones.evaluate(reading("gate", 5000, 9.0), NOW) == []
    (result,) = zones.evaluate(reading("gate", 6000, 8.0), NOW)
    again = CameraZones(camera({"id": "all"}))
    again.restore("all", 6000, 6000, json.loads(json.dumps(result.state)))
    assert again.evaluate(reading("gate", 5500, 9.0), NOW) == []
    (live,), (restored,) = (
        each.evaluate(reading("gate", 7000, 12.0), NOW) for each in (zones, again)
    )
    assert live == restored


def test_a_camera_that_changes_its_shape_keeps_its_state() -> None:
    levels = {"unit": "persons", "warning": 20}
    zones = CameraZones(camera({"id": "all", "levels": levels}))
    for second in range(10):
        (before,) = zones.evaluate(reading("gate", 1000 * second, 40.0), NOW)
    assert before.value.level == "warning"
    (after,) = zones.evaluate(reading("gate", 10_000, 40.0, width=640, height=480), NOW)
    assert after.value.level == "warning"
    assert after.events == []


def test_a_fast_file_started_again_is_counted_again_and_keeps_its_incident() -> None:
    zones = CameraZones(camera({"id": "all", "levels": {"unit": "persons", "warning": 20}}))
    for second in range(60):  # a minute of film within a second
        (result,) = zones.evaluate(reading("gate", 1000 * second, 40.0, seq=second), 1000)
    assert result.value.level == "warning"
    again = reading("gate", 2000, 41.0, seq=2000)
    restarted = CameraZones(camera({"id": "all", "levels": {"unit": "persons", "warning": 20}}))
    restarted.restore("all", 59_000, 59, json.loads(json.dumps(result.state)))
    for each in (zones, restarted):
        (result,) = each.evaluate(again, 2000)
        assert (result.value.smoothed, result.value.level, result.events) == (41.0, "warning", [])
    # A late delivery of the same run is still ignored.
    assert zones.evaluate(reading("gate", 1000, 40.0, seq=1), 2000) == []


def test_the_worst_cell_raises_where_the_mean_does_not() -> None:
    kinds = {}
    for measure in ("mean", "worst_cell"):
        levels = {"measure": measure, "watch": 3}
        zone = {"id": "a", "polygon": GROUND["picture"], "ground": GROUND, "levels": levels}
        zones = CameraZones(camera(zone))
        heads = [(0.5, 0.6, 40.0)]  # forty people in one place, on 96 m2
        for second in range(10):
            (result,) = zones.evaluate(reading("gate", 1000 * second, 40.0, heads=heads), NOW)
        kinds[measure] = (result.value.level, result.value.density)
        assert result.value.compared == pytest.approx(
            10 if measure == "worst_cell" else 0.42, abs=1
        )
    assert kinds["mean"] == ("normal", pytest.approx(40 / 96))
    assert kinds["worst_cell"] == ("watch", pytest.approx(40 / 96))


def test_the_densest_place_is_reported_beside_the_mean() -> None:
    coarse = {"id": "a", "polygon": GROUND["picture"], "ground": {**GROUND, "cell_m2": 16}}
    fine = {"id": "b", "polygon": GROUND["picture"], "ground": GROUND}
    zones = CameraZones(camera(coarse, fine, {"id": "c"}))
    heads = [(0.5, 0.6, 40.0)]
    results = zones.evaluate(reading("gate", 0, 40.0, heads=heads), NOW)
    assert [result.value.density for result in results[:2]] == [pytest.approx(40 / 96)] * 2
    assert results[0].value.worst == pytest.approx(40 / 16, rel=0.1)
    assert results[1].value.worst == pytest.approx(40 / 4, rel=0.1)
    assert results[2].value.worst is None


def test_pictures_that_cannot_be_used_neither_clear_nor_smooth() -> None:
    zones = CameraZones(camera({"id": "all", "levels": {"unit": "persons", "warning": 20}}))
    for second in range(10):
        (before,) = zones.evaluate(reading("gate", 1000 * second, 40.0), NOW)
    assert before.value.level == "warning"
    for second in range(10, 14):  # the lens is covered: nobody is seen
        zones.skip(reading("gate", 1000 * second, 0.0))
    (after,) = zones.evaluate(reading("gate", 14_000, 90.0), NOW)
    assert after.new_scene
    assert (after.value.smoothed, after.value.level) == (90.0, "warning")
    (later,) = zones.evaluate(reading("gate", 15_000, 90.0), NOW)
    assert not later.new_scene


def test_a_recording_that_starts_again_is_another_scene() -> None:
    zones = CameraZones(camera({"id": "all"}))
    zones.evaluate(reading("gate", 0, 90.0, position_s=59.0), NOW)
    (result,) = zones.evaluate(reading("gate", 1000, 10.0, position_s=0.0), NOW)
    assert (result.new_scene, result.value.smoothed) == (True, 10.0)
