"""Every page as people meet it: on a monitor and a phone, in both languages, for all eyes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from core.broker import LocalBroker
from core.history import History
from core.messages import Command, Reply, Service
from core.site_file import load_site
from dashboard.text import catalogue
from headcount.ports import free_port
from tests.dashboard.conftest import RunningDashboard, answers, dashboard_process
from tests.dashboard.feeder import Feeder, a_picture
from tests.dashboard.test_browser import MONITOR, PATIENCE_MS, PHONE, Visit
from tests.waiting import wait_until

PAGES = ("/", "/camera?camera=hall", "/incidents", "/system", "/model", "/setup")
SIGNS = {  # what is on a page when it is ready
    "/": "article.tile .count",
    "/camera?camera=hall": "svg.chart .axis text",
    "/incidents": ".incident",
    "/system": ".headcount table",
    "/model": ".trial .drop",
    "/setup": "[data-testid=stMain] [data-testid=stHeading], [data-testid=stMain] button",
}
RAW_KEY = re.compile(
    r"\b(" + "|".join(re.escape(key) for key in catalogue() if "." in key) + r")\b"
)
KOREAN = re.compile("[가-힣]")
# Streamlit's own elements, which are not ours to mend.
NOT_OURS = [["[data-testid=stHeader]"], ["[data-testid=stSidebar]"]]


# All words of a page, those in the components' shadow trees and in labels too; the header's
# choice of language is in both languages by design.
WORDS = """
node => {
  const words = [];
  const walk = (each) => {
    if (each.nodeType === Node.TEXT_NODE) words.push(each.textContent);
    if (each.nodeType === Node.ELEMENT_NODE) {
      if (["STYLE", "SCRIPT"].includes(each.tagName) || each.classList.contains("frame")) return;
      for (const name of ["aria-label", "placeholder", "title"]) {
        words.push(each.getAttribute(name) ?? "");
      }
    }
    if (each.shadowRoot) walk(each.shadowRoot);
    each.childNodes.forEach(walk);
  };
  walk(node);
  return words.join("\\n");
}
"""


@pytest.fixture(autouse=True)
def _patient() -> None:
    expect.set_options(timeout=PATIENCE_MS)


def open_page(visit: Visit, path: str) -> Page:
    page = visit.open(path)
    expect(page.locator(SIGNS[path]).first).to_be_attached()
    return page


@pytest.fixture
def incident(fed: RunningDashboard) -> int:
    return fed.feeder.incident()


@pytest.mark.parametrize("size", [MONITOR, PHONE], ids=["monitor", "phone"])
@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.usefixtures("incident")
def test_every_page_is_usable(
    browser: Browser,
    fed: RunningDashboard,
    size: dict[str, int],
    language: str,
) -> None:
    """No console errors, no raw key, nothing wider than the window, no serious finding of axe."""
    context = browser.new_context(viewport=size)  # type: ignore[arg-type]
    cookie = {"name": "headcount_language", "value": language, "url": fed.address}
    context.add_cookies([cookie])  # type: ignore[list-item]
    visit = Visit(context.new_page(), fed.address)
    for path in PAGES:
        page = open_page(visit, path)
        main = page.locator("[data-testid=stMain]")
        words = words_of(main, language)
        assert RAW_KEY.findall(words) == [], path
        assert (KOREAN.search(words) is not None) == (language == "ko"), path
        assert main.evaluate("node => node.scrollWidth - node.clientWidth") <= 0, path
        assert serious(page) == [], path
    assert visit.errors == []
    assert visit.external() == []
    context.close()


def words_of(main: Locator, language: str) -> str:
    """All words of a page, once they stand; the frame of a page may be there before them."""

    def drawn() -> str:
        words = str(main.evaluate(WORDS))
        return words if language != "ko" or KOREAN.search(words) else ""

    return wait_until(drawn, timeout_s=PATIENCE_MS / 1000)


def serious(page: Page) -> list[str]:
    """What axe finds that is serious or critical, one line each."""
    options = {"resultTypes": ["violations"]}
    found = Axe().run(page, context={"exclude": NOT_OURS}, options=options)
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found.response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_light_colours_can_be_read_too(browser: Browser, fed: RunningDashboard) -> None:
    context = browser.new_context(viewport=MONITOR)  # type: ignore[arg-type]
    visit = Visit(context.new_page(), fed.address)
    page = open_page(visit, "/")
    page.get_by_role("button", name="Light", exact=True).click()
    expect(page.locator(".headcount[data-theme=light] article.tile").first).to_be_visible()
    for path in ("/", "/incidents"):
        fed.feeder.incident()
        assert serious(open_page(visit, path)) == [], path
    assert visit.errors == []
    context.close()


def test_a_viewer_chooses_the_language(browser: Browser, fed: RunningDashboard) -> None:
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    visit = Visit(context.new_page(), fed.address)
    page = open_page(visit, "/")
    page.get_by_role("button", name="한국어").click()

    expect(page.locator("article.tile .chip").first).to_have_text("경계")
    assert page.evaluate("document.documentElement.lang") == "ko"
    page.get_by_role("button", name="English").click()
    expect(page.locator("article.tile .chip").first).to_have_text("Warning")
    assert visit.errors == []
    context.close()


def test_the_model_page_counts_a_picture_of_ones_own(
    browser: Browser,
    fed: RunningDashboard,
    tmp_path: Path,
) -> None:
    """A worker that answers the command `count` is played here; `tests/inference` has the real."""
    from core.commands import CommandListener
    from core.messages import Keys

    asked: list[Command] = []

    def count(command: Command) -> Reply:
        asked.append(command)
        steps = int(command.arguments.get("steps", 1))
        result = {"count": 10.0 + steps, "low": 8.0, "high": 15.0, "ms": 80.0 * steps}
        return Reply(id=command.id, ok=True, result={**result, "heads": [[20.0, 30.0, 1.0]]})

    picture = tmp_path / "mine.jpg"
    picture.write_bytes(a_picture())
    context = browser.new_context(viewport=MONITOR)  # type: ignore[arg-type]
    visit = Visit(context.new_page(), fed.address)
    with CommandListener(fed.feeder.url, Keys(), Service.WORKER, {"count": count}) as listener:
        assert listener.wait_until_ready(5)
        page = open_page(visit, "/model")
        page.locator(".trial input[type=file]").set_input_files(str(picture))
        expect(page.locator(".trial-result")).to_have_text("11 people, 90 % interval 8–15")
        page.get_by_role("button", name="Compare steps and samples").click()
        expect(page.locator(".trial tbody tr").last).to_contain_text("14.0")
        expect(page.locator(".trial tbody tr")).to_have_count(6)
    assert asked[0].payload == a_picture()
    assert "samples" not in asked[0].arguments
    assert {command.arguments.get("steps") for command in asked[1:]} == {"1", "2", "4", "8"}
    assert fed.http.post("/api/v1/count?steps=0", content=b"x").status_code == 400
    assert fed.http.post("/api/v1/count").status_code == 400
    assert visit.errors == []
    context.close()


@pytest.fixture(scope="module")
def sixty_four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Feeder]]:
    """A site of 64 cameras that are all counted; its address and its feeder."""
    port = free_port()
    path = tmp_path_factory.mktemp("wide") / "site.yaml"
    levels = {"unit": "persons", "watch": 60}
    cameras = [
        {
            "id": f"c{number:02d}",
            "name": f"Camera {number:02d}",
            "source": f"rtsp://127.0.0.1:9/{number}",
            "zones": [{"id": "all", "levels": levels}],
        }
        for number in range(64)
    ]
    path.write_text(json.dumps({"cameras": cameras, "dashboard": {"port": port}}))
    loaded = load_site(path)
    history = History.open(loaded.site.history.url)
    address = f"http://127.0.0.1:{port}"
    with (
        LocalBroker(memory_mb=256) as broker,
        httpx.Client(base_url=address, timeout=10) as http,
        dashboard_process(loaded, broker.url) as process,
    ):
        feeder = Feeder(broker.url, history, loaded.version, every_s=1.0)
        feeder.counts = {f"c{number:02d}": float(number) for number in range(64)}
        feeder.levels = {("c63", "all"): ("critical", None)}
        with feeder.running():
            wait_until(lambda: answers(http, process), timeout_s=30, every_s=0.1)
            yield address, feeder
    history.close()


def test_sixty_four_cameras_on_one_monitor(
    browser: Browser,
    sixty_four: tuple[str, Feeder],
) -> None:
    """All on the screen, at most four pictures under way, none for what is not to be seen."""
    address, _ = sixty_four
    context = browser.new_context(viewport=MONITOR)  # type: ignore[arg-type]
    page = context.new_page()
    visit = Visit(page, address)
    under_way, most = set[str](), [0]

    def begun(url: str) -> None:
        if "/live/" in url:
            under_way.add(url)
            most[0] = max(most[0], len(under_way))

    page.on("request", lambda request: begun(request.url))
    page.on("requestfinished", lambda request: under_way.discard(request.url))
    page.on("requestfailed", lambda request: under_way.discard(request.url))

    page.goto(f"{address}/?monitor=1")
    tiles = page.locator("article.tile")
    expect(tiles).to_have_count(64)
    expect(tiles.first.locator(".name")).to_have_text("Camera 63")
    expect(page.locator("article.tile[data-picture=yes]")).to_have_count(64, timeout=30_000)
    last = tiles.last.bounding_box()
    assert last is not None
    assert last["y"] + last["height"] <= MONITOR["height"]
    expect(page.locator("[data-testid=stHeader]")).to_be_hidden()
    assert 1 <= most[0] <= 4

    page.get_by_label("Find a camera").fill("camera 1")
    expect(page.locator("article.tile:visible")).to_have_count(10)
    page.get_by_role("button", name="1 critical").click()
    expect(page.locator(".filtered")).to_contain_text("No camera matches")
    assert "level=critical" in page.url
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("article.tile:visible")).to_have_count(64)
    page.get_by_label("Find a camera").fill("63")
    expect(page.locator("article.tile:visible")).to_have_count(1)
    wait_until(lambda: none_under_way(page, under_way, but="c63"), timeout_s=15)
    seen = len(visit.requests)
    wait_until(lambda: later(page, visit, seen, "/live/c63.jpg"), timeout_s=15)
    assert {url.split("?")[0] for url in visit.requests[seen:] if "/live/" in url} == {
        f"{address}/live/c63.jpg"
    }
    page.get_by_role("button", name="Leave full screen").click()
    expect(page.locator("[data-testid=stHeader]")).to_be_visible()
    assert visit.errors == []
    context.close()


def none_under_way(page: Page, under_way: set[str], but: str) -> bool:
    """Whether what was begun before the filter, also what is only now told of, has ended."""
    page.wait_for_timeout(100)
    return all(f"/live/{but}.jpg" in url for url in under_way)


def later(page: Page, visit: Visit, seen: int, part: str) -> bool:
    page.wait_for_timeout(100)
    return sum(part in url for url in visit.requests[seen:]) >= 2
