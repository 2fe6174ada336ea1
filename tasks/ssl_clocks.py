"""The clocks of a certificate's order (SSL-4.4, 4.6, 5.1, 5.2): what is owed, by when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from blocks.ledger import Obligation, Order
from blocks.terms import ssl
from blocks.terms.base import Decision
from blocks.terms.money import Money
from tasks.obligations import lift, open_obligation

TAKE_UP = "take up the application"
ISSUE = "have the certificate issued and hand it over"
TELL = "tell of the CA's refusal"
SUPPLY = "the customer supplies what the CA asks for"


def paid(session: Session, order: Order, *, now: datetime) -> None:
    """The price is there. The data was complete at the order, or it would have been refused."""
    taken_up = ssl.taken_up(ssl.ApplicationFacts(paid_at=now, complete_at=order.ordered_at))
    _open(session, order, TAKE_UP, taken_up, now)
    _open(session, order, ISSUE, ssl.completed(ssl.PaidFacts(paid_at=now)), now)


def refused(session: Session, order: Order, *, paid_in: Money, fraud: bool, known_at: datetime) -> Decision:
    """The CA's refusal is known to us since then: by when the customer hears of it, and what goes back to it."""
    decision = ssl.refused(ssl.RefusalFacts(known_at=known_at, paid=paid_in, fraud=fraud))
    _open(session, order, TELL, decision, known_at)
    return decision


def asked(session: Session, order: Order, *, now: datetime) -> datetime:
    """The customer is asked for more: its three days begin anew with every request; until when they last.

    When they are over, we may decline. That is a right of ours, so a person decides on it: the watch of obligations
    asks one.
    """
    lift(session, subject=order.number, why="the CA asked for something else", now=now, what=SUPPLY)
    return _open(session, order, SUPPLY, ssl.more_data(ssl.DemandFacts(received_at=now, now=now)), now).due_at


def _open(session: Session, order: Order, what: str, decision: Decision, now: datetime) -> Obligation:
    if decision.deadline is None:
        raise ValueError(f"{decision.clause} named no time")
    clause, deadline = decision.clause, decision.deadline
    return open_obligation(session, clause=clause, subject=order.number, what=what, deadline=deadline, now=now)
