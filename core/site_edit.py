"""Edits of a site file: comments and ``${ENV}`` stay, and only what changes is written anew.

ruamel.yaml makes the edit; what it made is read back through the strict loader before it counts,
and it is written only if the file is still the one that was read.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from core.settings import CameraSettings, Ground, Levels, Zone, parse_duration
from core.site_comments import append, pop, put, remove
from core.site_file import LoadedSite, SiteFileError, read_text, site_of_text, version_of

_FIRST_ITEM = re.compile(r"(?m)^cameras:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)- ")
_DURATIONS = frozenset({"raise_after", "clear_after", "age_limit", "stall_timeout"})
_SECTIONS: Mapping[str, type[BaseModel]] = {"ground": Ground, "levels": Levels}


class FileChangedError(ValueError):
    """The file is no longer the one that was read; the text is one sentence."""


class NotWritableError(ValueError):
    """The file cannot be written; the text is one sentence."""


class SiteDraft:
    """A site file's text under edit. Nothing is written before `save`.

    Args:
        text: of a valid site file.
    """

    def __init__(self, text: str) -> None:
        self.version = version_of(text)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = 1_000_000
        found = _FIRST_ITEM.search(text)
        offset = len(found[1]) if found else 2
        self._yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
        self._document = self._yaml.load(text)

    def text(self) -> str:
        """The file as it would be written."""
        buffer = io.StringIO()
        self._yaml.dump(self._document, buffer)
        return buffer.getvalue().replace("\n", self._newline)

    def add_camera(self, camera_id: str, source: str, **values: Any) -> None:
        """Add a camera behind the others, with values of `CameraSettings`; None is left out."""
        settings = {"id": camera_id, "source": source, **values}
        append(self._document["cameras"], _new(CameraSettings, settings))

    def change_camera(self, camera_id: str, **values: Any) -> None:
        """Set keys of a camera; None takes the key out.

        Raises:
            KeyError: the file has no such camera.
        """
        _merge(self._camera(camera_id), CameraSettings, values)

    def remove_camera(self, camera_id: str) -> None:
        """Take a camera out.

        Raises:
            KeyError: the file has no such camera.
        """
        cameras = self._document["cameras"]
        remove(cameras, cameras.index(self._camera(camera_id)))

    def set_zones(self, camera_id: str, zones: Sequence[Mapping[str, Any]]) -> None:
        """Make these the camera's zones, told apart by their ids.

        A zone's keys that are not given stay as they are, those given as None are taken out.

        Raises:
            KeyError: the file has no such camera.
        """
        camera = self._camera(camera_id)
        known = {zone["id"]: zone for zone in camera.get("zones") or []}
        if not known and [_given(zone) for zone in zones] == [{"id": "all"}]:
            return  # what a camera without zones has anyway
        kept = []
        for values in zones:
            zone = known.get(values["id"])
            if zone is None:
                zone = _new(Zone, values)
            else:
                _merge(zone, Zone, values)
            kept.append(zone)
        if not known:
            put(camera, "zones", CommentedSeq(kept))
            return
        section = camera["zones"]
        wanted = {zone["id"] for zone in kept}
        for zone in kept:
            if zone["id"] not in known:
                append(section, zone)
        for index in reversed(range(len(section))):
            if section[index]["id"] not in wanted:
                remove(section, index)

    def _camera(self, camera_id: str) -> CommentedMap:
        for camera in self._document["cameras"]:
            if camera["id"] == camera_id:
                assert isinstance(camera, CommentedMap)
                return camera
        raise KeyError(camera_id)


def save(text: str, path: Path, expected_version: str) -> LoadedSite:
    """Write a site file, whole or not at all, if it is valid and nobody has changed it meanwhile.

    Args:
        expected_version: of the text that was edited.

    Raises:
        SiteFileError: the text is not valid; with everything that is wrong.
        FileChangedError: the file now says something else.
        NotWritableError: the file or its folder cannot be written.
    """
    loaded = site_of_text(text, path)
    with _only_writer(path.parent):
        if is_changed(path, expected_version):
            raise FileChangedError(
                f"{path.name} was changed on disk since it was read here: load it first"
            )
        _replace(path, text)
    return loaded


def is_changed(path: Path, version: str) -> bool:
    """Whether the file no longer holds the text of this version, or cannot be read."""
    try:
        return version_of(read_text(path)) != version
    except SiteFileError:
        return True


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Of all processes that save through here, one at a time."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise NotWritableError(f"{folder} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        with suppress(OSError):  # some network file systems cannot
            os.fsync(handle)
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    try:
        before = path.stat()
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                os.fchmod(file.fileno(), before.st_mode & 0o7777)
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise NotWritableError(
            f"{path} cannot be written: {error.strerror}. In a container mount the folder of the "
            "site file, writable, not the file alone"
        ) from None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _new(model: type[BaseModel], values: Mapping[str, Any]) -> CommentedMap:
    section = CommentedMap()
    if model is Levels:
        section.fa.set_flow_style()
    _merge(section, model, values)
    return section


def _merge(section: CommentedMap, model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Write into ``section`` what differs from what it says already, defaults included."""
    for key, value in values.items():
        if value is None:
            pop(section, key)
        elif key in _SECTIONS:
            if not isinstance(section.get(key), CommentedMap):
                put(section, key, _new(_SECTIONS[key], value))
            else:
                _merge(section[key], _SECTIONS[key], value)
        elif not _says(section, model, key, value):
            put(section, key, _written(key, value))


def _says(section: CommentedMap, model: type[BaseModel], key: str, value: Any) -> bool:
    """Whether the key has this value already, written or by default."""
    if key not in section:
        field = model.model_fields[key]
        return not field.is_required() and _plain(field.default) == _plain(value)
    said = section[key]
    if isinstance(said, str) and key in _DURATIONS:
        said = parse_duration(said)
    return bool(_plain(said) == _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _written(key: str, value: Any) -> Any:
    """A value as somebody would write it: durations with a unit, points on one line."""
    if key in _DURATIONS:
        return f"{value:g}s"
    if isinstance(value, list | tuple):
        items = CommentedSeq(_written("", item) for item in value)
        items.fa.set_flow_style()
        return items
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
