"""Money in: payments are recorded once, matched to their order, and what they mean for it is decided."""

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
    one_at_a_time,
    transaction,
)
from blocks.office import Office
from blocks.terms import qs
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.ks import ZONE, in_minutes
from blocks.terms.money import Money
from blocks.terms.policy import ORDER_POLICY
from tasks import ssl_clocks
from tasks.accounts import balances, enter, shortfall
from tasks.notices import queue_notice
from tasks.obligations import open_obligation
from tasks.order_forms import BankReceipt
from tasks.order_state import hold, note, transition
from tasks.ssl_price import reprice

ACTIVATE = "activate and report"
"""The wording of the obligation that a payment opens and an activation fulfils."""

MONEY_CLAUSES = {"KS": "KS-4.1", "QS": "QS-4.2.1", "SSL": "SSL-7.3"}
"""Under which clause a person decides on money that is not the price, by agreement."""

_DEAD = (OrderState.CANCELLED, OrderState.REJECTED)
_UNPAID = (OrderState.ACKNOWLEDGED, OrderState.PENDING)
_MONEY_HOLDS = ("underpaid", "payment_canceled", "payment_unknown")


@dataclass(frozen=True)
class Recorded:
    """What became of an event: the order that can now go on, if it is known, and one line for the log.

    `about` is the number of what else it concerned, whose letters go out at once.
    """

    order: str | None
    outcome: str
    about: str | None = None


def record_online(office: Office, online: OnlinePayment, *, now: datetime) -> Recorded:
    """Record an online payment as fetched from the provider, once for each of its states and refunds."""
    told = {
        PaymentStatus.SUCCEEDED: PaymentState.SUCCEEDED,
        PaymentStatus.CANCELED: PaymentState.CANCELED,
    }.get(online.status, PaymentState.PENDING)
    reference = online.metadata.get("order", "")[:200]
    with transaction(office.sessions) as session:
        one_at_a_time(session, reference)
        row = payment_row(session, "yookassa", online.id, reference, amount=online.amount, now=now)
        if (row.amount_minor, row.currency) != (online.amount.minor, online.amount.currency):
            _note_difference(session, row, online.amount, now)
        recorded = _apply(office, session, row, told, now)
        if online.refunded is not None:
            _refund(office, session, row, online.refunded, now)
        return recorded


def record_receipt(office: Office, receipt: BankReceipt, *, now: datetime) -> Recorded:
    """Record money that arrived at the bank for an invoice, once by the bank's reference."""
    reference = receipt.order or ""
    with transaction(office.sessions) as session:
        one_at_a_time(session, reference)
        row = payment_row(session, "bank", receipt.reference, reference, amount=receipt.amount, now=now)
        return _apply(office, session, row, PaymentState.SUCCEEDED, now)


def payment_row(
    session: Session, provider: str, provider_id: str, reference: str, *, amount: Money, now: datetime
) -> Payment:
    """The payment of that id at its provider, locked; a new one, pending, where there is none."""
    known = select(Payment).where(Payment.provider == provider, Payment.provider_id == provider_id)
    row = session.scalar(known.with_for_update())
    if row is None:
        row = Payment(
            provider=provider,
            provider_id=provider_id,
            order_ref=reference,
            amount_minor=amount.minor,
            currency=amount.currency,
            state=PaymentState.PENDING,
            created_at=now,
        )
        session.add(row)
    return row


def _note_difference(session: Session, row: Payment, told: Money, now: datetime) -> None:
    order = session.get(Order, row.order_id) if row.order_id else None
    if order is not None:
        asked = Money.from_minor(row.amount_minor, row.currency)
        note(session, order, kind="payment.amount_differs", why=f"asked {asked}, told {told}", now=now)
    row.amount_minor, row.currency = told.minor, told.currency


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
    (PaymentState.DISPUTED, PaymentState.SUCCEEDED): PaymentState.SUCCEEDED,
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
    return Recorded(order.number, f"{amount} {state.value} for {order.number}")


def unmatched_wording(row: Payment) -> str:
    """The obligation that money without an order opens; it tells the number to take it by."""
    amount = Money.from_minor(row.amount_minor, row.currency)
    return f"find the order of payment {row.id}: {amount} named {row.order_ref or 'nothing'}"[:200]


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
    of = f"payment {row.id}"
    if row.state is PaymentState.DISPUTED:
        back = Money.of(0, amount.currency) - amount
        enter(session, order, kind="reversal", of=of, amount=back, now=now, clause="QS-4.2.1")
        _money_gone(office, session, order, f"{amount} was cancelled or is disputed", now)
    elif row.state is PaymentState.CANCELED:
        if order.state in _UNPAID and shortfall(session, order).minor > 0:
            stop(reason="payment_canceled", why=f"the payment of {amount} was cancelled")
    elif row.state is PaymentState.SUCCEEDED:
        if order.agreement == "SSL":
            reprice(session, order, now=now, operator=office.settings.operator_email)
        enter(session, order, kind="receipt", of=of, amount=amount, now=now, clause=None)
        note(session, order, kind="payment.succeeded", why=f"{amount} by {row.provider}", now=now)
        if amount.currency != order.currency:
            stop(reason="other_currency", why=f"{amount} came for a price in {order.currency}")
        elif order.state in _DEAD:
            stop(reason="payment_after_cancellation", why=f"{amount} came for an order that was {order.state.value}")
        else:
            _take(session, order, amount, now)


