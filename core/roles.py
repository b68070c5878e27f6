"""What people may do: roles, and the cameras that an account may see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an account may do; each may also do what those before it may."""

    VIEWER = "viewer"  # look
    OPERATOR = "operator"  # acknowledge incidents
    ADMIN = "admin"  # change the configuration

    def includes(self, other: Role) -> bool:
        """Whether this role may do what ``other`` may.

        >>> Role.ADMIN.includes(Role.OPERATOR), Role.VIEWER.includes(Role.OPERATOR)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Viewer:
    """Who looks at the dashboard or asks the API.

    Attributes:
        name: shown, and written beside what was acknowledged or changed.
        cameras: ids of the cameras that may be seen; None for all, later ones included.
    """

    name: str
    role: Role
    cameras: frozenset[str] | None = None

    def may_see(self, camera: str | None) -> bool:
        """Whether this camera may be seen; what belongs to no camera may be seen by everybody."""
        return not camera or self.cameras is None or camera in self.cameras

    @property
    def may_acknowledge(self) -> bool:
        return self.role.includes(Role.OPERATOR)

    @property
    def may_configure(self) -> bool:
        return self.role.includes(Role.ADMIN)


LOCAL = Viewer("local", Role.ADMIN)  # everybody, while login is off
