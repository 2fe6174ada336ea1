"""Orders that wait for nobody any more go back to the inbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select

from blocks.ledger import Order, OrderState, reading, transaction
from blocks.office import Office
from tasks.fulfilment import next_step, view_of
from tasks.inbox import put_event
from tasks.order_forms import EventKind


def take_up_again(office: Office, *, now: datetime, agreement: str | None = None) -> int:
    """Orders that could go on while nobody is at them: a run ended badly, or what they waited for came quietly.

    Those of one agreement, or all.
    """
    working = (OrderState.ACKNOWLEDGED, OrderState.PENDING, OrderState.IN_PROGRESS)
    with reading(office.sessions) as session:
        idle = or_(Order.lease_until.is_(None), Order.lease_until < now)
        query = select(Order.number).where(Order.state.in_(working), idle)
        numbers = session.scalars(query.where(Order.agreement == agreement) if agreement else query).all()
    count = 0
    for number in numbers:
        if next_step(view_of(office, number)) is not None:
            event_id = f"go on:{number}:{now.isoformat(timespec='minutes')}"
            with transaction(office.sessions) as session:
                payload = {"order": number}
                count += put_event(
                    session, source="keeper", event_id=event_id, kind=EventKind.GO_ON, payload=payload, now=now
                )
    return count
