"""Complexes and the services on them: which serves an order, and bringing its servers to what the ledger says.

The ledger decides, the servers follow. `served_state` says what they were last brought to; it is `changing` from before
the first call to after the last one, so work that was killed in between is found and done again. Whoever calls the
servers holds the order's lease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from blocks.clients.comms.addresses import ComplexAt
from blocks.clients.comms.protocol import Complex
from blocks.errors import NotFound
from blocks.ledger import (
    InboxEvent,
    InboxState,
    Order,
    OrderEvent,
    Service,
    ServiceState,
    Site,
    Step,
    reading,
    transaction,
)
from blocks.office import Office
from tasks.inbox import put_event
from tasks.order_forms import EventKind
from tasks.order_state import find_order, note
from tasks.sites import retire_site

ACTIVE, SUSPENDED, DELETED, CHANGING = "active", "suspended", "deleted", "changing"
DELETION = "delete_complex"
_SERVED = {ServiceState.ACTIVE: ACTIVE, ServiceState.SUSPENDED: SUSPENDED, ServiceState.TERMINATED: DELETED}
_DONE = {
    ACTIVE: ("complex.resumed", "the servers let the contacts in"),
    SUSPENDED: ("complex.suspended", "the servers closed every door and every live session"),
    DELETED: ("complex.deleted", "the servers hold nothing of it any more"),
}


def complex_of(office: Office, number: str) -> Complex:
    """The complex of an order whose service is reserved. Raises Refused where a person must provide one first."""
    with reading(office.sessions) as session:
        product = service_of(session, find_order(session, number)).product
    return office.complexes.serving(number, dedicated=bool(product["dedicated"]), place=str(product["place"]))


def complex_at(office: Office, number: str) -> ComplexAt | None:
    """Where that complex stands, None for the sandbox; nothing of it is opened. Raises Refused as `complex_of`."""
    with reading(office.sessions) as session:
        product = service_of(session, find_order(session, number)).product
    return office.complexes.standing(number, dedicated=bool(product["dedicated"]), place=str(product["place"]))


def service_of(session: Session, order: Order, *, lock: bool = False) -> Service:
    """The service that an order made."""
    query = select(Service).where(Service.order_id == order.id)
    return session.scalars(query.with_for_update() if lock else query).one()


def diverges(session: Session, order: Order) -> bool:
    """Whether the servers of an order's complex stand otherwise than the ledger says."""
    service = session.scalar(select(Service).where(Service.order_id == order.id))
    return service is not None and _wanted(session, service) not in (None, service.served_state)


def _wanted(session: Session, service: Service) -> str | None:
    """What the servers should be brought to; None where nothing is to be done from here.

    A complex on its way to activation is its order's business. What customers have used is deleted only when a person
    said so; a service of which the servers hold nothing needs no deletion.
    """
    if service.agreement != "KS":
        return None
    wanted = _SERVED.get(service.state)
    if wanted == DELETED:
        said = session.get(Step, (service.order_id, DELETION)) is not None
        return DELETED if service.served_state and (said or service.active_from is None) else None
    return wanted


def converge(office: Office, number: str, *, now: datetime) -> None:
    """Bring the servers of an order's complex to what the ledger says, however often that changes meanwhile."""
    while (wanted := _begin(office, number)) is not None:
        complex_, domain = complex_of(office, number), _domain(office, number)
        calls: dict[str, Callable[[str], None]] = {
            ACTIVE: complex_.resume,
            SUSPENDED: complex_.suspend,
            DELETED: complex_.delete,
        }
        calls[wanted](domain)
        with transaction(office.sessions) as session:
            order = find_order(session, number, lock=True)
            service = service_of(session, order, lock=True)
            service.served_state = wanted
            if wanted == DELETED:
                _retire_site(session, order, now)
            kind, why = _DONE[wanted]
            note(session, order, kind=kind, why=f"{service.name}: {why}", now=now)


def _retire_site(session: Session, order: Order, now: datetime) -> None:
    site = session.scalar(select(Site).where(Site.order_id == order.id))
    if site is not None:
        retire_site(session, site, "the complex was deleted", now=now)


def _begin(office: Office, number: str) -> str | None:
    with transaction(office.sessions) as session:
        service = service_of(session, find_order(session, number, lock=True), lock=True)
        wanted = _wanted(session, service)
        if wanted in (None, service.served_state):
            return None
        service.served_state = CHANGING
        return wanted


def _domain(office: Office, number: str) -> str:
    with reading(office.sessions) as session:
        return service_of(session, find_order(session, number)).name


def take_up_diverging(office: Office, *, now: datetime) -> list[str]:
    """Put the orders whose complexes diverge into the inbox while nobody is at them; their numbers."""
    idle = or_(Order.lease_until.is_(None), Order.lease_until < now)
    behind = or_(*(and_(Service.state == state, Service.served_state != served) for state, served in _SERVED.items()))
    query = select(Order).join(Service, Service.order_id == Order.id).where(Service.agreement == "KS", behind, idle)
    with reading(office.sessions) as session:
        numbers = [order.number for order in session.scalars(query.order_by(Order.id)) if diverges(session, order)]
        waiting = _waiting(session)
    for number in numbers:
        if number in waiting:
            continue
        event_id = f"complex:{number}:{now.isoformat(timespec='minutes')}"
        with transaction(office.sessions) as session:
            payload = {"order": number}
            put_event(session, source="keeper", event_id=event_id, kind=EventKind.GO_ON, payload=payload, now=now)
    return numbers


def _waiting(session: Session) -> set[str]:
    """The orders that are in the inbox already: a complex that is down for a day is not put there every few minutes."""
    query = select(InboxEvent.event_id).where(
        InboxEvent.source == "keeper",
        InboxEvent.event_id.like("complex:%"),
        InboxEvent.state.in_([InboxState.NEW, InboxState.CLAIMED]),
    )
    return {event_id.split(":")[1] for event_id in session.scalars(query)}


@dataclass(frozen=True)
class ComplexNow:
    """A complex as the ledger has it, for whoever decides on it. `served` is what its servers were last brought to."""

    number: str
    domain: str
    state: str
    served: str
    contacts: int
    suspended_since: datetime | None


def complex_now(office: Office, number: str) -> ComplexNow:
    """The complex of an order. Raises NotFound where the order is of another agreement, or has no service yet."""
    with reading(office.sessions) as session:
        order = find_order(session, number)
        service = session.scalar(select(Service).where(Service.order_id == order.id, Service.agreement == "KS"))
        if service is None:
            raise NotFound("complex", number)
        suspended = select(func.max(OrderEvent.at)).where(
            OrderEvent.order_id == order.id, OrderEvent.kind == "service.suspended"
        )
        return ComplexNow(
            number=number,
            domain=service.name,
            state=service.state.value,
            served=service.served_state or "",
            contacts=int(order.item["contacts"]),
            suspended_since=session.scalar(suspended) if service.state is ServiceState.SUSPENDED else None,
        )
