"""Runs migrations on the connection, and in the transaction, of whoever calls Alembic."""

from __future__ import annotations

from alembic import context

from core.accounts_schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
