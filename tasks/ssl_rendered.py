"""A certificate's service as rendered (SSL-7.5): the invoice line from which its month's act is made (SSL-7.6)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from blocks.ledger import Customer, Order
from blocks.office import Office
from blocks.terms.money import Money
from blocks.terms.revenue import LineState
from blocks.terms.ssl_money import RenderedFacts, rendered
from blocks.terms.ssl_prices import PRODUCTS
from tasks.accounts import charged
from tasks.line_forms import LineForm, LinesForm
from tasks.line_statements import state_lines

SOURCE = "orders"
"""Whose lines they are: nobody outside states them."""


def render(office: Office, session: Session, order: Order, *, at: datetime, now: datetime) -> None:
    """State the line of a service rendered at `at`, for what was paid. Once: the caller ends the order with it."""
    decision = rendered(RenderedFacts(handed_over_at=at))
    day = date.fromisoformat(str(decision.values["rendered_on"]))
    customer = session.get_one(Customer, order.customer_id)
    product = PRODUCTS[order.item["product"]]
    paid: Money = charged(session, order)
    line = LineForm(
        line=order.number,
        invoice=order.number,
        customer=customer.email,
        service=f"Оформление SSL-сертификата {product.title} для {order.item['domain']}"[:200],
        tariff=product.code,
        begins_on=day,
        ends_on=day,
        quantity="1",
        price=paid,
        vat_percent="0",
        state=LineState.PAID,
        stated_at=now,
    )
    state_lines(office, session, SOURCE, LinesForm(agreement="SSL", lines=(line,)), received_at=now)
