"""Set-up in a real browser, on a site whose services all run."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from core.site_file import load_site
from headcount.ports import free_port
from tests.headcount.running_site import Running, running_site
from tests.ingest.conftest import write_video
from tests.ingest.http_server import HttpServer
from tests.ingest.rig import camera_processes
from tests.waiting import wait_until

MONITOR = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
SERIOUS = ("serious", "critical")
PATIENCE_MS = 20_000
SITE = """\
# The station's cameras.
site: {{name: Central Station}}
model: {{name: tiny, max_side: 128}}
cameras:
  - id: hall              # the first of them
    source: hall.mp4
dashboard: {{port: {port}}}
"""


@dataclass
class Station:
    """A site that runs, its file, and a server of another camera's video."""

    running: Running
    path: Path
    video: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    def zone(self, camera: str, zone: str) -> dict[str, Any]:
        """A zone as the API gives it now, empty while there is none."""
        for each in self.running.get("/api/v1/cameras"):
            if each["id"] == camera:
                return next((one for one in each["zones"] if one["id"] == zone), {})
        return {}

    def streams(self) -> set[int]:
        """The processes that play the cameras."""
        return {process.pid for process in camera_processes()}


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("station")
    write_video(folder / "hall.mp4", 4)
    served = tmp_path_factory.mktemp("served")
    write_video(served / "gate.mp4", 10)
    port = free_port()
    path = folder / "site.yaml"
    path.write_text(SITE.format(port=port))
    with HttpServer(served) as server, running_site(path, port) as running:
        wait_until(lambda: running.statuses() == {"hall": "ok"}, 60, every_s=0.2)
        yield Station(running, path, server.url("gate.mp4"))


@pytest.fixture
def page(browser: Browser, station: Station) -> Iterator[Page]:
    context = browser.new_context(viewport=MONITOR)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    # A camera that was just added has no picture yet: its address is not found at first.
    assert [each for each in errors if "404" not in each] == []


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def click_in_picture(page: Page, *places: tuple[float, float]) -> None:
    """Click at fractions of the picture."""
    box = page.locator("svg.drawing").bounding_box()
    assert box is not None
    for x, y in places:
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def open_zones(page: Page, station: Station, camera: str) -> None:
    page.goto(f"{station.address}/setup?camera={camera}")
    expect(page.locator(".stage[data-picture=yes]")).to_be_visible()


def test_a_camera_is_added_its_zone_drawn_calibrated_and_counted(
    page: Page, station: Station
) -> None:
    before = station.streams()
    page.goto(f"{station.address}/setup")
    page.get_by_text("Add a camera").click()
    page.get_by_label("Address, file or webcam number", exact=True).fill(station.video)
    page.get_by_label("Address, file or webcam number", exact=True).press("Enter")
    press(page, "Test")
    expect(page.get_by_text(re.compile(r"It works: h264, 320 × 240"))).to_be_visible()
    expect(page.get_by_alt_text("Picture of the camera under test")).to_be_visible()
    page.get_by_label("Id", exact=True).fill("gate")
    page.get_by_label("Name").fill("Gate 1")
    page.get_by_label("Name").press("Enter")
    press(page, "Add this camera")
    expect(page.get_by_text("Gate 1 was added.")).to_be_visible()
    expect(page.locator(".stage[data-picture=yes]")).to_be_visible()
    wait_until(lambda: station.running.statuses().get("gate") == "ok", 20, every_s=0.2)
    streams = station.streams()
    assert before < streams

    press(page, "Draw a zone")
    corners = [(0.2, 0.3), (0.8, 0.3), (0.9, 0.9), (0.1, 0.9)]
    click_in_picture(page, *corners)
    press(page, "Done")
    page.locator(".zone-form").get_by_label("Name").fill("Platform 2")
    press(page, "Set four ground points")
    click_in_picture(page, (0.3, 0.4), (0.7, 0.4), (0.85, 0.9), (0.15, 0.9))
    expect(page.get_by_text("Cannot be used")).to_have_count(0)
    page.get_by_label("Rectangle: 1 to 2").fill("6")
    page.get_by_label("Rectangle: 2 to 3").fill("8")
    expect(page.get_by_text(re.compile(r"m² on the ground; the camera is"))).to_be_visible()
    expect(page.locator("path.grid")).to_be_visible()
    page.locator(".level-field[data-level=warning] input").fill("4.5")
    press(page, "Save and apply")
    expect(page.get_by_text("Saved. All services run it.")).to_be_visible()

    counted = lambda: station.zone("gate", "platform-2").get("density") is not None  # noqa: E731
    wait_until(counted, 20, every_s=0.2)
    assert station.streams() == streams
    text = station.path.read_text()
    assert "# The station's cameras." in text
    assert "# the first of them" in text
    zone = load_site(station.path).site.camera("gate").zones[-1]
    assert (zone.id, zone.name) == ("platform-2", "Platform 2")
    assert zone.polygon is not None
    for (x, y), (wanted_x, wanted_y) in zip(zone.polygon, corners, strict=True):
        assert (x, y) == pytest.approx((wanted_x, wanted_y), abs=0.01)
    assert zone.levels is not None
    assert zone.levels.thresholds() == {"watch": 3, "warning": 4.5, "critical": 5}


