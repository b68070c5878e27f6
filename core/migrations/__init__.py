"""Alembic's migrations of the history database; `core.history.History.open` runs them."""
