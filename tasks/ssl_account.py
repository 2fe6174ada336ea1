"""The personal account of a certificate customer (лицевой счёт, SSL-7.2): what stands on it, and what moves there.

Its entries are those of the customer that belong to no order. A balance is of one currency: nothing is exchanged.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import AccountEntry, Customer, Order
from blocks.terms.money import Money
from tasks.accounts import enter


def account_number(customer_id: int) -> str:
    """The number of a customer's account: LS-000017."""
    return f"LS-{customer_id:06d}"


def holder_of(session: Session, account: str) -> Customer | None:
    """The certificate customer whose account has that number, locked; None where there is none."""
    query = select(Customer).where(Customer.id == int(account.removeprefix("LS-")), Customer.agreement == "SSL")
    return session.scalar(query.with_for_update())


def on_account(session: Session, customer_id: int, currency: str) -> Money:
    """What a customer can spend in a currency."""
    minor = session.scalar(
        select(func.coalesce(func.sum(AccountEntry.amount_minor), 0)).where(
            AccountEntry.customer_id == customer_id,
            AccountEntry.order_id.is_(None),
            AccountEntry.currency == currency,
        )
    )
    return Money.from_minor(int(minor or 0), currency)


def enter_account(
    session: Session, customer_id: int, *, kind: str, of: str, amount: Money, now: datetime, clause: str
) -> None:
    """Add an entry; `of` names what it stands for. The same again is an integrity error by intent."""
    session.add(
        AccountEntry(
            key=f"{account_number(customer_id)}:{kind}:{of}",
            customer_id=customer_id,
            order_id=None,
            at=now,
            kind=kind,
            amount_minor=amount.minor,
            currency=amount.currency,
            clause=clause,
        )
    )
    session.flush()


def move_to_account(session: Session, order: Order, amount: Money, *, kind: str, now: datetime, clause: str) -> None:
    """Take what stands on an order to its customer's account. A `refund` of an order is entered once in its life."""
    of = order.number if kind == "refund" else f"{order.number}:{_moves(session, order)}"
    back = Money.of(0, amount.currency) - amount
    enter(session, order, kind="return", of="account", amount=back, now=now, clause=clause)
    enter_account(session, order.customer_id, kind=kind, of=of, amount=amount, now=now, clause=clause)


def spend(session: Session, order: Order, amount: Money, *, now: datetime) -> None:
    """Take an amount from the customer's account to its order (SSL-7.3). The caller has seen that it is there."""
    of, spent = f"{order.number}:{_moves(session, order)}", Money.of(0, amount.currency) - amount
    enter_account(session, order.customer_id, kind="spend", of=of, amount=spent, now=now, clause="SSL-7.3")
    account = account_number(order.customer_id)
    enter(session, order, kind="receipt", of=account, amount=amount, now=now, clause="SSL-7.3")


def is_credited(session: Session, payment: int) -> bool:
    """Whether the payment of that number stands on a personal account."""
    kept = AccountEntry.key.endswith(f":receipt:payment {payment}")
    return session.scalar(select(AccountEntry.id).where(AccountEntry.order_id.is_(None), kept)) is not None


def _moves(session: Session, order: Order) -> int:
    query = select(func.count()).select_from(AccountEntry).where(AccountEntry.order_id == order.id)
    return session.scalar(query) or 0
