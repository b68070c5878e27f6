"""States of zones over time, for replays; notices of a trend belong to no incident."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "zone_snapshots",
        sa.Column("camera", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("new_scene", sa.Boolean(), nullable=False),
        sa.Column("state_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("camera", "zone", "at", name=op.f("pk_zone_snapshots")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_zone_snapshots_at"), "zone_snapshots", ["at"], unique=False)
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.alter_column("incident", existing_type=sa.Integer(), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM outbox WHERE incident IS NULL")
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.alter_column("incident", existing_type=sa.Integer(), nullable=False)
    op.drop_index(op.f("ix_zone_snapshots_at"), "zone_snapshots")
    op.drop_table("zone_snapshots")
