"""What the set-up pages do: edit the site file, have the services run it, restore a version.

Each edit starts from the text that the dashboard runs. A file that was changed on disk meanwhile is
never overwritten; the page offers to load it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.audit import record_audit
from core.config_versions import ConfigVersion
from core.messages import Reply, Service
from core.reloading import publish
from core.roles import Viewer
from core.settings import source_kind
from core.site_edit import FileChangedError, NotWritableError, SiteDraft, is_changed, save
from core.site_file import LoadedSite, Problem, SiteFileError, load_site, site_of_text
from core.site_secrets import SecretUnknownError, with_secrets
from core.strict_yaml import parse
from dashboard.calibration import calibration_faults
from dashboard.running import Dashboard
from dashboard.system import is_behind
from dashboard.text import say

PROBE_WITHIN_S = 20.0

_saving = threading.Lock()


class SetupError(ValueError):
    """The site file stays as it is; the text says why, one sentence per line."""


@dataclass(frozen=True)
class Applied:
    """What came of a change.

    Attributes:
        remarks: sentences on what waits for the next start, and on services that do not follow.
    """

    remarks: tuple[str, ...] = ()


def edit(
    dashboard: Dashboard, viewer: Viewer, subject: str, change: Callable[[SiteDraft], None]
) -> Applied:
    """Change the site file and have the services run it.

    Args:
        subject: what is changed, for the audit, such as ``camera gate-1``.

    Raises:
        SetupError: `headcount check` would refuse it, the file was changed meanwhile, or it cannot
            be written.
    """
    with _saving:
        _require_admin(viewer)
        running = dashboard.loaded
        text = edited_text(running, change)
        if text == running.text:
            return Applied()
        return _put(dashboard, viewer, "configuration changed", subject, text)


def edited_text(running: LoadedSite, change: Callable[[SiteDraft], None]) -> str:
    """The site file as a change would leave it.

    Raises:
        SetupError: the camera that it is about is gone.
    """
    draft = SiteDraft(running.text)
    try:
        change(draft)
    except KeyError as error:
        raise SetupError(f"There is no camera {error.args[0]!r} any more.") from None
    return draft.text()


def restore(dashboard: Dashboard, viewer: Viewer, version: ConfigVersion) -> Applied:
    """Make an older configuration the site file, with the passwords that it has now.

    Raises:
        SetupError: as `edit`, or a password of that time is not known any more.
    """
    with _saving:
        _require_admin(viewer)
        try:
            text = with_secrets(version.text, dashboard.loaded.text)
        except SecretUnknownError as error:
            raise SetupError(_sentence(str(error))) from None
        subject = f"version {version.version}"
        return _put(dashboard, viewer, "configuration restored", subject, text)


def load_from_disk(dashboard: Dashboard, viewer: Viewer) -> Applied:
    """Have the services run the site file as somebody has edited it.

    Raises:
        SetupError: `headcount check` refuses it.
    """
    with _saving:
        _require_admin(viewer)
        try:
            loaded = load_site(dashboard.loaded.path)
            _require_usable(loaded)
        except SiteFileError as error:
            raise SetupError(said(error.problems)) from None
        return _publish(dashboard, viewer, "configuration loaded", loaded.path.name, loaded)


def is_edited_by_hand(dashboard: Dashboard) -> bool:
    """Whether the site file says something else than what runs."""
    return is_changed(dashboard.loaded.path, dashboard.loaded.version)


def behind(dashboard: Dashboard) -> list[str]:
    """Processes that run another configuration than the dashboard."""
    version, since = dashboard.loaded.version, dashboard.taken_over_at
    return [
        f"{beat.service} {beat.id}"
        for beat in dashboard.live.heartbeats()
        if is_behind(beat, version, since)
    ]


def problems_of(text: str, path: Path, within: str = "") -> list[str]:
    """What `headcount check` would say of a text as the site file, one sentence each.

    Args:
        within: only of places that begin so, such as ``cameras[2].``.
    """
    try:
        loaded = site_of_text(text, path)
    except SiteFileError as error:
        return [_told(each, within) for each in error.problems if each.path.startswith(within)]
    faults = calibration_faults(loaded.site)
    return [_sentence(fault.removeprefix(within)) for fault in faults if fault.startswith(within)]


def probe(dashboard: Dashboard, source: str, transport: str) -> Reply:
    """Have ingest try a source, as it would be written in the site file.

    A picture comes only where pictures of this site may be seen as they are.

    Raises:
        SetupError: the source names a variable that is not set.
        TimeoutError: no ingest service answers.
        BrokerError: the broker is away.
    """
    document = parse(json.dumps({"source": source}), os.environ)
    if document.faults:
        raise SetupError(_sentence(document.faults[0].message))
    expanded = str(document.value["source"])
    if source_kind(expanded) == "file":
        expanded = str((dashboard.loaded.path.parent / expanded).resolve())
    shown = dashboard.site.privacy.pictures == "full"
    arguments = {"source": expanded, "transport": transport, "picture": "yes" if shown else "no"}
    return dashboard.ask(Service.INGEST, "probe", arguments, timeout_s=PROBE_WITHIN_S)


def said(problems: list[Problem]) -> str:
    """Problems of a file as lines for a person."""
    return "\n".join(f"{each.line}: {_told(each)}" for each in problems)


def _put(dashboard: Dashboard, viewer: Viewer, action: str, subject: str, text: str) -> Applied:
    running = dashboard.loaded
    try:
        _require_usable(site_of_text(text, running.path))
        loaded = save(text, running.path, running.version)
    except SiteFileError as error:
        raise SetupError("\n".join(map(_told, error.problems))) from None
    except (FileChangedError, NotWritableError) as error:
        raise SetupError(_sentence(str(error))) from None
    return _publish(dashboard, viewer, action, subject, loaded)


def _require_admin(viewer: Viewer) -> None:
    if not viewer.may_configure:
        raise SetupError(say("setup.admins_only"))


def _require_usable(loaded: LoadedSite) -> None:
    faults = calibration_faults(loaded.site)
    if faults:
        raise SetupError("\n".join(map(_sentence, faults)))


def _publish(
    dashboard: Dashboard, viewer: Viewer, action: str, subject: str, loaded: LoadedSite
) -> Applied:
    """Note the change, and have the services run it."""
    now = dashboard.values.now_ms()
    with dashboard.history.transaction() as connection:
        record_audit(connection, now, viewer.name, action, subject, f"version {loaded.version}")
    history, client, keys = dashboard.history, dashboard.client, dashboard.keys
    published = publish(history, client, keys, loaded, viewer.name, now)
    remarks = [published.waiting] if published.waiting else []
    return Applied((*remarks, *map(_sentence, published.failures)))


def _told(problem: Problem, within: str = "") -> str:
    path = problem.path.removeprefix(within)
    return _sentence(f"{path}: {problem.message}" if path else problem.message)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def camera_place(loaded: LoadedSite, camera_id: str) -> str:
    """Where a camera stands in the site file, such as ``cameras[2].``."""
    ids: list[Any] = [camera.id for camera in loaded.written.cameras]
    return f"cameras[{ids.index(camera_id)}]."
