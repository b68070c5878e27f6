"""What differs between two configurations of a site, and what each service has to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from core.settings import CameraSettings, Site

# What of a camera the service that plays it does not use: changing it never restarts the stream.
NOT_PLAYED = frozenset({"name", "zones", "age_limit", "privacy"})
# What services are built upon: a change of it waits until Headcount is started again.
FIXED = ("broker", "history.url", "model.name", "model.device", "evidence", "dashboard", "access")


@dataclass(frozen=True)
class SiteChanges:
    """The difference between an old and a new configuration; ids of cameras, in the site's order.

    Attributes:
        replayed: cameras whose stream has to be opened anew.
        edited: cameras of which anything else changed, such as a zone or the name.
        other: paths of sections outside the cameras that changed and take effect at once.
        waiting: paths that take effect only when Headcount is started again.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replayed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def waiting_sentence(self) -> str:
        """What cannot be reloaded, in one sentence; empty where there is nothing."""
        if not self.waiting:
            return ""
        names = ", ".join(self.waiting)
        return f"The change of {names} takes effect when Headcount is started again."


def changes(old: Site, new: Site) -> SiteChanges:
    """What has changed from ``old`` to ``new``."""
    before = {camera.id: camera for camera in old.cameras}
    after = {camera.id: camera for camera in new.cameras}
    both = [(before[name], camera) for name, camera in after.items() if name in before]
    replayed = {mine.id for was, mine in both if is_replayed(was, mine)}
    applied = applicable(old, new)
    sections = [name for name in Site.model_fields if name != "cameras"]
    return SiteChanges(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        replayed=tuple(name for name in after if name in replayed),
        edited=tuple(mine.id for was, mine in both if was != mine and mine.id not in replayed),
        other=tuple(name for name in sections if getattr(old, name) != getattr(applied, name)),
        waiting=tuple(path for path in FIXED if _value(old, path) != _value(new, path)),
    )


def is_replayed(old: CameraSettings, new: CameraSettings) -> bool:
    """Whether a change of a camera's settings needs its stream to be opened anew."""
    return any(
        getattr(old, name) != getattr(new, name)
        for name in CameraSettings.model_fields
        if name not in NOT_PLAYED
    )


def applicable(running: Site, new: Site) -> Site:
    """``new`` with what cannot be changed while running left as it is in ``running``."""
    site = new
    for path in FIXED:
        section, _, key = path.partition(".")
        kept = getattr(running, section)
        if key:
            kept = getattr(site, section).model_copy(update={key: getattr(kept, key)})
        site = site.model_copy(update={section: kept})
    return site


def _value(site: Site, path: str) -> object:
    value: object = site
    for step in path.split("."):
        value = getattr(value, step)
    return value
