"""Takes the README's picture: runs the demo and photographs its wall with a real browser.

python docs/screenshot.py docs/images/wall.png
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

READY_WITHIN_S = 300.0  # the scene is rendered first
WATCH_S = 55.0  # until the scene has filled and the charts have something to show
BROWSER = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_counts(address: str) -> None:
    """Return when every camera has a count.

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
        if cameras and all(camera["status"] == "ok" for camera in cameras):
            return
        time.sleep(1)
    raise TimeoutError("the demo's cameras were not counted in time")


def photograph(address: str, out: Path) -> None:
    """Save the wall at ``address`` as a PNG."""
    executable = next((path for name in BROWSER if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(address)
        page.wait_for_timeout(WATCH_S * 1000)
        out.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(out))
        browser.close()


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/wall.png")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "headcount", "demo", "--port", str(port)]
    demo = subprocess.Popen(command)  # noqa: S603 - our own command line
    try:
        wait_for_counts(address)
        photograph(address, out)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)
    print(f"Wrote {out}")


if __name__ == "__main__":
    main()
