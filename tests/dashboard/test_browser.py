"""What a person sees and does, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from core.messages import Reason
from headcount.ports import free_port
from tests.dashboard.conftest import RunningDashboard, answers, dashboard_process, write_site
from tests.dashboard.feeder import WIDTH, a_picture
from tests.waiting import wait_until

MONITOR = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 15_000


class Visit:
    """A page that was opened, and what it said and asked for meanwhile."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _console(self, kind: str, text: str) -> None:
        if kind == "error":
            self.errors.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def external(self) -> list[str]:
        """Requests that left this machine."""
        local = (self.address, "blob:", "data:")
        return [url for url in self.requests if not url.startswith(local)]


@pytest.fixture
def visit(browser: Browser, fed: RunningDashboard) -> Iterator[Visit]:
    context = browser.new_context(viewport=MONITOR)  # type: ignore[arg-type]
    yield Visit(context.new_page(), fed.address)
    context.close()


@pytest.fixture(autouse=True)
def _patient() -> None:
    expect.set_options(timeout=PATIENCE_MS)


def test_the_wall_counts_live_without_a_reload(visit: Visit, fed: RunningDashboard) -> None:
    page = visit.open("/")
    tile = page.locator("article.tile", has_text="Main hall")
    count = tile.locator(".count").first
    expect(count).to_have_text("12")
    expect(tile.locator(".interval").first).to_have_text("9–16")
    expect(tile.locator(".chip")).to_have_text("Warning")
    expect(tile.locator(".density")).to_have_text("4.2")
    page.evaluate("window.stillTheSamePage = true")

    fed.feeder.counts["hall"] = 27.0

    expect(count).to_have_text("27")
    assert page.evaluate("window.stillTheSamePage") is True
    wait_until(lambda: page.evaluate(PICTURE_WIDTHS)[0] > 0)
    wait_until(lambda: asked(visit, "/live/hall.jpg", times=2))
    assert visit.errors == []
    assert visit.external() == []


PICTURE_WIDTHS = """() => {
  const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot);
  const pictures = hosts.flatMap((host) => [...host.shadowRoot.querySelectorAll("canvas")]);
  return pictures.map((picture) => picture.getContext("2d").canvas.width);
}"""


def test_a_blind_camera_is_plainly_unknown_and_worst_comes_first(
    visit: Visit, fed: RunningDashboard
) -> None:
    page = visit.open("/")
    tiles = page.locator("article.tile")
    expect(tiles.first.locator(".name")).to_have_text("Main hall")
    gate = page.locator("article.tile", has_text="Gate <1>")
    expect(gate.locator(".count").first).to_have_text("4")

    fed.feeder.offline["gate"] = (Reason.OFFLINE, "no answer")

    expect(gate.locator(".chip")).to_have_text("Unknown")
    expect(gate.locator(".count").first).to_have_text("–")
    expect(gate.locator(".reason")).to_have_text("Camera is offline")
    expect(gate.locator(".age")).to_have_text(re.compile(r"^([2-9]|\d\d+) s ago$"))
    expect(page.locator(".summary")).to_contain_text("2 unknown")
    expect(tiles.nth(1).locator(".name")).to_have_text("Gate <1>")


def test_a_tile_opens_its_camera(visit: Visit, fed: RunningDashboard) -> None:
    page = visit.open("/")
    page.locator("article.tile", has_text="Gate <1>").locator("a.picture").click()

    expect(page.locator(".camera-numbers .name")).to_have_text("Gate <1>")
    assert page.url.endswith("/camera?camera=gate")
    assert visit.errors == []


def test_the_camera_page_switches_overlay_zone_and_range(
    visit: Visit, fed: RunningDashboard
) -> None:
    page = visit.open("/camera?camera=hall")
    expect(page.locator(".camera-numbers .count")).to_have_text("12")
    expect(page.locator(".zone-table tbody tr")).to_contain_text("Floor")
    expect(page.locator(".zone-table tbody td.n")).to_have_text(["12", "9–16", "4.2", "6.3"])

    page.get_by_role("button", name="Plain").click()
    wait_until(lambda: asked(visit, "overlay=none"))
    page.get_by_role("button", name="24 h").click()
    wait_until(lambda: asked(visit, "step=auto"))
    page.get_by_role("button", name="people/m²").click()

    expect(page.locator("svg.chart .chart-levels text").first).to_have_text("Watch 3")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.suggested_filename == "hall-floor.csv"
    assert download.value.path().read_text().startswith("at,count_mean,")
    assert page.get_by_role("button", name="Later").is_disabled()
    page.get_by_role("button", name="Earlier").click()
    expect(page.locator(".chart-message")).to_have_text("Nothing was recorded in this time.")
    page.get_by_role("button", name="Later").click()
    expect(page.get_by_role("button", name="Later")).to_be_disabled()
    assert visit.errors == []
    assert visit.external() == []


def asked(visit: Visit, part: str, times: int = 1) -> bool:
    visit.page.wait_for_timeout(50)  # lets the browser speak
    return sum(part in url for url in visit.requests) >= times


