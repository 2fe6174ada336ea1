"""The deletion of a customer's registration data."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from blocks.ledger import Customer


def erase(session: Session, customer_id: int, now: datetime) -> None:  # noqa: ARG001 - part of the name agreed on
    """Destroy the registration data of a customer in the ledger."""
    row = session.get_one(Customer, customer_id)
    row.name, row.email = "", f"erased-{customer_id}@invalid"
    row.inn = row.position = row.password_hash = None
