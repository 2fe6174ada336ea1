"""What a certificate costs (SSL-7.1, A1): the price of the day on which it is paid for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from blocks.ledger import Order, OrderState
from blocks.terms.base import Decision
from blocks.terms.deadlines import local_date
from blocks.terms.ssl_money import PriceFacts, price
from blocks.terms.zones import MINSK
from tasks.accounts import received
from tasks.order_state import hold, note

_UNPAID = (OrderState.ACKNOWLEDGED, OrderState.PENDING, OrderState.HELD)


def price_of_certificate(item: Mapping[str, Any], moment: datetime) -> Decision:
    """The price of an item on the Minsk day of a moment."""
    resident = item["residence"] == "resident"
    paid_on = local_date(moment, MINSK)
    return price(PriceFacts(product=item["product"], resident=resident, currency=item["currency"], paid_on=paid_on))


def reprice(session: Session, order: Order, *, now: datetime, operator: str) -> None:
    """Bring an order to the price of the day of its payment, when the first of its money comes.

    The agreement says so, and tariffs bind at once (SSL-7.1, 11.2): an invoice tells the price of its own day. A price
    that rose leaves the order underpaid, one that fell leaves a surplus on the account; a product that is no longer
    sold holds the order for a person.
    """
    if order.state not in _UNPAID or received(session, order).minor > 0:
        return
    decision = price_of_certificate(order.item, now)
    if decision.amount is None:
        clause, why = decision.clause, f"on the day of its payment: {decision.what}"
        hold(session, order, reason="unknown_product", why=why, now=now, operator=operator, clause=clause)
    elif decision.amount.minor != order.price_minor:
        order.price_minor = decision.amount.minor
        why = f"{decision.amount} on the day of payment"
        note(session, order, kind="price.changed", why=why, now=now, clause="SSL-7.3")
