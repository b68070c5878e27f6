"""Tables of the history database for accounts: users, tokens, sessions, audit.

Passwords, tokens and sessions are stored as hashes only: who reads the database cannot sign in.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from core.history_schema import metadata

__all__ = ["audit", "metadata", "sessions", "tokens", "users"]

# People and programs that were given access by `headcount users`.
users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password_hash", Text, nullable=False),  # Argon2id, in its own encoding
    Column("role", String(16), nullable=False),
    Column("cameras", Text),  # JSON list of ids; null for all
    Column("created_at", BigInteger, nullable=False),
)

# What programs send as `Authorization: Bearer`.
tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 of the token, hexadecimal
    Column("account", String(64), ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Index(None, tokens.c.account)

# Browsers that are signed in. Those of the OpenID provider's people carry role and cameras.
sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 of the cookie, hexadecimal
    Column("account", String(64), ForeignKey("users.name", ondelete="CASCADE")),
    Column("name", String(128), nullable=False),  # shown
    Column("role", String(16)),
    Column("cameras", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)
Index(None, sessions.c.account)

# Who did what: sign-ins, acknowledgements, changes of users and of the configuration.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(255), nullable=False),  # what it was done to, or empty
    Column("detail", Text, nullable=False),  # one line for a person, or empty
    sqlite_autoincrement=True,
)
Index(None, audit.c.at)