def test_an_incident_is_acknowledged_with_a_note(visit: Visit, fed: RunningDashboard) -> None:
    outage = fed.feeder.incident(kind="camera", camera="spare", zone=None, unit="", peak=0)
    number = fed.feeder.incident(camera="gate", zone="all", unit="persons", peak=14)
    page = visit.open("/incidents")
    expect(page.locator(f"#incident-{outage}")).to_contain_text("Camera outage")
    box = page.locator(f"#incident-{number}")
    expect(box).to_contain_text("Gate <1>")
    expect(box).to_contain_text("peak 14 people")
    expect(page.locator(f'.timeline a[href="#incident-{number}"]')).to_be_visible()

    box.get_by_label("Note").fill("=Second door opened")
    box.get_by_role("button", name="Acknowledge").click()

    expect(box).to_contain_text("Acknowledged by local")
    expect(box).to_contain_text("Second door opened")
    expect(box.get_by_label("Note")).to_have_count(0)
    assert fed.http.post(f"/api/v1/incidents/{number}/ack").status_code == 409
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    table = download.value.path().read_text("utf-8-sig")
    assert "'=Second door opened" in table  # a spreadsheet must not run it
    assert visit.errors == []


def test_the_system_page_says_what_is_wrong_and_what_to_do(
    visit: Visit, fed: RunningDashboard
) -> None:
    page = visit.open("/system")
    main = page.locator("[data-testid=stMain]")

    expect(main).to_contain_text("This machine counts 2.5 frames/s, the site asks for 5.0.")
    expect(main).to_contain_text("start another worker")
    expect(page.get_by_role("row", name="Main hall OK live")).to_be_visible()
    for service in ("alerts", "dashboard", "ingest", "worker"):
        expect(page.get_by_role("row").filter(has_text=service).first).to_be_visible()

    fed.feeder.offline["gate"] = (Reason.UNAUTHORISED, "Check the password.")

    sentence = "Gate <1> is unknown: camera refuses user or password. Check the password."
    expect(main).to_contain_text(sentence)
    assert visit.errors == []


def test_pages_fit_a_phone(visit: Visit, fed: RunningDashboard) -> None:
    fed.feeder.incident()
    visit.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for path in ("/", "/camera?camera=hall", "/incidents", "/system"):
        page = visit.open(path)

        expect(page.get_by_text("Main hall").first).to_be_attached()
        main = page.locator("[data-testid=stMain]")
        assert main.evaluate("node => node.scrollWidth - node.clientWidth") <= 0, path
    assert visit.errors == []


def test_a_lost_connection_is_told_and_comes_back(
    browser: Browser, fed: RunningDashboard, tmp_path: Path
) -> None:
    port = free_port()
    loaded = write_site(tmp_path, port)
    address = f"http://127.0.0.1:{port}"
    context = browser.new_context(viewport=MONITOR)  # type: ignore[arg-type]
    page = context.new_page()
    count = page.locator("article.tile", has_text="Main hall").locator(".count").first
    banner = page.locator(".lost")
    with httpx.Client(base_url=address, timeout=10) as http:
        with dashboard_process(loaded, fed.feeder.url) as process:
            wait_until(lambda: answers(http, process), timeout_s=30, every_s=0.1)
            page.goto(address)
            expect(count).to_have_text("12")
        expect(banner).to_contain_text("Connection lost")
        expect(count).to_have_text("12")  # kept, but greyed by the banner's state
        expect(page.locator(".headcount[data-lost=yes]").first).to_be_visible()
        fed.feeder.counts["hall"] = 19.0
        with dashboard_process(loaded, fed.feeder.url) as process:
            wait_until(lambda: answers(http, process), timeout_s=30, every_s=0.1)
            expect(count).to_have_text("19")
            expect(banner).to_be_empty()
            context.close()


def test_evidence_is_shown_with_its_incident(visit: Visit, fed: RunningDashboard) -> None:
    """The API's answer is played here; `test_evidence.py` has the real files."""
    number = fed.feeder.incident(camera="gate", zone="all", unit="persons", peak=14)
    folder = f"/api/v1/incidents/{number}/evidence"

    def with_files(route: Route) -> None:
        answer = route.fetch()
        rows = answer.json()
        for row in rows:
            if row["id"] == number:
                row["evidence"] = [f"{folder}/picture.jpg", f"{folder}/clip.mp4"]
        route.fulfill(response=answer, json=rows)

    visit.page.route("**/api/v1/incidents?**", with_files)
    picture = a_picture()
    visit.page.route(
        f"**{folder}/picture.jpg",
        lambda route: route.fulfill(body=picture, content_type="image/jpeg"),
    )
    page = visit.open("/incidents")
    box = page.locator(f"#incident-{number}")

    expect(box.get_by_role("link", name="picture.jpg")).to_be_visible()
    expect(box.get_by_role("link", name="clip.mp4")).to_have_attribute("target", "_blank")
    canvas = box.locator("canvas.evidence-picture")
    wait_until(lambda: canvas.evaluate("node => node.width") == WIDTH, every_s=0.1)
    assert visit.errors == []
