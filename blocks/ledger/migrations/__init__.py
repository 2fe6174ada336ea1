"""Alembic migrations of the ledger; `migrate` in `blocks.ledger.engine` runs them."""
