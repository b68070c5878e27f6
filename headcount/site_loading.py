"""The site file with what a deployment may override by environment variables.

A container mounts the site file read-only and keeps history and evidence on a volume: that is a
property of the place, not of the site, so it is not written into the file.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from core.settings import EvidenceSettings, Site
from core.site_file import LoadedSite, load_site

HISTORY_VARIABLE = "HEADCOUNT_HISTORY_URL"
EVIDENCE_VARIABLE = "HEADCOUNT_EVIDENCE_DIR"


def load(path: Path, *, check_files: bool = False) -> LoadedSite:
    """The site, with the overrides applied.

    Args:
        check_files: whether the files that cameras play must exist.

    Raises:
        core.site_file.SiteFileError: the file has problems, each with its line.
    """
    loaded = load_site(path, check_files=check_files)
    return dataclasses.replace(loaded, site=_overridden(loaded.site))


def _overridden(site: Site) -> Site:
    history_url = os.environ.get(HISTORY_VARIABLE)
    if history_url:
        history = site.history.model_copy(update={"url": history_url})
        site = site.model_copy(update={"history": history})
    evidence_dir = os.environ.get(EVIDENCE_VARIABLE)
    if evidence_dir:
        evidence = EvidenceSettings(dir=str(Path(evidence_dir).resolve()))
        site = site.model_copy(update={"evidence": evidence})
    return site
