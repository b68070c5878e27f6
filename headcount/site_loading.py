"""The site file with what a deployment may override by environment variables.

A container mounts the site file read-only and keeps the history on a volume, and its dashboard
must listen on the container's own address to be published at all; both are properties of the
place, not of the site, so they are not written into the file.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from core.settings import Site
from core.site_file import LoadedSite, load_site

HISTORY_VARIABLE = "HEADCOUNT_HISTORY_URL"
BIND_VARIABLE = "HEADCOUNT_DASHBOARD_BIND"


def load(path: Path) -> LoadedSite:
    """The site, with the overrides applied.

    Raises:
        core.site_file.SiteFileError: the file has problems, each with its line.
    """
    loaded = load_site(path)
    return dataclasses.replace(loaded, site=_overridden(loaded.site))


def _overridden(site: Site) -> Site:
    history_url = os.environ.get(HISTORY_VARIABLE)
    if history_url:
        history = site.history.model_copy(update={"url": history_url})
        site = site.model_copy(update={"history": history})
    bind = os.environ.get(BIND_VARIABLE)
    if bind:
        # Not validated again on purpose: whoever sets it publishes the port on loopback only
        dashboard = site.dashboard.model_copy(update={"host": bind})
        site = site.model_copy(update={"dashboard": dashboard})
    return site
