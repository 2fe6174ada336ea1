"""What the ledger knows of registrations of QS: their last activity, their paid time, what speaks against deletion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused
from blocks.ledger import (
    AccountEnding,
    Compensation,
    CompensationState,
    Customer,
    LogSegment,
    Obligation,
    ObligationState,
    Order,
    OrderState,
    Payment,
    PaymentState,
    SealedSecret,
    Service,
    Ticket,
    TicketEvent,
)
from tasks.accounts import balances
from tasks.erased import ERASED
from tasks.numbering import by_number
from tasks.ticket_timers import LIVE

AGREEMENT = "QS"
_AT_WORK = (OrderState.ACKNOWLEDGED, OrderState.PENDING, OrderState.HELD, OrderState.IN_PROGRESS)
_UNSETTLED = (PaymentState.INTENDED, PaymentState.PENDING, PaymentState.DISPUTED)
Found = Select[tuple[int, datetime]] | Select[tuple[int, datetime | None]]


def find_customer(session: Session, named: str, *, lock: bool = False) -> Customer:
    """The QS customer of an e-mail or of an order's number. Raises NotFound without repeating an e-mail, Refused."""
    if "@" in named:
        query = select(Customer).where(Customer.agreement == AGREEMENT, Customer.email == named.lower())
        found = session.scalar(query.with_for_update() if lock else query)
        if found is None:
            raise NotFound("QS customer", "of that e-mail")
        return found
    order = by_number(session, Order, named)
    if order.agreement != AGREEMENT:
        raise Refused("agreement", f"{order.number} is not an order under QS")
    return session.get_one(Customer, order.customer_id, with_for_update=lock)


def subject_of(customer: int) -> str:
    """How obligations and notices name a registration: by its number alone."""
    return f"customer {customer}"


def erased(session: Session) -> set[int]:
    """The customers whose registration data is gone."""
    return set(session.scalars(select(Customer.id).where(Customer.email.endswith(ERASED, autoescape=True))))


def orders_of(session: Session, customer: int) -> list[Order]:
    """Its orders, the oldest first."""
    return list(session.scalars(select(Order).where(Order.customer_id == customer).order_by(Order.id)))


def services_of(session: Session, customer: int, *, lock: bool = False) -> list[Service]:
    """Its projects, the oldest first."""
    query = select(Service).where(Service.customer_id == customer).order_by(Service.id)
    return list(session.scalars(query.with_for_update() if lock else query))


def last_active(session: Session, customer: int | None = None, *, now: datetime) -> dict[int, datetime]:
    """The last activity of each registration, or of one: ordering, paying, opening a page, writing to us, traffic.

    That a person kept it counts as well. What a log says to have happened after now counts as now.
    """
    latest: dict[int, datetime] = {}
    for query in _signs():
        rows = session.execute(query if customer is None else query.having(query.selected_columns[0] == customer))
        for who, at in rows.tuples():
            if at is not None:
                latest[who] = max(min(at, now), latest.get(who, min(at, now)))
    return latest


def _signs() -> Iterator[Found]:
    ours = Customer.agreement == AGREEMENT
    mine = Order.agreement == AGREEMENT
    yield select(Customer.id, func.max(Customer.created_at)).where(ours).group_by(Customer.id)
    yield select(Order.customer_id, func.max(Order.ordered_at)).where(mine).group_by(Order.customer_id)
    for paid in (Payment.created_at, Payment.settled_at):
        orders = select(Order.customer_id, func.max(paid)).join(Payment, Payment.order_id == Order.id)
        yield orders.where(mine, Payment.state == PaymentState.SUCCEEDED).group_by(Order.customer_id)
    pages = select(Order.customer_id, func.max(SealedSecret.revealed_at))
    yield pages.join(SealedSecret, SealedSecret.order_id == Order.id).where(mine).group_by(Order.customer_id)
    traffic = select(Service.customer_id, func.max(LogSegment.last_at))
    traffic = traffic.join(LogSegment, LogSegment.project == Service.name).where(Service.agreement == AGREEMENT)
    yield traffic.group_by(Service.customer_id)
    yield select(AccountEnding.customer_id, func.max(AccountEnding.resumed_at)).group_by(AccountEnding.customer_id)
    written = select(Customer.id, func.max(TicketEvent.at)).select_from(Ticket)
    written = written.join(Customer, or_(Ticket.customer_id == Customer.id, Ticket.sender == Customer.email))
    written = written.join(TicketEvent, TicketEvent.ticket_id == Ticket.id).where(TicketEvent.who == Ticket.sender)
    yield written.where(ours, Ticket.agreement == AGREEMENT).group_by(Customer.id)


def paid_until(session: Session, customer: int) -> datetime | None:
    """The end of the latest paid period of its projects."""
    return session.scalar(select(func.max(Service.paid_until)).where(Service.customer_id == customer))


def ordered_since(session: Session, ending: AccountEnding) -> list[Order]:
    """What the customer ordered, and we carried out or are about to, after the end was put on record."""
    taken = (OrderState.IN_PROGRESS, OrderState.COMPLETED)
    return [
        order
        for order in orders_of(session, ending.customer_id)
        if order.ordered_at > ending.opened_at and order.state in taken
    ]


def obstacles(session: Session, customer: int) -> list[str]:
    """What a person must settle before the registration is deleted: money, orders, requests, what is owed."""
    orders = orders_of(session, customer)
    numbers, ids = [order.number for order in orders], [order.id for order in orders]
    found = [f"{order.number}: {amount} on the account" for order in orders for amount in balances(session, order)]
    found += [f"{order.number} is {order.state.value}" for order in orders if order.state in _AT_WORK]
    ends = select(AccountEnding).where(AccountEnding.customer_id == customer, AccountEnding.ended_at.is_not(None))
    ends = ends.where(AccountEnding.resumed_at.is_(None), AccountEnding.deleted_at.is_(None))
    later = [order.number for ending in session.scalars(ends) for order in ordered_since(session, ending)]
    found += [f"{number} was ordered after the end was put on record: keep the registration" for number in later]
    payments = select(Payment).where(Payment.order_id.in_(ids), Payment.state.in_(_UNSETTLED)).order_by(Payment.id)
    found += [f"payment {row.id} is {row.state.value}" for row in session.scalars(payments)]
    claims = select(Compensation.number).where(Compensation.order_id.in_(ids))
    claims = claims.where(Compensation.state == CompensationState.PROPOSED).order_by(Compensation.id)
    found += [f"{number} is not decided" for number in session.scalars(claims)]
    tickets = select(Ticket.number).where(Ticket.customer_id == customer, Ticket.state.in_(LIVE)).order_by(Ticket.id)
    found += [f"{number} is open" for number in session.scalars(tickets)]
    owed = select(Obligation).where(Obligation.subject.in_(numbers), Obligation.state == ObligationState.OPEN)
    return found + [f"{row.subject}: {row.clause} {row.what}" for row in session.scalars(owed.order_by(Obligation.id))]