def _take(session: Session, order: Order, amount: Money, now: datetime) -> None:
    """Money in the right currency for a living order."""
    full = shortfall(session, order).minor <= 0
    if order.state in (OrderState.IN_PROGRESS, OrderState.COMPLETED):
        tell_surplus(session, order, now)
        return
    if full and order.state is OrderState.HELD and order.hold_reason in _MONEY_HOLDS:
        transition(session, order, OrderState.PENDING, why=f"{amount} made the price full", now=now)
    if full and order.state is not OrderState.HELD:
        open_activation(session, order, free=False, now=now)


def _refund(office: Office, session: Session, row: Payment, refunded: Money, now: datetime) -> None:
    """What was given back at the provider, by whoever did it there, leaves the account here too."""
    order = session.get(Order, row.order_id) if row.order_id else None
    if order is None or refunded.currency != row.currency:
        return
    of = f"refund of {row.id}"
    known = session.scalar(
        select(func.coalesce(func.sum(AccountEntry.amount_minor), 0)).where(
            AccountEntry.order_id == order.id, AccountEntry.key.endswith(f":return:{of}")
        )
    )
    fresh = Money.from_minor(refunded.minor + int(known or 0), refunded.currency)
    if fresh.minor <= 0:
        return
    back = Money.of(0, fresh.currency) - fresh
    enter(session, order, kind="return", of=of, amount=back, now=now, clause=None)
    note(session, order, kind="payment.refunded", why=f"{fresh} was given back at the provider", now=now)
    if shortfall(session, order).minor > 0:
        _money_gone(office, session, order, f"{fresh} was given back at the provider", now)


def service_of_order(session: Session, order: Order) -> Service | None:
    """The service that an order made, or the one that it renews."""
    renews = order.item.get("renews")
    query = select(Service).where(Service.name == renews if renews else Service.order_id == order.id)
    return session.scalar(query.with_for_update())


def _money_gone(office: Office, session: Session, order: Order, why: str, now: datetime) -> None:
    """The price is no longer there: a QS project is suspended (QS-4.2.1), and a person decides."""
    service = service_of_order(session, order)
    if order.agreement == "QS" and service is not None and service.state is ServiceState.ACTIVE:
        service.state, service.suspended_for = ServiceState.SUSPENDED, "disputed"
        note(session, order, kind="service.suspended", why=why, now=now, clause="QS-4.2.1")
        customer = session.get_one(Customer, order.customer_id)
        facts = {"service": service.name, "why": "disputed"}
        about = now.isoformat()
        queue_notice(
            session, order, kind="service_suspended", recipient=customer.email, facts=facts, now=now, about=about
        )
    if order.state not in _DEAD:
        operator = office.settings.operator_email
        hold(session, order, reason="payment_disputed", why=why, now=now, operator=operator, clause="QS-4.2.1")


def open_activation(session: Session, order: Order, *, free: bool, now: datetime) -> None:
    """A full payment, or a free order, starts the clock of activation (QS-3.2.2; for KS the time stated: KS-1.3).

    A certificate has two: it is taken up (SSL-4.4), and done (SSL-5.1).
    """
    if order.agreement == "SSL":
        ssl_clocks.paid(session, order, now=now)
        return
    if order.agreement == "QS":
        facts = qs.ActivationFacts(free=free, created_at=order.ordered_at, payment_recorded_at=None if free else now)
        decision = qs.activation(facts)
        clause, deadline = decision.clause, decision.deadline
    else:
        minutes = ORDER_POLICY.on(local_date(now, ZONE)).activation_minutes
        clause, deadline = "KS-1.3", in_minutes(now, minutes)
    if deadline is not None:
        open_obligation(session, clause=clause, subject=order.number, what=ACTIVATE, deadline=deadline, now=now)


def tell_surplus(session: Session, order: Order, now: datetime) -> None:
    """Money above the price stays on the account; the customer is told, and a person decides within a term of ours."""
    over = [amount for amount in balances(session, order) if amount.currency == order.currency]
    if not over:
        return
    [surplus] = over
    note(session, order, kind="payment.surplus", why=f"{surplus} above the price", now=now)
    customer = session.get_one(Customer, order.customer_id)
    facts, about = {"surplus": str(surplus)}, now.isoformat()
    queue_notice(session, order, kind="surplus", recipient=customer.email, facts=facts, now=now, about=about)
    policy = ORDER_POLICY.on(local_date(now, ZONE))
    open_obligation(
        session,
        clause=MONEY_CLAUSES[order.agreement],
        subject=order.number,
        what=f"decide on a surplus of {surplus}",
        deadline=in_calendar_days(now, policy.surplus_days, ZONE),
        now=now,
    )
