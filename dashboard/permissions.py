"""Which role a request needs. What is not named here is for admins only, if it changes anything."""

from __future__ import annotations

import re

from core.roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# No login is needed for these; everything else is denied by default.
OPEN = re.compile(r"/healthz|/login|/auth/[a-z]+")

# What changes something, and who may: anything else needs an admin.
CHANGES = (
    (re.compile(r"/api/v1/incidents/\d+/ack"), Role.OPERATOR),
    (re.compile(r"/api/v1/count"), Role.OPERATOR),  # a picture to be counted
)


def is_open(path: str) -> bool:
    """Whether nobody needs to be signed in for this path.

    >>> is_open("/healthz"), is_open("/auth/../api/v1/cameras"), is_open("/")
    (True, False, False)
    """
    return OPEN.fullmatch(path) is not None


def needed_role(method: str, path: str) -> Role:
    """The least role for a request; WebSockets are asked for as ``GET``."""
    if method in SAFE_METHODS:
        return Role.VIEWER
    for pattern, role in CHANGES:
        if pattern.fullmatch(path):
            return role
    return Role.ADMIN
