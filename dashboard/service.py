"""The dashboard service: Streamlit's pages and our HTTP routes on one port, in one process."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from streamlit.starlette import App
from streamlit.web import bootstrap

from core.accounts import is_anybody
from core.broker import connect
from core.clock import Clock
from core.commands import CommandListener
from core.config_versions import record
from core.heartbeat import HeartbeatSender
from core.history import History
from core.live import LiveView
from core.messages import Keys, Service
from core.reloading import Reloads
from core.settings import DashboardSettings
from core.site_file import LoadedSite
from dashboard.access import Access
from dashboard.answers import accounts_away, fallback_routes, http_error, server_error
from dashboard.api import Api
from dashboard.backgrounds import Backgrounds
from dashboard.events import Events
from dashboard.evidence import Evidence
from dashboard.identity import AccountsAwayError, Identities
from dashboard.login import Login
from dashboard.metrics import Metrics
from dashboard.oidc import Oidc
from dashboard.openapi import Openapi
from dashboard.overlay import Overlays
from dashboard.pictures import LivePictures
from dashboard.running import Dashboard, announce
from dashboard.shell import shell_routes
from dashboard.stills import Stills, stills_folder
from dashboard.theme import THEME
from dashboard.trial import Trial
from dashboard.values import Values

log = structlog.get_logger()

SCRIPT = Path(__file__).with_name("pages") / "main.py"
STARTED = "start"  # who applied a configuration that was there when the dashboard started
BIND_VARIABLE = "HEADCOUNT_DASHBOARD_BIND"
GRACE_S = 3  # for requests in flight when the service stops


class PortTakenError(ValueError):
    """The dashboard's address cannot be listened on; the text is one sentence."""


def run(loaded: LoadedSite, url: str, stop: threading.Event) -> None:
    """Serve the dashboard until ``stop`` is set.

    Args:
        loaded: the site.
        url: of the broker.
        stop: ends the service.

    Raises:
        PortTakenError: another program listens on the dashboard's port.
        HistoryError: the history database cannot be opened.
    """
    with listening(loaded.site.dashboard) as listener, parts(loaded, url) as dashboard:
        announce(dashboard)
        configure_streamlit(loaded.site.dashboard)
        host, port = listener.getsockname()[:2]
        log.info("dashboard ready", address=f"http://{host}:{port}")
        asyncio.run(serve(application(dashboard), listener, dashboard, stop))


@contextmanager
def listening(settings: DashboardSettings) -> Iterator[socket.socket]:
    """A socket that listens on the dashboard's address.

    In a container that is the container's own, by ``HEADCOUNT_DASHBOARD_BIND``: its port is then
    published on the host's loopback only, and Host and Origin are checked as on loopback.

    Raises:
        PortTakenError: it cannot be had.
    """
    listen_on = os.environ.get(BIND_VARIABLE) or settings.host
    place = f"{listen_on}:{settings.port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            listen_on, settings.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise PortTakenError(f"dashboard.host: {place} cannot be listened on: {error}") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(2048)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(
                    f"dashboard.port: {settings.port} is taken on {listen_on}; "
                    "stop the other program or choose another port in the site file"
                ) from None
            raise PortTakenError(
                f"dashboard.port: {place} cannot be listened on: {error.strerror}"
            ) from None
        listener.setblocking(False)
        yield listener


@contextmanager
def parts(loaded: LoadedSite, url: str) -> Iterator[Dashboard]:
    """Everything the dashboard works with, started; stopped at the end."""
    site = loaded.site
    history = History.open(site.history.url)
    client = connect(url)
    keys = Keys(site.broker.shards)
    live = LiveView(url, keys, site.cameras, pictures=True)
    overlays = Overlays(live, site.cameras, Stills(stills_folder(site)))
    values = Values(site.cameras, live, overlays, history)
    identities = Identities(history, site.access)
    sender = HeartbeatSender(
        Service.DASHBOARD,
        client,
        Clock(client),
        config_version=loaded.version,
        version=version("headcount"),
    )
    try:
        live.start()
        values.start()
        dashboard = Dashboard(
            loaded, live, history, values, overlays, identities, client, sender.progress
        )
        note_applied(dashboard)
        note_users(dashboard)
        handlers = {"reload": Reloads(loaded, sender, dashboard.take_over).answer}
        with sender, CommandListener(url, keys, Service.DASHBOARD, handlers):
            yield dashboard
    finally:
        values.stop()
        live.stop()
        client.close()
        history.close()


def note_users(dashboard: Dashboard) -> None:
    """Say in the log that nobody can sign in yet, where it is so."""
    with dashboard.history.snapshot() as connection:
        nobody = dashboard.site.access.login == "local" and not is_anybody(connection)
    if nobody:
        hint = f"headcount users add {dashboard.loaded.path.name} NAME --role admin"
        log.warning("nobody can sign in: there are no users yet", add_one=hint)


def note_applied(dashboard: Dashboard) -> None:
    """Note what is run as an applied configuration, where it is another than the last one."""
    with dashboard.history.transaction() as connection:
        record(connection, dashboard.loaded, STARTED, dashboard.values.now_ms())


def application(dashboard: Dashboard) -> App:
    """Our routes first, then Streamlit's, all behind `Access`."""
    login = Login(dashboard)
    routes: list[BaseRoute] = [
        *login.routes(),
        *Oidc(dashboard, login).routes(),
        *Metrics(dashboard).routes(),
        *Events(dashboard).routes(),
        *Api(dashboard).routes(),
        *Evidence(dashboard).routes(),
        *LivePictures(dashboard).routes(),
        *Backgrounds(dashboard).routes(),
        *Trial(dashboard).routes(),
        *Openapi(dashboard).routes(),
    ]
    routes += fallback_routes(routes)
    routes += shell_routes(("/", "/camera", "/incidents", "/system", "/model", "/setup"))
    access = Middleware(Access, dashboard.identities, dashboard.site.dashboard)
    return App(
        SCRIPT,
        routes=routes,
        middleware=[access],
        exception_handlers={
            HTTPException: http_error,
            AccountsAwayError: accounts_away,
            Exception: server_error,
        },
    )


def configure_streamlit(settings: DashboardSettings) -> None:
    """Set Streamlit up for a network of its own: no telemetry, no watcher, our theme."""
    options: dict[str, Any] = {
        "server.address": settings.host,
        "server.port": settings.port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableCORS": True,  # that is, its protection
        "server.enableXsrfProtection": True,
        "server.enableStaticServing": False,
        "browser.gatherUsageStats": False,
        "browser.serverAddress": settings.host,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "client.allowedOrigins": [],
        "runner.magicEnabled": False,
        "logger.level": "warning",
        **THEME,
    }
    bootstrap.load_config_options(options)


class Server(uvicorn.Server):
    """Leaves signals to the program that runs the service: it sets ``stop``."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: App, listener: socket.socket, dashboard: Dashboard, stop: threading.Event
) -> None:
    """Serve ``app`` on ``listener`` until ``stop`` is set."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    server = Server(config)

    async def end() -> None:
        while not stop.is_set():
            await asyncio.sleep(0.1)
            dashboard.progress()
        await asyncio.to_thread(dashboard.values.stop)  # ends the streams
        server.should_exit = True

    ending = asyncio.create_task(end())
    try:
        await server.serve(sockets=[listener])
    finally:
        ending.cancel()
    if not server.started:
        raise RuntimeError("the dashboard's web server did not start; its log says why")
