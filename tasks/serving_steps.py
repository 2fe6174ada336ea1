"""What the steps on a complex have in common: the complex that a step waits for, its begin and its end on record."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.clients.comms.protocol import Complex
from blocks.errors import Refused
from blocks.ledger import AccountProof, Order, OrderEvent, OrderState, reading, transaction
from blocks.office import Office
from tasks.complexes import CHANGING, complex_of, service_of
from tasks.order_state import find_order, is_done, mark_done


def waits(session: Session, order: Order, step: str) -> bool:
    """Whether an order is at work and a step of it not done."""
    return order.state is OrderState.IN_PROGRESS and not is_done(session, order, step)


def awaited(office: Office, number: str, step: str) -> Complex | None:
    """The complex that a step waits for; None where the step is done or no longer wanted.

    Raises Refused where a person must provide or configure it first. It is asked for before anything is marked, so
    that an order which nothing serves has no servers to be cleared when it is cancelled.
    """
    with reading(office.sessions) as session:
        if not waits(session, find_order(session, number), step):
            return None
    complex_ = complex_of(office, number)
    _check_limits(office, number)
    return complex_


def start(office: Office, number: str, step: str) -> str | None:
    """The domain to work on; None where the step is done or no longer wanted.

    From now on the servers may hold something: whatever becomes of the order, they are brought to its end.
    """
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if not waits(session, order, step):
            return None
        service = service_of(session, order, lock=True)
        service.served_state = CHANGING
        return service.name


def done(office: Office, number: str, step: str, result: str, now: datetime) -> None:
    """Record a step; an order that ended meanwhile has its servers looked at once more."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if waits(session, order, step):
            latest = session.scalar(select(func.max(AccountProof.at)).where(AccountProof.order_id == order.id))
            if latest is not None and latest >= now:  # what was seen of former accounts stays before these
                now = latest + timedelta(microseconds=1)
            mark_done(session, order, step, result=result, now=now)
            return
        service_of(session, order, lock=True).served_state = CHANGING


def _check_limits(office: Office, number: str) -> None:
    at = office.complexes.dedicated_to(number)
    if at is None:
        return
    with reading(office.sessions) as session:
        product = service_of(session, find_order(session, number)).product
    for name, has in (("mail_bytes", at.mail_bytes), ("call_seconds", at.call_seconds)):
        if product.get(name, has) != has:
            told = f"complex {at.name} has {name} = {has}, the order wants {product[name]}: configure it, then resume"
            raise Refused("limits", told)


def entered(session: Session, order: Order) -> datetime | None:
    """When an order last went to work: at its begin, or when a person let it go on."""
    return session.scalar(
        select(func.max(OrderEvent.at)).where(
            OrderEvent.order_id == order.id, OrderEvent.to_state == OrderState.IN_PROGRESS.value
        )
    )
