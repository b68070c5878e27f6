"""Minutes of raw values packed into blocks; the density of a zone's densest place."""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from alembic import op

# The format of a block is versioned within it, so that newer code still writes what this step did.
from core.history_blocks import RawValue, pack

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MINUTE_MS = 60_000
WRITTEN_AT_ONCE = 500  # blocks


def upgrade() -> None:
    op.create_table(
        "raw_blocks",
        sa.Column("camera", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("camera", "zone", "at", name=op.f("pk_raw_blocks")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("raw_blocks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_raw_blocks_at"), ["at"], unique=False)
    op.add_column("raw", sa.Column("worst", sa.Float(), nullable=True))
    op.add_column("zone_states", sa.Column("worst", sa.Float(), nullable=True))
    _pack_minutes_that_are_summed_up()


def _pack_minutes_that_are_summed_up() -> None:
    """Later minutes stay as they are: the alerts service sums them up and packs them."""
    connection = op.get_bind()
    raw, minutes = _table("raw", *RawValue._fields), _table("minutes")
    blocks = _table("raw_blocks", "readings", "data")
    places = connection.execute(sa.select(raw.c.camera, raw.c.zone).distinct()).all()
    for camera, zone in places:
        newest = connection.execute(
            sa.select(sa.func.max(minutes.c.at)).where(
                minutes.c.camera == camera, minutes.c.zone == zone
            )
        ).scalar()
        if newest is None:
            continue
        old = (raw.c.camera == camera, raw.c.zone == zone, raw.c.at < newest + MINUTE_MS)
        rows = connection.execute(
            sa.select(*(raw.c[name] for name in RawValue._fields)).where(*old).order_by(raw.c.at)
        )
        batch = []
        for start, values in groupby(map(RawValue._make, rows), _minute):
            held = list(values)
            place = {"camera": camera, "zone": zone, "at": start}
            batch.append({**place, "readings": len(held), "data": pack(held)})
            if len(batch) == WRITTEN_AT_ONCE:
                connection.execute(sa.insert(blocks), batch)
                batch = []
        if batch:
            connection.execute(sa.insert(blocks), batch)
        connection.execute(sa.delete(raw).where(*old))


def _minute(value: RawValue) -> int:
    return value.at // MINUTE_MS * MINUTE_MS


def _table(name: str, *columns: str) -> sa.TableClause:
    names = dict.fromkeys(("camera", "zone", "at", *columns))
    return sa.table(name, *(sa.column(column) for column in names))


def downgrade() -> None:
    """Values of packed minutes are lost; their sums by minute and hour stay."""
    op.drop_column("zone_states", "worst")
    op.drop_column("raw", "worst")
    op.drop_table("raw_blocks")
