"""Still backgrounds: for cameras whose pictures stay in the worker, what the crowd map is drawn on.

An admin takes one, once, when the place is empty. It lies as a file beside the history, readable by
the service's own user only; nothing else of such a camera's pictures is kept anywhere.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from core.settings import Site

FOLDER = "backgrounds"
SQLITE = "sqlite:///"


class StillError(RuntimeError):
    """A background cannot be taken or kept; the text is one sentence."""


def stills_folder(site: Site) -> Path:
    """The folder beside a SQLite history, or beside the evidence where the history is a server."""
    url = site.history.url
    place = Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else Path(site.evidence.dir)
    return place.parent / FOLDER


class Stills:
    """The backgrounds of a site, each read once. Safe between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, bytes | None] = {}
        self._lock = threading.Lock()

    def jpeg(self, camera: str) -> bytes | None:
        """A camera's background, or None where none was taken."""
        with self._lock:
            if camera not in self._known:
                try:
                    self._known[camera] = self._path(camera).read_bytes()
                except OSError:
                    self._known[camera] = None
            return self._known[camera]

    def keep(self, camera: str, jpeg: bytes) -> None:
        """Keep a background in place of the one before.

        Raises:
            StillError: the folder cannot be written to.
        """
        path = self._path(camera)
        draft = path.with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                f.write(jpeg)
            draft.replace(path)
        except OSError as error:
            raise StillError(f"{path} cannot be written: {error.strerror}") from None
        with self._lock:
            self._known[camera] = jpeg

    def remove(self, camera: str) -> bool:
        """Delete a background; whether there was one."""
        there = self.jpeg(camera) is not None
        with suppress(FileNotFoundError):
            self._path(camera).unlink()
        with self._lock:
            self._known[camera] = None
        return there

    def _path(self, camera: str) -> Path:
        return self._folder / f"{camera}.jpg"
