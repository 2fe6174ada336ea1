"""Money of certificate customers: put on the personal account (SSL-7.2) and spent from it (SSL-7.3)."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Customer, Order, OrderState, Payment, PaymentState, transaction
from blocks.office import Office
from blocks.terms.base import Deadline
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.money import Money
from blocks.terms.policy import ORDER_POLICY
from blocks.terms.ssl_money import PaymentFacts, TopUpFacts, credited, payment
from blocks.terms.zones import MINSK
from tasks.accounts import shortfall
from tasks.money import Recorded, open_activation, payment_row, unmatched_wording
from tasks.notices import queue
from tasks.obligations import fulfil, open_obligation
from tasks.order_forms import BankReceipt
from tasks.order_state import find_order, note
from tasks.ssl_account import account_number, enter_account, holder_of, is_credited, on_account, spend
from tasks.ssl_price import reprice

_UNPAID = (OrderState.ACKNOWLEDGED, OrderState.PENDING)


def record_top_up(office: Office, receipt: BankReceipt, *, now: datetime) -> Recorded:
    """Credit money to the personal account that it names, once by the bank's reference; the day of it identifies it.

    Money whose account or payer does not fit waits for a person: the same reference told rightly credits it then.
    The answer names an order that waited for the account.
    """
    account = receipt.account or ""
    with transaction(office.sessions) as session:
        row = payment_row(session, "bank", receipt.reference, account, amount=receipt.amount, now=now)
        amount = Money.from_minor(row.amount_minor, row.currency)
        if row.order_id is not None or is_credited(session, row.id):
            return Recorded(None, f"{amount} stays credited")
        row.state, row.settled_at, row.order_ref = PaymentState.SUCCEEDED, now, account
        session.flush()
        customer = holder_of(session, account)
        facts = TopUpFacts(account=account, payer=receipt.payer or "", erip=receipt.payer is None, presented_at=now)
        deadline = credited(facts).deadline
        if customer is None or deadline is None or not _is_payer(customer, receipt.payer):
            _ask_whose(session, row, now)
            return Recorded(None, f"{amount}: no account {account} of that payer")
        _credit(session, customer, row, deadline, now)
        return Recorded(_waiting_order(session, customer, row.currency), f"{amount} credited to {account}")


def _is_payer(customer: Customer, payer: str | None) -> bool:
    """Whether the bank names our customer, by its number or by every word of its name; ЕРИП names nobody."""
    if payer is None:
        return True
    told = set(_words(payer))
    return (customer.inn or "") in told or set(_words(customer.name)) <= told


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _ask_whose(session: Session, row: Payment, now: datetime) -> None:
    days = ORDER_POLICY.on(local_date(now, MINSK)).unmatched_payment_days
    open_obligation(
        session,
        clause="SSL-7.2",
        subject=f"payment:{row.id}",
        what=unmatched_wording(row),
        deadline=in_calendar_days(now, days, MINSK),
        now=now,
    )


def _credit(session: Session, customer: Customer, row: Payment, deadline: Deadline, now: datetime) -> None:
    subject, account = f"payment:{row.id}", account_number(customer.id)
    amount = Money.from_minor(row.amount_minor, row.currency)
    what = f"credit {amount} to {account}"
    open_obligation(session, clause="SSL-7.2", subject=subject, what=what, deadline=deadline, now=now)
    of = f"payment {row.id}"
    enter_account(session, customer.id, kind="receipt", of=of, amount=amount, now=now, clause="SSL-7.2")
    for wording in (what, "find the order"):
        fulfil(session, subject=subject, what=wording, evidence=f"{account}: {amount} entered", now=now)
    balance = on_account(session, customer.id, row.currency)
    queue(
        session,
        key=f"account_credited:{row.id}",
        kind="account_credited",
        agreement="SSL",
        recipient=customer.email,
        facts={"name": customer.name, "account": account, "amount": str(amount), "balance": str(balance)},
        now=now,
        about=account,
    )


def _waiting_order(session: Session, customer: Customer, currency: str) -> str | None:
    """The first order that waits for the account and could be paid from it now."""
    waiting = select(Order).where(
        Order.customer_id == customer.id, Order.state.in_(_UNPAID), Order.currency == currency
    )
    balance = on_account(session, customer.id, currency)
    return next(
        (
            order.number
            for order in session.scalars(waiting.order_by(Order.id))
            if order.item["pay_from"] == "account" and shortfall(session, order) <= balance
        ),
        None,
    )


def pay_from_account(office: Office, number: str, *, now: datetime) -> None:
    """Spend the price of an order from its customer's account (SSL-7.3), all of it or nothing."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        reprice(session, order, now=now, operator=office.settings.operator_email)
        missing = shortfall(session, order)
        if order.state not in _UNPAID or missing.minor <= 0:
            return
        customer = session.get_one(Customer, order.customer_id, with_for_update=True)
        held = on_account(session, customer.id, order.currency)
        if not payment(PaymentFacts(way="account", price=missing, money=held)).allowed:
            return
        spend(session, order, missing, now=now)
        why = f"{missing} from {account_number(customer.id)}"
        note(session, order, kind="payment.succeeded", why=why, now=now, clause="SSL-7.3")
        open_activation(session, order, free=False, now=now)
