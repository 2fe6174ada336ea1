"""Money in: payments are recorded once, matched to their order, and what they mean for it is decided.

The customer's account (лицевой счёт) is the append-only sum of receipts, charges and returns; a surplus is its balance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.clients.yookassa import OnlinePayment, PaymentStatus
from blocks.ledger import (
    AccountEntry,
    Customer,
    Order,
    OrderState,
    Payment,
    PaymentState,
    Service,
    ServiceState,
    transaction,
)
from blocks.office import Office
from blocks.terms import qs
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.ks import ZONE, in_minutes
from blocks.terms.money import Money
from blocks.terms.policy import ORDER_POLICY
from tasks.notices import queue_notice
from tasks.obligations import open_obligation
from tasks.order_forms import BankReceipt
from tasks.order_state import hold, note, transition

ACTIVATE = "activate and report"
"""The wording of the obligation that a payment opens and an activation fulfils."""

_DEAD = (OrderState.CANCELLED, OrderState.REJECTED)
_UNPAID = (OrderState.ACKNOWLEDGED, OrderState.PENDING)


def received(session: Session, order: Order) -> Money:
    """What has come in for an order and is not disputed, in its currency."""
    minor = session.scalar(
        select(func.coalesce(func.sum(Payment.amount_minor), 0)).where(
            Payment.order_id == order.id,
            Payment.state == PaymentState.SUCCEEDED,
            Payment.currency == order.currency,
        )
    )
    return Money.from_minor(int(minor or 0), order.currency)


def balance(session: Session, order: Order) -> Money:
    """What stands on the customer's account from this order: receipts less charges and returns."""
    minor = session.scalar(
        select(func.coalesce(func.sum(AccountEntry.amount_minor), 0)).where(
            AccountEntry.order_id == order.id, AccountEntry.currency == order.currency
        )
    )
    return Money.from_minor(int(minor or 0), order.currency)


def shortfall(session: Session, order: Order) -> Money:
    """What is missing of an order's price."""
    return Money.from_minor(order.price_minor, order.currency) - received(session, order)


