"""What the act of destruction of a registration tells. It names no person: the customer's number alone."""

from __future__ import annotations

from datetime import date

from blocks.terms.base import Frozen, Moment


class Destruction(Frozen):
    """The destroyed registration data of a customer.

    `counts` are rows that were emptied or deleted, by what they were; `kept` counts what stays, by the same kind of
    name. `copies_until` is the last day of a copy of the ledger that may still hold the data.
    """

    customer: int
    clause: str
    ended_at: Moment
    due_at: Moment
    destroyed_at: Moment
    counts: dict[str, int]
    kept: dict[str, int]
    copies_until: date
    provider: str
