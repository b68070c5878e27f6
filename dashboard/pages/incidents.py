"""Open and past incidents, their evidence and their acknowledgement."""

from __future__ import annotations

from dashboard import component
from dashboard.running import running

component.incidents(running())
