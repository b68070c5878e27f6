"""Passwords: which are accepted, and how they are hashed and compared."""

from __future__ import annotations

import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 10  # characters
LONGEST = 256

_hasher = PasswordHasher()  # Argon2id with the parameters of RFC 9106 for little memory: 64 MiB
_one_at_a_time = threading.Lock()  # so that many attempts at once cannot take the memory
_nobodys = _hasher.hash(secrets.token_urlsafe())


class PasswordError(ValueError):
    """A password is not accepted; the text is one sentence."""


def hash_password(password: str) -> str:
    """The password's Argon2id hash.

    Raises:
        PasswordError: it is too short or too long.
    """
    password = _normal(password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordError(f"a password has {SHORTEST} to {LONGEST} characters")
    with _one_at_a_time:
        return _hasher.hash(password)


def is_password(password_hash: str | None, password: str) -> bool:
    """Whether this is the password; for no hash it takes as long and is False."""
    password = _normal(password)[: LONGEST + 1]
    with _one_at_a_time:
        try:
            _hasher.verify(password_hash or _nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def _normal(password: str) -> str:
    # The same Korean or accented word is typed as other code points on other machines.
    return unicodedata.normalize("NFKC", password)
