"""Ports of this machine."""

from __future__ import annotations

import socket

from headcount.failures import InputError


class PortTakenError(InputError):
    """Another program listens where the dashboard should."""


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free_port(host: str, port: int) -> None:
    """Check that the dashboard can listen.

    Raises:
        PortTakenError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTakenError(
                f"the dashboard cannot listen on {host}:{port}: {error.strerror}; "
                "choose another dashboard.port"
            ) from None
