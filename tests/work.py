"""Doing the main job in tests without Prefect: events in, everything drained, the ledger looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from blocks.errors import NotFound, Refused, TermsViolated, Transient
from blocks.ledger import (
    AccountEntry,
    InboxEvent,
    InboxState,
    Notice,
    Obligation,
    ObligationState,
    Order,
    Payment,
    Service,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.views import OrderStory
from flows.fulfilment import advance, send_due
from tasks.events import apply_event
from tasks.inbox import claim, finish, park, put_back, put_event
from tasks.order_forms import EventKind
from tasks.stories import order_numbers, story_of

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday, noon in Moscow
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PERSON = {"kind": "person", "name": "Анна Примерова", "email": "customer@example.test"}
COMPANY = {"kind": "company", "name": "ООО «Ромашка»", "email": "customer@example.test", "inn": "7701234567"}


def ks(contacts: int = 2, delivery: str = "electronic") -> dict[str, Any]:
    return {"agreement": "KS", "contacts": contacts, "delivery": delivery}


def qs(tariff: str = "start", months: int = 3, renews: str | None = None) -> dict[str, Any]:
    return {"agreement": "QS", "tariff": tariff, "months": months, "renews": renews}


def put(
    office: Office, kind: EventKind, payload: dict[str, Any], event_id: str, source: str, at: datetime = NOW
) -> bool:
    with transaction(office.sessions) as session:
        return put_event(session, source=source, event_id=event_id, kind=kind, payload=payload, now=at)


def put_order(
    office: Office, order: str, item: dict[str, Any], customer: dict[str, Any] | None = None, at: datetime = NOW
) -> None:
    payload = {"order": order, "customer": customer or PERSON, "item": item}
    put(office, EventKind.ORDER, payload, f"evt-{order}-{at.isoformat()}", "shop", at)


def put_payment(office: Office, payment_id: str, event: str = "payment.succeeded", at: datetime = NOW) -> None:
    payload = {"type": "notification", "event": event, "object": {"id": payment_id}}
    put(office, EventKind.PAYMENT, payload, f"{event}:{payment_id}", "yookassa", at)


def put_receipt(
    office: Office, number: str, amount: str, reference: str, at: datetime = NOW, currency: str = "RUB"
) -> None:
    payload = {"order": number, "amount": {"amount": amount, "currency": currency}, "reference": reference}
    put(office, EventKind.RECEIPT, payload, f"receipt:{reference}", "operator", at)


def decide(office: Office, number: str, action: str, at: datetime, note: str = "so decided") -> str:
    """Put an operator's decision in, drain, and say what became of it."""
    event_id = f"decision:{action}:{at.isoformat()}"
    payload = {"order": number, "action": action, "operator": "О. Петрова", "note": note}
    put(office, EventKind.DECISION, payload, event_id, "operator", at)
    drain(office, at)
    with reading(office.sessions) as session:
        outcome = session.scalar(select(InboxEvent.outcome).where(InboxEvent.event_id == event_id))
    return outcome or ""


def still(at: datetime) -> Callable[[], datetime]:
    """A clock that stands."""
    return lambda: at


def drain(office: Office, at: datetime, *, owner: str = "test") -> None:
    """Work until nothing is due: what a dispatcher does, one event after another."""
    while events := claim(office.sessions, owner=owner, now=at, limit=10):
        for event in events:
            try:
                recorded = apply_event(office, event, now=at)
                if recorded.order is not None:
                    advance(office, recorded.order, now=at)
            except Transient as error:
                put_back(office.sessions, event, owner=owner, why=str(error), now=at)
            except (Refused, NotFound, TermsViolated) as error:
                if event.kind == EventKind.DECISION:
                    finish(office.sessions, event, owner=owner, outcome=f"refused: {error}", now=at)
                else:
                    park(office.sessions, event, owner=owner, why=str(error), now=at)
            else:
                finish(office.sessions, event, owner=owner, outcome=recorded.outcome, now=at)
    send_due(office, now=at)


def ordered(
    office: Office, order: str, item: dict[str, Any], customer: dict[str, Any] | None = None, at: datetime = NOW
) -> str:
    """Order, drain, and give our number."""
    put_order(office, order, item, customer, at)
    drain(office, at)
    return order_numbers(office.sessions)[f"shop/{order}"]


def story(office: Office, number: str) -> OrderStory:
    return story_of(office.sessions, number)


def state(office: Office, number: str) -> str:
    """The order's state, with the reason where it is held."""
    told = story(office, number)
    return f"{told.state}:{told.hold_reason}" if told.hold_reason else told.state


def payment_of(office: Office, number: str) -> str:
    """The provider's id of the newest online payment of an order."""
    with reading(office.sessions) as session:
        found = session.scalars(
            select(Payment.provider_id).join(Order).where(Order.number == number).order_by(Payment.id.desc())
        ).first()
    assert found is not None
    return found


def service_of(office: Office, number: str) -> Service:
    with reading(office.sessions) as session:
        return session.scalars(
            select(Service).join(Order, Order.id == Service.order_id).where(Order.number == number)
        ).one()


def balance_minor(office: Office) -> int:
    """What stands on all accounts together."""
    with reading(office.sessions) as session:
        return int(session.scalar(select(func.coalesce(func.sum(AccountEntry.amount_minor), 0))) or 0)


def kinds(office: Office, number: str | None = None) -> list[str]:
    """The kinds of the notices, in order."""
    with reading(office.sessions) as session:
        query = select(Notice.kind).order_by(Notice.id)
        if number is not None:
            query = query.join(Order, Order.id == Notice.order_id).where(Order.number == number)
        return list(session.scalars(query))


def open_obligations(office: Office) -> list[str]:
    with reading(office.sessions) as session:
        rows = session.scalars(
            select(Obligation).where(Obligation.state == ObligationState.OPEN).order_by(Obligation.id)
        )
        return [f"{row.clause} {row.what}" for row in rows]


def inbox_states(office: Office) -> Sequence[InboxState]:
    with reading(office.sessions) as session:
        return session.scalars(select(InboxEvent.state).order_by(InboxEvent.id)).all()


def page_token(office: Office, number: str, kind: str = "access") -> str:
    return office.sealer.page_token(f"{kind}:{number}")
