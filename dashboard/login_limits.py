"""Failed sign-ins slow the next ones down: per account and address, per address, per account.

Nobody is locked out for good: waits are bounded, a success clears them, and failures from elsewhere
make an account wait a few seconds only, so that they cannot keep its owner out.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_REMEMBERED = 10_000
FORGOTTEN_AFTER_S = 900.0


@dataclass(frozen=True)
class Limit:
    """So many failures are free; then each doubles the wait, up to the longest."""

    free: int
    longest_s: float

    def wait_s(self, failures: int) -> float:
        """How long to wait after so many failures.

        >>> [Limit(free=3, longest_s=60).wait_s(n) for n in (2, 3, 4, 5, 99)]
        [0.0, 1.0, 2.0, 4.0, 60]
        """
        over = failures - self.free
        return min(self.longest_s, 2.0 ** min(over, 30)) if over >= 0 else 0.0


PAIR = Limit(free=3, longest_s=60)  # one account from one address
ADDRESS = Limit(free=20, longest_s=60)  # any accounts from one address
ACCOUNT = Limit(free=10, longest_s=5)  # one account from anywhere


@dataclass(frozen=True)
class _Failures:
    number: int
    last_at: float


class LoginLimits:
    """Counts failed sign-ins of this process, in bounded memory. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, ...], _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def attempt(self, account: str, address: str) -> float:
        """Seconds to wait before this sign-in may be tried; 0 means that it may be, now.

        An attempt counts as failed from the start, so that many at once gain nothing.
        """
        now = self._clock()
        keys = _keys(account, address)
        with self._lock:
            wait_s = max(self._wait_s(key, limit, now) for key, limit in keys.items())
            if wait_s > 0:
                return wait_s
            for key in keys:
                number = self._number(key, now) + 1
                self._failures.pop(key, None)
                self._failures[key] = _Failures(number, now)
            while len(self._failures) > MOST_REMEMBERED:
                self._failures.popitem(last=False)
        return 0.0

    def succeeded(self, account: str, address: str) -> None:
        """The attempt was right: what it counted is taken back, and the account starts afresh."""
        with self._lock:
            for key, limit in _keys(account, address).items():
                known = self._failures.pop(key, None)
                if limit is ADDRESS and known is not None and known.number > 1:
                    self._failures[key] = _Failures(known.number - 1, known.last_at)

    def _number(self, key: tuple[str, ...], now: float) -> int:
        known = self._failures.get(key)
        return known.number if known and now - known.last_at < FORGOTTEN_AFTER_S else 0

    def _wait_s(self, key: tuple[str, ...], limit: Limit, now: float) -> float:
        number = self._number(key, now)
        if number == 0:
            return 0.0
        return max(0.0, self._failures[key].last_at + limit.wait_s(number) - now)


def _keys(account: str, address: str) -> dict[tuple[str, ...], Limit]:
    network = _network(address)
    return {
        ("pair", account, network): PAIR,
        ("address", network): ADDRESS,
        ("account", account): ACCOUNT,
    }


def _network(address: str) -> str:
    """The address, or the /64 of an IPv6 one, which is one customer's."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return address
    return str(ipaddress.ip_network((int(ip), 64), strict=False))