def test_a_zone_is_drawn_with_the_keyboard_alone(page: Page, station: Station) -> None:
    open_zones(page, station, "hall")
    page.get_by_role("button", name="Draw a zone").focus()
    page.keyboard.press("Enter")
    expect(page.locator("svg.drawing")).to_be_focused()
    for arrow in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press("Space")
        for _ in range(4):
            page.keyboard.press(f"Shift+{arrow}")
    page.keyboard.press("Enter")
    expect(page.locator(".handle.corner")).to_have_count(3)
    page.locator(".handle.corner").first.focus()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.get_by_text("3 corners")).to_be_visible()
    press(page, "Save and apply")
    expect(page.get_by_text("Saved. All services run it.")).to_be_visible()

    zone = load_site(station.path).site.camera("hall").zones[-1]
    assert zone.polygon == [(0.45, 0.5), (0.7, 0.5), (0.7, 0.7)]


def test_what_check_refuses_cannot_be_saved(page: Page, station: Station) -> None:
    before = station.path.read_text()
    open_zones(page, station, "hall")
    press(page, "Draw a zone")
    click_in_picture(page, (0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8))
    press(page, "Done")

    expect(page.get_by_text("the outline crosses itself")).to_be_visible()
    expect(page.get_by_role("button", name="Save and apply")).to_be_disabled()
    press(page, "Discard")
    expect(page.get_by_text("the outline crosses itself")).to_have_count(0)
    assert station.path.read_text() == before


def test_a_file_edited_by_hand_is_offered_and_an_older_version_restored(
    page: Page, station: Station
) -> None:
    text, version = station.path.read_text(), load_site(station.path).version
    station.path.write_text(text.replace("id: hall", "id: hall\n    name: Great hall"))
    page.goto(f"{station.address}/setup")
    expect(page.get_by_text("was edited by hand")).to_be_visible()
    assert "Great hall" not in page.locator("[data-testid=stMain]").inner_text()

    press(page, "Load the file")

    expect(page.get_by_text("The file was loaded")).to_be_visible()
    expect(page.get_by_text("Great hall").first).to_be_visible()
    page.get_by_text("Versions").click()
    earlier = page.locator("[class*='st-key-version-']", has_text=version)
    earlier.get_by_role("button", name="Restore this version").first.click()
    expect(page.get_by_text("was restored")).to_be_visible()
    assert station.path.read_text() == text


def test_sighup_applies_what_the_file_says_and_an_open_wall_follows(
    page: Page, station: Station
) -> None:
    text = station.path.read_text()
    page.goto(station.address)
    expect(page.locator("article.tile", has_text="hall")).to_be_visible()
    page.evaluate("window.stillTheSamePage = true")
    station.path.write_text(text.replace("id: hall", "id: hall\n    name: Grand hall"))

    station.running.process.send_signal(signal.SIGHUP)

    expect(page.locator("article.tile", has_text="Grand hall")).to_be_visible()
    assert page.evaluate("window.stillTheSamePage") is True
    page.goto(f"{station.address}/setup")
    page.get_by_text("Versions").click()
    expect(page.get_by_text("by SIGHUP")).to_be_visible()
    expect(page.get_by_text("was edited by hand")).to_have_count(0)


def test_nothing_serious_keeps_people_out(page: Page, station: Station) -> None:
    open_zones(page, station, "gate")
    page.locator(".zone-choice", has_text="Platform 2").click()
    expect(page.get_by_text(re.compile("m² on the ground"))).to_be_visible()

    found = Axe().run(page)

    serious = [each for each in found.response["violations"] if each["impact"] in SERIOUS]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []


def test_a_zone_is_drawn_with_a_finger(browser: Browser, station: Station) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    open_zones(page, station, "hall")
    page.get_by_role("button", name="Draw a zone").tap()
    box = page.locator("svg.drawing").bounding_box()
    assert box is not None
    for x, y in ((0.2, 0.3), (0.7, 0.3), (0.7, 0.8)):
        page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.get_by_role("button", name="Done").tap()

    expect(page.locator(".handle.corner")).to_have_count(3)
    expect(page.get_by_role("button", name="Save and apply")).to_be_enabled()
    context.close()


def test_it_works_on_a_phone(page: Page, station: Station) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for path in ("/setup", "/setup?camera=hall"):
        page.goto(f"{station.address}{path}")
        expect(
            page.get_by_role("button", name=re.compile("Zones and levels|Draw a zone")).first
        ).to_be_visible()
        main = page.locator("[data-testid=stMain]")
        assert main.evaluate("node => node.scrollWidth - node.clientWidth") <= 0, path
