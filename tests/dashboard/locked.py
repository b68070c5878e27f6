"""A real dashboard behind a login, with users of each role, and the list of all its routes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from core.accounts import add_token, add_user
from core.broker import LocalBroker
from core.history import History
from core.roles import Role
from core.site_file import load_site
from headcount.ports import free_port
from tests.dashboard.feeder import Feeder
from tests.waiting import wait_until

PASSWORD = "correct horse"
SEEN, HIDDEN = "hall", "vault"
HIDDEN_WORDS = ("vault", "Vault")  # in no answer to somebody who may not see it
START_LIMIT_S = 60

# name: role, cameras
USERS: dict[str, tuple[Role, list[str] | None]] = {
    "visitor": (Role.VIEWER, [SEEN]),
    "guard": (Role.OPERATOR, [SEEN]),
    "watcher": (Role.VIEWER, None),
    "chief": (Role.ADMIN, None),
}

# The service, which also writes down every route that it answers.
SERVICE = """
import json, signal, sys, threading
from pathlib import Path
from starlette.routing import Mount, WebSocketRoute
import dashboard.service as service
from core.site_file import load_site

def described(routes, prefix=""):
    for route in routes:
        if isinstance(route, Mount):
            yield prefix + route.path + "/{path:path}", ["GET", "POST"]
            yield from described(route.routes or [], prefix + route.path)
        elif isinstance(route, WebSocketRoute):
            yield prefix + route.path, ["WEBSOCKET"]
        else:
            yield prefix + route.path, sorted(route.methods or ["GET", "POST"])

def application(parts, build=service.application):
    app = build(parts)
    app._starlette_app = app._build_starlette_app()
    routes = list(described(app._starlette_app.routes))
    Path(sys.argv[3]).write_text(json.dumps(routes))
    return app

service.application = application
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
service.run(load_site(Path(sys.argv[1])), sys.argv[2], stop)
"""


@dataclass
class Locked:
    """The service under test, its users' tokens, and its routes as (path, methods)."""

    address: str
    folder: Path
    history: History
    feeder: Feeder
    tokens: dict[str, str]
    routes: list[tuple[str, list[str]]]

    def client(self, **options: Any) -> httpx.Client:
        """Somebody who is not signed in."""
        return httpx.Client(base_url=self.address, timeout=20, **options)

    def program(self, user: str) -> httpx.Client:
        """A program with a token of this user."""
        return self.client(headers={"Authorization": f"Bearer {self.tokens[user]}"})

    @contextmanager
    def browser(self, user: str) -> Iterator[httpx.Client]:
        """A browser in which this user has signed in."""
        with self.client(headers={"Origin": self.address}) as client:
            answer = client.post("/login", data={"name": user, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            yield client


@contextmanager
def locked_dashboard(folder: Path, **sections: Any) -> Iterator[Locked]:
    """Run one until the end of the block; ``sections`` of the site file besides the usual."""
    port = free_port()
    cameras = [
        {"id": SEEN, "name": "Main hall", "source": "rtsp://127.0.0.1:9/a", "age_limit": "1s"},
        {"id": HIDDEN, "name": "Vault 7", "source": "rtsp://127.0.0.1:9/b", "age_limit": "1s"},
    ]
    site = {
        "site": {"name": "Central Station"},
        "cameras": cameras,
        "dashboard": {"port": port},
        "access": {"login": "local"},
        **sections,
    }
    path, routes = folder / "site.yaml", folder / "routes.json"
    path.write_text(yaml.safe_dump(site, sort_keys=False))
    loaded = load_site(path)
    history = History.open(loaded.site.history.url)
    with history.transaction() as connection:
        for name, (role, seen) in USERS.items():
            add_user(connection, name, PASSWORD, role, seen, 0)
        tokens = {name: add_token(connection, name, 0) for name in USERS}
    address = f"http://127.0.0.1:{port}"
    with LocalBroker(memory_mb=256) as broker:
        command = [sys.executable, "-c", SERVICE, str(path), broker.url, str(routes)]
        process = subprocess.Popen(command)
        try:
            with httpx.Client(base_url=address) as http:
                wait_until(lambda: is_well(http, process), timeout_s=START_LIMIT_S, every_s=0.1)
            feeder = Feeder(broker.url, history, loaded.version)
            feeder.counts = {SEEN: 12.0, HIDDEN: 77.0}
            with feeder.running():
                found = [(route, methods) for route, methods in json.loads(routes.read_text())]
                yield Locked(address, folder, history, feeder, tokens, found)
        finally:
            process.terminate()
            process.wait(timeout=20)
            history.close()


def is_well(http: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the dashboard ended with {process.returncode}"
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
