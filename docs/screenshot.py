"""Takes the pictures of the documents with a real browser.

python -m docs.screenshot               the README's wall: the demo, counted live
python -m docs.screenshot --pages       every page, of a staged site (tests/dashboard/staging.py)

The second needs the demo's clips, which the first renders.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from headcount.demo import clips_folder
from scenes.scene import CYCLE
from tests.chromium import FLAGS
from tests.dashboard.conftest import free_port
from tests.dashboard.staging import StagedFeeder, staged_dashboard

IMAGES = Path(__file__).with_name("images")
READY_WITHIN_S = 300.0  # the scene is rendered first
WATCH_S = 55.0  # until the scene has filled and the charts have something to show
QUALITY = 82
BROWSER = ("chromium", "chromium-browser", "google-chrome")
HOUR_MS = 3_600_000
STAGED_CAMERAS = 8
NOTES = {
    "en": ("M. Weber", "Second door opened, steward at the stairs"),
    "ko": ("김민준", "2번 출입구 개방, 안내 방송 실시"),
}


@dataclass(frozen=True)
class Shot:
    """One picture: a page in a language and a window, after something was pressed."""

    name: str
    path: str
    language: str = "en"
    window: tuple[int, int] = (1600, 900)
    light: bool = False
    press: str = ""  # the label of a button
    sign: str = "article.tile[data-picture=yes]"  # what is there when the page is ready


SHOTS = [
    Shot("wall-ko", "/?monitor=1", "ko"),
    Shot("camera", "/camera?camera=cam-1", press="24 h", sign=".tile[data-picture=yes]"),
    Shot("incidents", "/incidents", sign=".incident"),
    Shot("system", "/system", light=True, sign=".headcount table"),
    Shot("phone-ko", "/incidents", "ko", (390, 844), sign=".incident"),
]


@contextmanager
def launched() -> Iterator[Browser]:
    executable = next((path for name in BROWSER if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


def wait_for_counts(address: str, blind: int = 0) -> None:
    """Return when every camera but ``blind`` of them has a count.

    Raises:
        TimeoutError: not within `READY_WITHIN_S`.
    """
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/api/v1/cameras", timeout=5) as answer:  # noqa: S310
                cameras = json.load(answer)
        except OSError:
            cameras = []
        if cameras and sum(camera["status"] != "ok" for camera in cameras) <= blind:
            return
        time.sleep(1)
    raise TimeoutError("the cameras were not counted in time")


def photograph_demo(out: Path) -> None:
    """The wall of `headcount demo`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "headcount", "demo", "--port", str(port)]
    demo = subprocess.Popen(command)  # noqa: S603 - our own command line
    try:
        wait_for_counts(address)
        with launched() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(address)
            page.wait_for_timeout(WATCH_S * 1000)
            page.screenshot(path=str(out), type="jpeg", quality=QUALITY)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


@contextmanager
def staged(language: str) -> Iterator[str]:
    """A dashboard with a staged site; its address."""

    def fill(feeder: StagedFeeder) -> None:
        feeder.past()
        stage_incidents(feeder, language)

    with staged_dashboard(language, STAGED_CAMERAS, clips_folder(CYCLE), fill) as (address, _):
        wait_for_counts(address, blind=1)
        yield address


def stage_incidents(feeder: StagedFeeder, language: str) -> None:
    """Three open incidents and a week of past ones."""
    now = feeder.clock.now_ms()
    who, note = NOTES[language]
    outage = {"kind": "camera", "zone": None, "level": "unknown", "peak_level": "unknown"}
    feeder.incident(camera="cam-1", zone="near", peak=4.3, raised_at=now - 9 * 60_000)
    feeder.incident(camera="blind", **outage, unit="", peak=0, raised_at=now - 42 * 60_000)
    random_ = random.Random(5)  # noqa: S311 - a picture, not a secret
    peaks = {"watch": 52, "warning": 83, "critical": 121}
    for number in range(36):
        level = random_.choice(["watch", "watch", "warning", "critical"])
        at = now - HOUR_MS - int(random_.random() ** 1.5 * 150 * HOUR_MS)
        seen = {"acknowledged_at": at + 120_000, "acknowledged_by": who, "note": note}
        feeder.incident(
            camera=f"cam-{random_.randrange(1, 8)}",
            zone="all",
            level="normal",
            peak_level=level,
            unit="persons",
            peak=peaks[level],
            raised_at=at,
            cleared_at=at + int(random_.random() * 50 * 60_000) + 60_000,
            **(seen if number % 4 else {}),
        )


def photograph_pages() -> None:
    """Every page of the list."""
    for language in sorted({shot.language for shot in SHOTS}):
        with staged(language) as address, launched() as browser:
            time.sleep(WATCH_S)
            for shot in SHOTS:
                if shot.language == language:
                    photograph(browser, address, shot)


def photograph(browser: Browser, address: str, shot: Shot) -> None:
    width, height = shot.window
    context = browser.new_context(viewport={"width": width, "height": height})
    if shot.light:
        context.add_init_script("localStorage.setItem('stActiveTheme-/-v2', '\"Light\"')")
    page = context.new_page()
    page.goto(address + shot.path)
    page.locator(shot.sign).first.wait_for(timeout=60_000)
    page.wait_for_timeout(5000)  # pictures and the chart's rows
    if shot.press:
        page.get_by_role("button", name=shot.press, exact=True).click()
        page.wait_for_timeout(3000)
    out = IMAGES / f"page-{shot.name}.jpg"
    page.screenshot(path=str(out), type="jpeg", quality=QUALITY)
    print(f"Wrote {out}")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", action="store_true", help="of a staged site")
    if parser.parse_args().pages:
        photograph_pages()
    else:
        photograph_demo(IMAGES / "wall.jpg")


if __name__ == "__main__":
    main()
