"""The files below ``evidence.dir``: one folder per incident, each file written whole or not at all.

Beside the files lies ``SHA256SUMS``, so that ``sha256sum -c`` tells whether any was changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from core.evidence import CHECKSUMS, EvidenceFile, incident_folder

PART = ".part"  # ends the name of a file that is being written
BLOCK = 1 << 20


class EvidenceFolder:
    """Writes and deletes; every method raises OSError where the disk does not let it.

    Args:
        folder: ``evidence.dir``, made when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(
        self,
        incident: int,
        name: str,
        kind: str,
        captured_at: int,
        write: Callable[[Path], object],
        now_ms: int,
    ) -> EvidenceFile:
        """Let ``write`` make the file at the path it is given, then put it in its place."""
        inside = incident_folder(self.folder, incident)
        self.folder.mkdir(parents=True, exist_ok=True)
        inside.mkdir(mode=0o750, exist_ok=True)  # pictures of people are not for everybody
        part = inside / f"{name}{PART}"
        try:
            write(part)
            digest, size = _digest(part)
            part.replace(inside / name)
        finally:
            part.unlink(missing_ok=True)
        return EvidenceFile(incident, name, kind, captured_at, size, digest, now_ms)

    def write_checksums(self, incident: int, files: Iterable[EvidenceFile]) -> None:
        """Write down the checksums of all of an incident's files."""
        lines = [f"{file.sha256}  {file.name}\n" for file in files]
        path = incident_folder(self.folder, incident) / CHECKSUMS
        part = path.with_name(f"{CHECKSUMS}{PART}")
        part.write_text("".join(lines))
        part.replace(path)

    def delete(self, file: EvidenceFile) -> None:
        """Delete a file, and the folder that it leaves empty."""
        file.path(self.folder).unlink(missing_ok=True)
        inside = incident_folder(self.folder, file.incident)
        if inside.is_dir() and {path.name for path in inside.iterdir()} <= {CHECKSUMS}:
            (inside / CHECKSUMS).unlink(missing_ok=True)
            with suppress(OSError):  # a file was added meanwhile
                inside.rmdir()

    def delete_strays(self, known: Iterable[int], before_ms: int) -> int:
        """Delete old folders of incidents that have no evidence; returns how many.

        Such a folder is left by a process that was killed between writing a file and its row.

        Args:
            known: ids of the incidents that have evidence.
        """
        kept, deleted = {str(incident) for incident in known}, 0
        for inside in self.folder.iterdir() if self.folder.is_dir() else ():
            if not (inside.name.isdecimal() and inside.is_dir()) or inside.name in kept:
                continue
            if inside.stat().st_mtime * 1000 < before_ms:
                for path in inside.iterdir():
                    path.unlink()
                inside.rmdir()
                deleted += 1
        return deleted


def _digest(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size
