"""Tables of the history database. Instants are integer milliseconds UTC.

A change here needs a migration in ``core/migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# One value per zone and reading, of the minutes that are not yet packed.
raw = Table(
    "raw",
    metadata,
    Column("camera", String(64), primary_key=True),
    Column("zone", String(64), primary_key=True),
    Column("at", BigInteger, primary_key=True),  # captured_at of the reading
    Column("seq", BigInteger, nullable=False),
    Column("count", Float, nullable=False),  # people
    Column("low", Float, nullable=False),  # 90 % interval, people
    Column("high", Float, nullable=False),
    Column("smoothed", Float, nullable=False),  # the value that levels compare, in their unit
    Column("density", Float),  # persons per m2; null without a calibration
    Column("worst", Float),  # persons per m2 at the densest place; null where not measured
    Column("level", String(16), nullable=False),
    sqlite_with_rowid=False,
)
Index(None, raw.c.at)

# The same values of a whole minute in one row (`core.history_blocks`).
raw_blocks = Table(
    "raw_blocks",
    metadata,
    Column("camera", String(64), primary_key=True),
    Column("zone", String(64), primary_key=True),
    Column("at", BigInteger, primary_key=True),  # beginning of the minute
    Column("readings", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, raw_blocks.c.at)


def _rollup(name: str) -> Table:
    """Values per zone and minute or hour; the values are null where nothing was read."""
    table = Table(
        name,
        metadata,
        Column("camera", String(64), primary_key=True),
        Column("zone", String(64), primary_key=True),
        Column("at", BigInteger, primary_key=True),  # its beginning
        Column("count_mean", Float),
        Column("count_max", Float),
        Column("low", Float),  # mean of the readings' intervals
        Column("high", Float),
        Column("density_max", Float),
        Column("readings", Integer, nullable=False),
        Column("unknown_share", Float, nullable=False),  # of the time, 0 to 1
        CheckConstraint("unknown_share >= 0 AND unknown_share <= 1", name="unknown_share"),
        sqlite_with_rowid=False,
    )
    Index(None, table.c.at)
    return table


minutes = _rollup("minutes")
hours = _rollup("hours")

# Current values of each zone, and the state of its rules, written in the owner's transaction.
zone_states = Table(
    "zone_states",
    metadata,
    Column("camera", String(64), primary_key=True),
    Column("zone", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("count", Float, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("smoothed", Float, nullable=False),
    Column("density", Float),
    Column("worst", Float),
    Column("level", String(16), nullable=False),
    Column("state_json", Text, nullable=False),
)

# The same states over time, for replays: each hour's first, and where another scene began.
zone_snapshots = Table(
    "zone_snapshots",
    metadata,
    Column("camera", String(64), primary_key=True),
    Column("zone", String(64), primary_key=True),
    Column("at", BigInteger, primary_key=True),  # of the reading after which it is the state
    Column("new_scene", Boolean, nullable=False),  # that reading began another scene
    Column("state_json", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, zone_snapshots.c.at)

# One stay above a level, from raise to clear; and outages of cameras and workers.
incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),  # crowd | camera | worker
    Column("camera", String(64), nullable=False),  # empty for the worker's
    Column("zone", String(64)),
    Column("level", String(16), nullable=False),  # now
    Column("peak_level", String(16), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("peak", Float, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", String(128)),
    Column("note", Text),
    Column("change", Integer, nullable=False),  # grows with each event that is told to people
    sqlite_autoincrement=True,
)
Index(None, incidents.c.raised_at)
Index(None, incidents.c.cleared_at)

# One row per notification: a change of an incident, to be told to a channel.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, ForeignKey("incidents.id")),  # null for a trend before any
    Column("change", Integer, nullable=False),
    Column("event", String(16), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("level", String(16), nullable=False),
    Column("camera", String(64), nullable=False),
    Column("zone", String(64)),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("key", String(64), nullable=False),  # idempotency key
    Column("created_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("dropped_at", BigInteger),
    Column("error", Text),
    UniqueConstraint("incident", "change", "channel"),
    sqlite_autoincrement=True,
)
Index(None, outbox.c.sent_at)

# Files kept of an incident in `evidence.dir`, in a folder named after its id.
evidence = Table(
    "evidence",
    metadata,
    Column("incident", Integer, ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),  # of the file
    Column("kind", String(16), nullable=False),  # picture | map | heads | clip
    Column("captured_at", BigInteger, nullable=False),  # of the reading that it is about
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Index(None, evidence.c.created_at)

# Who may write for a shard (-1: who sends notifications).
owners = Table(
    "owners",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(255), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

# Each configuration that was applied, without its secrets.
config_versions = Table(
    "config_versions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("version", String(64), nullable=False),  # first 12 hex digits of its text's sha256
    Column("at", BigInteger, nullable=False),
    Column("by", String(128), nullable=False),
    Column("text", Text, nullable=False),
    sqlite_autoincrement=True,
)
