"""The customer's account (лицевой счёт): an append-only sum of receipts, charges, reversals and returns.

Every entry is made in the transaction of what it stands for, under the lock of its order.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import AccountEntry, Order
from blocks.terms.money import Money

PAID_IN = ("receipt", "reversal", "return")
_CHARGED = ("charge", "charge-back")
_COMPENSATED = ("compensation", "payout")


def enter(
    session: Session, order: Order, *, kind: str, of: str, amount: Money, now: datetime, clause: str | None
) -> None:
    """Add an entry; `of` names what it stands for. The caller holds the order's lock and sees to it that it is once."""
    count = session.scalar(select(func.count()).select_from(AccountEntry).where(AccountEntry.order_id == order.id)) or 0
    session.add(
        AccountEntry(
            key=f"{order.number}:{count + 1}:{kind}:{of}"[:80],
            customer_id=order.customer_id,
            order_id=order.id,
            at=now,
            kind=kind,
            amount_minor=amount.minor,
            currency=amount.currency,
            clause=clause,
        )
    )
    session.flush()


def _sum(session: Session, order: Order, kinds: tuple[str, ...]) -> int:
    minor = session.scalar(
        select(func.coalesce(func.sum(AccountEntry.amount_minor), 0)).where(
            AccountEntry.order_id == order.id, AccountEntry.currency == order.currency, AccountEntry.kind.in_(kinds)
        )
    )
    return int(minor or 0)


def received(session: Session, order: Order) -> Money:
    """What has come in for an order and has neither been taken back nor returned, in its currency."""
    return Money.from_minor(_sum(session, order, PAID_IN), order.currency)


def charged(session: Session, order: Order) -> Money:
    """What stands charged for an order: its price once its work has begun, nothing after a cancellation."""
    return Money.from_minor(-_sum(session, order, _CHARGED), order.currency)


def price_of_order(order: Order) -> Money:
    """An order's price."""
    return Money.from_minor(order.price_minor, order.currency)


def shortfall(session: Session, order: Order) -> Money:
    """What is missing of an order's price; negative when more has come."""
    return price_of_order(order) - received(session, order)


def balances(session: Session, order: Order) -> list[Money]:
    """What stands on the customer's account from this order above zero, a currency each."""
    rows = session.execute(
        select(AccountEntry.currency, func.sum(AccountEntry.amount_minor))
        .where(AccountEntry.order_id == order.id)
        .group_by(AccountEntry.currency)
        .order_by(AccountEntry.currency)
    )
    return [Money.from_minor(int(minor), currency) for currency, minor in rows if minor > 0]


def returned(session: Session, order: Order) -> list[tuple[str, Money]]:
    """What is entered when all that stands on the account is given back, by the kind of each entry.

    A compensation is paid out first: that is no return of the price, which stays received.
    """
    found = []
    for amount in balances(session, order):
        granted = _sum(session, order, _COMPENSATED) if amount.currency == order.currency else 0
        paid_out = min(max(granted, 0), amount.minor)
        for kind, minor in (("payout", paid_out), ("return", amount.minor - paid_out)):
            if minor:
                found.append((kind, Money.from_minor(-minor, amount.currency)))
    return found
