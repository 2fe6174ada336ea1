"""A certificate's order beside its order at the CA: how the two stand, and the watch that keeps them together."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import CaOrder, CaOrderState, Order, OrderState, Site, reading, transaction
from blocks.office import Office
from tasks import ca_advance, ca_orders, ssl_clocks
from tasks.accounts import charged
from tasks.going_on import take_up_again
from tasks.order_state import is_done, transition
from tasks.ssl_steps import AT_CA, REFUSAL_TOLD, ca_order_of

log = logging.getLogger("dogovor.ssl_orders")
_OPEN = (OrderState.IN_PROGRESS, OrderState.HELD)


def follow(office: Office, *, now: datetime) -> int:
    """Bring the open orders at the CA that are due one piece further, and their certificates' orders after them.

    A refusal starts its clock whatever else the order waits for; an order that was held for its order at the CA alone
    goes on when that does. The answer is how many orders at the CA were advanced. One that fails leaves the others.
    """
    with reading(office.sessions) as session:
        resale = select(CaOrder.id).join(Site, Site.id == CaOrder.site_id).where(Site.agreement == "SSL")
        ours = set(session.scalars(resale.where(CaOrder.open_key.is_not(None))))
    due = [number for number in ca_orders.due_orders(office.sessions, now=now) if number in ours]
    for number in due:
        _advance(office, number, now)
    with transaction(office.sessions) as session:
        orders = select(Order).where(Order.agreement == "SSL", Order.state.in_(_OPEN))
        for order in session.scalars(orders.with_for_update(skip_locked=True)).all():
            _keep_together(session, order, now)
    take_up_again(office, now=now, agreement="SSL")
    return len(due)


def _advance(office: Office, ca_order: int, now: datetime) -> None:
    """Each watch is a worker of its own: two at once do not ask for the same order."""
    try:
        ca_advance.advance(office, ca_order, worker=f"follow {uuid4().hex}", now=now)
    except Exception:
        log.exception("order %s at its CA was not advanced", ca_order)


def _keep_together(session: Session, order: Order, now: datetime) -> None:
    at_ca = ca_order_of(session, order)
    if at_ca is None:
        return
    if at_ca.state is CaOrderState.REFUSED and not is_done(session, order, REFUSAL_TOLD):
        known_at = at_ca.ended_at or now
        fraud = at_ca.reason == "fraud"
        ssl_clocks.refused(session, order, paid_in=charged(session, order), fraud=fraud, known_at=known_at)
    elif order.hold_reason == AT_CA and at_ca.state not in (CaOrderState.HELD, CaOrderState.CANCELLED):
        transition(session, order, OrderState.IN_PROGRESS, why=f"the order at the CA is {at_ca.state}", now=now)
