"""An operator's decisions on an order: resume, cancel, confirm a handing over, suspend, settle a surplus.

Each names a person and a reason, goes through the inbox like any event, and is checked here against the order's state.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import (
    Customer,
    Order,
    OrderState,
    Payment,
    PaymentState,
    Service,
    ServiceState,
    Sessions,
    Step,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.money import Money
from blocks.terms.policy import ORDER_POLICY
from tasks.accept import ZONE, free_projects, price_of
from tasks.activation import ACTIVATED, COMPLETED
from tasks.money import balance, enter, received
from tasks.notices import queue_notice
from tasks.obligations import fulfil, lift, open_obligation
from tasks.order_forms import Action, ComplexItem, OrderDecision, ProjectItem
from tasks.order_state import find_order, is_done, mark_done, note, transition

HANDED_OVER = "confirm_handover"


def decide(office: Office, decision: OrderDecision, *, now: datetime) -> str:
    """Carry out a decision; one line tells what it did. Raises Refused when the order's state does not allow it."""
    with transaction(office.sessions) as session:
        order = find_order(session, decision.order, lock=True)
        match decision.action:
            case Action.RESUME:
                return _resume(office, session, order, decision, now)
            case Action.CANCEL:
                return _cancel(session, order, decision, now)
            case Action.CONFIRM_HANDOVER:
                return _confirm(session, order, decision, now)
            case Action.SUSPEND:
                return _suspend(session, order, decision, now)
            case Action.SETTLE_SURPLUS:
                return _settle_surplus(session, order, decision, now)


