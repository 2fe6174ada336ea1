"""Numbers that people say on the telephone: a letter, the year of the agreement's zone, and the row's own number.

Rows are found by them again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound
from blocks.ledger import Compensation, LogGrant, LogHold, LogPurge, Order, Outage, Ticket, Window, Work
from blocks.terms.deadlines import local_date
from blocks.terms.ks import ZONE

Row = TypeVar("Row", LogGrant, LogHold, LogPurge, Order, Outage, Ticket, Window, Work)
Numbered = Compensation | LogGrant | LogHold | LogPurge | Outage | Ticket | Window | Work
_LETTERS: dict[type[Numbered], str] = {
    Compensation: "C",
    LogGrant: "LG",
    LogHold: "LH",
    LogPurge: "LP",
    Outage: "O",
    Ticket: "T",
    Window: "M",
    Work: "W",
}


def add_numbered(session: Session, row: Numbered, *, now: datetime) -> None:
    """Add a new row and give it its number: T-2026-000017."""
    row.number = f"new-{uuid4().hex[:20]}"
    session.add(row)
    session.flush()
    row.number = f"{_LETTERS[type(row)]}-{local_date(now, ZONE).year}-{row.id:06d}"
    session.flush()


def by_number(session: Session, table: type[Row], number: str, *, lock: bool = False) -> Row:
    """The row of that number, locked or not. Raises NotFound."""
    query = select(table).where(table.number == number)
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound(table.__name__.lower(), number)
    return found
