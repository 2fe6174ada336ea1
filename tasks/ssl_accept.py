"""What a customer hears when its application for a certificate comes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from blocks.ledger import Customer, Order
from blocks.terms.base import Decision
from blocks.terms.ssl_prices import PRODUCTS
from tasks.notices import queue_notice
from tasks.ssl_account import account_number, on_account


def confirm_application(
    session: Session, order: Order, customer: Customer, decision: Decision, *, now: datetime
) -> None:
    """Tell what was ordered, its price of the day, and the number of the personal account (SSL-7.2)."""
    facts = {
        "name": customer.name,
        "received_at": now.isoformat(),
        "product": PRODUCTS[order.item["product"]].title,
        "domain": order.item["domain"],
        "price": str(decision.amount) if decision.amount else None,
        "pay_by": order.pay_by.isoformat(),
        "account": account_number(customer.id),
        "balance": str(on_account(session, customer.id, order.currency)),
        "pay_from": order.item["pay_from"],
    }
    queue_notice(session, order, kind="certificate_ordered", recipient=customer.email, facts=facts, now=now)