def _resume(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """Back to where the order stood: to its work, its end, its waiting for money, or a new request for money."""
    if order.state is not OrderState.HELD:
        raise Refused("state", f"{order.number} is {order.state.value}, not held")
    if order.hold_reason == "unknown_product":
        _price_again(office, order)
    session.flush()
    paid = received(session, order).minor >= order.price_minor
    service = session.scalar(select(Service).where(Service.order_id == order.id))
    if is_done(session, order, ACTIVATED) and service is not None:
        if service.state is ServiceState.SUSPENDED:
            if order.agreement == "QS" and order.price_minor == 0 and free_projects(session, order):
                raise TermsViolated("QS-4.4.2", "the user has another active free project")
            service.state = ServiceState.ACTIVE
            customer = session.get_one(Customer, order.customer_id)
            facts = {"service": service.name}
            about = now.isoformat()
            queue_notice(
                session, order, kind="service_resumed", recipient=customer.email, facts=facts, now=now, about=about
            )
        to = OrderState.COMPLETED if is_done(session, order, COMPLETED) else OrderState.IN_PROGRESS
    elif service is not None:
        to = OrderState.IN_PROGRESS
    elif paid or received(session, order).minor > 0:
        to = OrderState.PENDING
    else:
        to = OrderState.ACKNOWLEDGED
        policy = ORDER_POLICY.on(local_date(now, ZONE))
        order.pay_by = max(order.pay_by, in_calendar_days(now, policy.payment_window_days, ZONE).due)
        for payment in session.scalars(
            select(Payment).where(Payment.order_id == order.id, Payment.state == PaymentState.INTENDED)
        ):
            payment.state = PaymentState.CANCELED
    transition(session, order, to, why=decision.note, who=decision.operator, now=now)
    return f"{order.number} resumed: {to.value}"


def _price_again(office: Office, order: Order) -> None:
    item = (ComplexItem if order.agreement == "KS" else ProjectItem).model_validate(order.item)
    decision = price_of(office, item, order.ordered_at)
    if decision.amount is None:
        raise Refused("unknown_product", f"{order.number} still has no price on {order.ordered_at.date()}")
    order.price_minor = decision.amount.minor


def _cancel(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """End an order that has given nothing yet; money already received is owed back, which a person settles."""
    if is_done(session, order, ACTIVATED):
        raise Refused("state", f"{order.number} has an active service: end the agreement, not the order")
    transition(session, order, OrderState.CANCELLED, why=decision.note, who=decision.operator, now=now)
    cancel_consequences(session, order, why=decision.note, now=now)
    return f"{order.number} cancelled"


def cancel_consequences(session: Session, order: Order, *, why: str, now: datetime) -> None:
    """What follows a cancellation: obligations lifted, a charge reversed, the customer told, money owed back."""
    lift(session, subject=order.number, why=why, now=now)
    charge = Money.from_minor(order.price_minor, order.currency)
    service = session.scalar(select(Service).where(Service.order_id == order.id))
    if service is not None:
        service.state = ServiceState.TERMINATED
        key = f"charge-back:{order.number}"
        enter(session, order, key=key, kind="charge-back", amount=charge, now=now, clause=None)
    owed = balance(session, order)
    customer = session.get_one(Customer, order.customer_id)
    facts = {"name": customer.name, "why": why, "owed": str(owed) if owed.minor > 0 else None}
    about = now.isoformat()
    queue_notice(session, order, kind="order_cancelled", recipient=customer.email, facts=facts, now=now, about=about)
    if owed.minor > 0:
        policy = ORDER_POLICY.on(local_date(now, ZONE))
        deadline = in_calendar_days(now, policy.surplus_days, ZONE)
        clause = "KS-4.1" if order.agreement == "KS" else "QS-4.2.1"
        what = f"return {owed}"
        open_obligation(session, clause=clause, subject=order.number, what=what, deadline=deadline, now=now)


def awaiting_handover(sessions: Sessions, number: str | None = None) -> list[str]:
    """The orders whose envelope is ready and whose handing over nobody has confirmed; of one number, or of all."""
    done = select(Step.order_id).where(Step.key == HANDED_OVER)
    query = (
        select(Order.number)
        .join(Step, Step.order_id == Order.id)
        .where(Order.delivery == "envelope", Order.state == OrderState.IN_PROGRESS, Step.key == ACTIVATED)
        .where(Order.id.not_in(done))
    )
    with reading(sessions) as session:
        return list(session.scalars(query if number is None else query.where(Order.number == number)))


def _confirm(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    if order.delivery != "envelope" or not is_done(session, order, ACTIVATED):
        raise Refused("state", f"{order.number} has no envelope to hand over")
    if is_done(session, order, HANDED_OVER):
        return f"{order.number}: the handing over is on record already"
    note(
        session, order, kind="envelope.handed_over", why=decision.note, who=decision.operator, now=now, clause="KS-2.1"
    )
    mark_done(session, order, HANDED_OVER, result=f"{decision.operator}: {decision.note}", now=now)
    return f"{order.number}: handed over, confirmed by {decision.operator}"


def _suspend(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    service = session.scalar(select(Service).where(Service.order_id == order.id))
    if service is None or service.state is not ServiceState.ACTIVE:
        raise Refused("state", f"{order.number} has no active service")
    service.state = ServiceState.SUSPENDED
    clause = "QS-3.6.2" if order.agreement == "QS" else None
    note(session, order, kind="service.suspended", why=decision.note, who=decision.operator, now=now, clause=clause)
    transition(session, order, OrderState.HELD, why=decision.note, who=decision.operator, now=now, clause=clause)
    order.hold_reason = "suspended"
    customer = session.get_one(Customer, order.customer_id)
    facts = {"service": service.name, "why": decision.note}
    about = now.isoformat()
    queue_notice(session, order, kind="service_suspended", recipient=customer.email, facts=facts, now=now, about=about)
    return f"{order.number}: {service.name} suspended"


def _settle_surplus(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """A person has returned what stands on the account beyond the price; the account shows it."""
    surplus = balance(session, order)
    if surplus.minor <= 0:
        raise Refused("state", f"nothing stands on the account of {order.number}")
    key = f"return:{order.number}:{now.isoformat()}"
    back = Money.of(0, surplus.currency) - surplus
    enter(session, order, key=key, kind="return", amount=back, now=now, clause=None)
    note(session, order, kind="surplus.settled", why=f"{surplus}: {decision.note}", who=decision.operator, now=now)
    for what in ("decide on a surplus", "return "):
        fulfil(session, subject=order.number, what=what, evidence=f"{decision.operator}: {decision.note}", now=now)
    return f"{order.number}: {surplus} settled"
