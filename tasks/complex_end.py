"""The end of a complex that customers have used: everything stored on its servers goes, so a person says it twice."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import Customer, Order, OrderState, Service, ServiceState, reading
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.ks import ZONE
from tasks.activation import COMPLETED, DEDICATED, HAND_OVER
from tasks.complex_software import WHAT as SOFTWARE
from tasks.complexes import DELETION, service_of
from tasks.notices import queue_notice
from tasks.obligations import lift
from tasks.order_forms import OrderDecision
from tasks.order_state import find_order, is_done, mark_done, note, transition


def deletion_refused(office: Office, decision: OrderDecision, *, now: datetime) -> str:
    """Why a deletion would be refused as things stand; "" where it would be carried out. Raises NotFound."""
    with reading(office.sessions) as session:
        order = find_order(session, decision.order)
        why = _refused(session, order, decision, now)
    return str(why) if why else ""


def _refused(session: Session, order: Order, decision: OrderDecision, now: datetime) -> Refused | None:
    service = session.scalar(select(Service).where(Service.order_id == order.id, Service.agreement == "KS"))
    if service is None:
        return Refused("state", f"{order.number} has no communications complex")
    if service.state is not ServiceState.SUSPENDED or order.state is not OrderState.HELD:
        return Refused("state", f"{service.name} is {service.state.value}: suspend it first")
    if decision.domain != service.name:
        return Refused("domain", f"{order.number} serves {service.name}, not {decision.domain or 'nothing'}")
    if decision.ended_on is None or decision.ended_on >= local_date(now, ZONE):
        return Refused("ended_on", f"the agreement's last day is not over: {decision.ended_on or 'not stated'}")
    return None


def delete_complex(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """End a suspended complex whose agreement is over; its servers are cleared next, mailboxes included.

    Raises Refused unless it is suspended, its domain is typed as it is, and the agreement's last day (Moscow) is over.
    """
    if refused := _refused(session, order, decision, now):
        raise refused
    service = service_of(session, order, lock=True)
    service.state, service.suspended_for = ServiceState.TERMINATED, None
    why = f"the agreement ended on {decision.ended_on}: {decision.note}"
    note(session, order, kind="service.terminated", why=f"{service.name}: {why}", who=decision.operator, now=now)
    mark_done(session, order, DELETION, result=f"{decision.operator}: {why}", now=now)
    for what in (HAND_OVER, DEDICATED, SOFTWARE):  # money that is owed back stays owed
        lift(session, subject=order.number, why=why, now=now, what=what)
    end = OrderState.COMPLETED if is_done(session, order, COMPLETED) else OrderState.CANCELLED
    transition(session, order, end, why=why, who=decision.operator, now=now)
    customer = session.get_one(Customer, order.customer_id)
    facts = {"service": service.name, "ended_on": str(decision.ended_on)}
    queue_notice(session, order, kind="complex_deleted", recipient=customer.email, facts=facts, now=now)
    return f"{order.number}: {service.name} is deleted"