def enter(
    session: Session, order: Order, *, key: str, kind: str, amount: Money, now: datetime, clause: str | None
) -> None:
    """An entry on the customer's account, once by key."""
    if session.scalar(select(AccountEntry.id).where(AccountEntry.key == key)) is None:
        session.add(
            AccountEntry(
                key=key,
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


@dataclass(frozen=True)
class Recorded:
    """What became of a payment: the order it belongs to, if it is known, and one line for the log."""

    order: str | None
    outcome: str


def record_online(office: Office, online: OnlinePayment, *, now: datetime) -> Recorded:
    """Record an online payment as fetched from the provider, once for each of its states."""
    state = {
        PaymentStatus.SUCCEEDED: PaymentState.SUCCEEDED,
        PaymentStatus.CANCELED: PaymentState.CANCELED,
    }.get(online.status, PaymentState.PENDING)
    ref = online.metadata.get("order", "")
    with transaction(office.sessions) as session:
        row = session.scalar(
            select(Payment).where(Payment.provider == "yookassa", Payment.provider_id == online.id).with_for_update()
        )
        if row is None:
            row = Payment(
                provider="yookassa",
                provider_id=online.id,
                order_ref=ref[:200],
                amount_minor=online.amount.minor,
                currency=online.amount.currency,
                state=PaymentState.PENDING,
                created_at=now,
            )
            session.add(row)
        elif (row.amount_minor, row.currency) != (online.amount.minor, online.amount.currency):
            note_order = session.get(Order, row.order_id) if row.order_id else None
            if note_order is not None:
                why = f"asked {Money.from_minor(row.amount_minor, row.currency)}, told {online.amount}"
                note(session, note_order, kind="payment.amount_differs", why=why, now=now)
            row.amount_minor, row.currency = online.amount.minor, online.amount.currency
        return _apply(office, session, row, state, now)


def record_receipt(office: Office, receipt: BankReceipt, *, now: datetime) -> Recorded:
    """Record money that arrived at the bank, once by the bank's reference."""
    with transaction(office.sessions) as session:
        row = session.scalar(
            select(Payment).where(Payment.provider == "bank", Payment.provider_id == receipt.reference)
        )
        if row is None:
            row = Payment(
                provider="bank",
                provider_id=receipt.reference,
                order_ref=receipt.order,
                amount_minor=receipt.amount.minor,
                currency=receipt.amount.currency,
                state=PaymentState.PENDING,
                created_at=now,
            )
            session.add(row)
        return _apply(office, session, row, PaymentState.SUCCEEDED, now)


def _find_by_ref(session: Session, ref: str) -> Order | None:
    by_number = session.scalar(select(Order).where(Order.number == ref))
    if by_number is not None:
        return by_number
    source, slash, external_id = ref.partition("/")
    if not slash:
        return None
    return session.scalar(select(Order).where(Order.source == source, Order.external_id == external_id))


_NEXT = {
    (PaymentState.INTENDED, PaymentState.SUCCEEDED): PaymentState.SUCCEEDED,
    (PaymentState.INTENDED, PaymentState.CANCELED): PaymentState.CANCELED,
    (PaymentState.PENDING, PaymentState.SUCCEEDED): PaymentState.SUCCEEDED,
    (PaymentState.PENDING, PaymentState.CANCELED): PaymentState.CANCELED,
    (PaymentState.CANCELED, PaymentState.SUCCEEDED): PaymentState.SUCCEEDED,
    (PaymentState.SUCCEEDED, PaymentState.CANCELED): PaymentState.DISPUTED,
}
"""What a told state makes of a known one; every other pair is a repetition or a stale message and changes nothing."""


def _apply(office: Office, session: Session, row: Payment, told: PaymentState, now: datetime) -> Recorded:
    if row.order_id is None and row.order_ref:
        matched = _find_by_ref(session, row.order_ref)
        row.order_id = matched.id if matched else None
    order = session.get(Order, row.order_id, with_for_update=True) if row.order_id else None
    number = order.number if order else None
    amount = Money.from_minor(row.amount_minor, row.currency)
    state = _NEXT.get((row.state, told))
    if state is None:
        return Recorded(number, f"{amount} stays {row.state.value}")
    row.state, row.settled_at = state, now
    if order is None:
        _unmatched(session, row, now)
        return Recorded(None, f"{amount} {state.value}, its order is not known yet")
    settle(office, session, order, row, now)
    return Recorded(number, f"{amount} {state.value} for {order.number}")


def unmatched_wording(row: Payment) -> str:
    """The obligation that money without an order opens."""
    amount = Money.from_minor(row.amount_minor, row.currency)
    return f"find the order of {amount} named {row.order_ref or 'nothing'}"[:200]


def _unmatched(session: Session, row: Payment, now: datetime) -> None:
    session.flush()
    policy = ORDER_POLICY.on(local_date(now, ZONE))
    open_obligation(
        session,
        clause="QS-10.1",
        subject=f"payment:{row.id}",
        what=unmatched_wording(row),
        deadline=in_calendar_days(now, policy.unmatched_payment_days, ZONE),
        now=now,
    )


def settle(office: Office, session: Session, order: Order, row: Payment, now: datetime) -> None:
    """What a payment's new state means for its order; the account is entered, the order moved, people told."""
    amount = Money.from_minor(row.amount_minor, row.currency)
    stop = partial(hold, session, order, now=now, operator=office.settings.operator_email)
    if row.state is PaymentState.DISPUTED:
        back = Money.of(0, amount.currency) - amount
        enter(session, order, key=f"reversal:{row.id}", kind="reversal", amount=back, now=now, clause="QS-4.2.1")
        _suspend_disputed(session, order, now)
        if order.state not in _DEAD:
            stop(reason="payment_disputed", why=f"{amount} was cancelled or is disputed", clause="QS-4.2.1")
    elif row.state is PaymentState.CANCELED:
        if order.state in _UNPAID and received(session, order).minor < order.price_minor:
            stop(reason="payment_canceled", why=f"the payment of {amount} was cancelled")
    elif row.state is PaymentState.SUCCEEDED:
        enter(session, order, key=f"receipt:{row.id}", kind="receipt", amount=amount, now=now, clause=None)
        note(session, order, kind="payment.succeeded", why=f"{amount} by {row.provider}", now=now)
        if amount.currency != order.currency:
            stop(reason="other_currency", why=f"{amount} came for a price in {order.currency}")
        elif order.state in _DEAD:
            why = f"{amount} came for an order that was {order.state.value}"
            stop(reason="payment_after_cancellation", why=why)
        else:
            _take(session, order, amount, now)


def _take(session: Session, order: Order, amount: Money, now: datetime) -> None:
    """Money in the right currency for a living order."""
    full = received(session, order).minor >= order.price_minor
    if order.state in (OrderState.IN_PROGRESS, OrderState.COMPLETED):
        tell_surplus(session, order, now)
        return
    if full and order.state is OrderState.HELD and order.hold_reason in ("underpaid", "payment_canceled"):
        transition(session, order, OrderState.PENDING, why=f"{amount} made the price full", now=now)
    if full and order.state is not OrderState.HELD:
        open_activation(session, order, free=False, now=now)


def open_activation(session: Session, order: Order, *, free: bool, now: datetime) -> None:
    """A full payment, or a free order, starts the clock of activation (QS-3.2.2; for KS the time stated: KS-1.3)."""
    if order.agreement == "QS":
        facts = qs.ActivationFacts(free=free, created_at=order.ordered_at, payment_recorded_at=None if free else now)
        decision = qs.activation(facts)
        clause, deadline = decision.clause, decision.deadline
    else:
        minutes = ORDER_POLICY.on(local_date(now, ZONE)).activation_minutes
        clause, deadline = "KS-1.3", in_minutes(now, minutes)
    if deadline is not None:
        open_obligation(session, clause=clause, subject=order.number, what=ACTIVATE, deadline=deadline, now=now)


def _suspend_disputed(session: Session, order: Order, now: datetime) -> None:
    service = session.scalar(select(Service).where(Service.order_id == order.id))
    if service is None or service.state is not ServiceState.ACTIVE or order.agreement != "QS":
        return
    service.state = ServiceState.SUSPENDED
    note(
        session,
        order,
        kind="service.suspended",
        why="the payment was cancelled or is disputed",
        now=now,
        clause="QS-4.2.1",
    )
    customer = session.get_one(Customer, order.customer_id)
    facts = {"service": service.name, "why": "disputed"}
    queue_notice(
        session, order, kind="service_suspended", recipient=customer.email, facts=facts, now=now, about=now.isoformat()
    )


def tell_surplus(session: Session, order: Order, now: datetime) -> None:
    """Money above the price stays on the account; the customer is told, and a person decides within a term of ours."""
    surplus = balance(session, order)
    if surplus.minor <= 0:
        return
    note(session, order, kind="payment.surplus", why=f"{surplus} above the price", now=now)
    customer = session.get_one(Customer, order.customer_id)
    queue_notice(
        session,
        order,
        kind="surplus",
        recipient=customer.email,
        facts={"surplus": str(surplus)},
        now=now,
        about=str(surplus),
    )
    policy = ORDER_POLICY.on(local_date(now, ZONE))
    open_obligation(
        session,
        clause="KS-4.1" if order.agreement == "KS" else "QS-4.2.1",
        subject=order.number,
        what=f"decide on a surplus of {surplus}",
        deadline=in_calendar_days(now, policy.surplus_days, ZONE),
        now=now,
    )
