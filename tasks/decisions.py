"""An operator's decisions on an order. Each names a person and a reason and goes through the inbox like any event.

A decision is carried out once: its event is recorded among the order's steps in the same transaction, and coming again
(after a crash, or because the run that followed it failed) it only says what it did.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import (
    Customer,
    Notice,
    NoticeState,
    Order,
    OrderEvent,
    OrderState,
    Payment,
    PaymentState,
    SealedSecret,
    Service,
    ServiceState,
    Sessions,
    Step,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.policy import ORDER_POLICY
from tasks import ssl_decisions
from tasks.accept import ZONE, free_projects, price_of, renewal_refused
from tasks.access_data import forget_access_data
from tasks.accounts import balances, charged, enter, received, returned
from tasks.activation import ACTIVATED, COMPLETED, EXTENDED
from tasks.complex_end import delete_complex
from tasks.money import MONEY_CLAUSES, service_of_order, settle
from tasks.notices import queue_notice
from tasks.obligations import fulfil, lift, open_obligation
from tasks.order_forms import ITEMS, Action, OrderDecision
from tasks.order_state import WISH, find_order, hold, is_done, mark_done, note, transition
from tasks.order_wishes import not_granted
from tasks.ssl_account import is_credited
from tasks.ssl_steps import REFUSAL_TOLD

HANDED_OVER = "confirm_handover"
NOT_HANDED_OVER = "envelope.not_handed_over"


def decide(office: Office, decision: OrderDecision, *, event: int, now: datetime) -> str:
    """Carry out a decision, once by the number of its event; one line tells what it did.

    Raises Refused or TermsViolated when the order's state or an agreement does not allow it, Transient where a CA must
    hear of it first and does not answer.
    """
    ssl_decisions.withdraw(office, decision, now=now)
    with transaction(office.sessions) as session:
        order = find_order(session, decision.order, lock=True)
        step = session.get(Step, (order.id, f"decision:{event}"))
        if step is not None:
            return step.result
        told = _carry_out(office, session, order, decision, now)
        mark_done(session, order, f"decision:{event}", result=told, now=now)
    return told


def _carry_out(  # noqa: PLR0911 - one way for each action
    office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime
) -> str:
    match decision.action:
        case Action.RESUME:
            return _resume(office, session, order, decision, now)
        case Action.CANCEL:
            return _cancel(office, session, order, decision, now)
        case Action.CONFIRM_HANDOVER:
            return _confirm(session, order, decision, now)
        case Action.SUSPEND:
            return _suspend(office, session, order, decision, now)
        case Action.SETTLE_SURPLUS:
            return _settle_surplus(session, order, decision, now)
        case Action.SEND_AGAIN:
            return _send_again(session, order, decision, now)
        case Action.TAKE_PAYMENT:
            return _take_payment(office, session, order, decision, now)
        case Action.FULFIL:
            return _fulfil(session, order, decision, now)
        case Action.DELETE:
            return delete_complex(session, order, decision, now)
        case _:
            return ssl_decisions.carry_out(office, session, order, decision, now)


def _resume(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """Back to where the order stood: to its end, its work, its waiting for money, or a new request for money."""
    if order.state is not OrderState.HELD:
        raise Refused("state", f"{order.number} is {order.state.value}, not held")
    if order.agreement == "SSL" and (ended := ssl_decisions.back_to_its_end(session, order, decision, now)):
        return ended
    reasons = (order.hold_reason or "").split("+")
    if {"unknown_product", WISH} & set(reasons):
        _look_again(office, session, order)
    if "no_keys" in reasons and not is_done(session, order, ACTIVATED):
        forget_access_data(session, order)
    if order.agreement == "SSL":
        ssl_decisions.take_up_again(office, session, order, decision, now)
    policy = ORDER_POLICY.on(local_date(now, ZONE))
    order.pay_by = max(order.pay_by, in_calendar_days(now, policy.payment_window_days, ZONE).due)
    served = is_done(session, order, ACTIVATED) or is_done(session, order, EXTENDED)
    if served:
        _bring_back(session, order, now)
        to = OrderState.COMPLETED if is_done(session, order, COMPLETED) else OrderState.IN_PROGRESS
    elif charged(session, order) or is_done(session, order, REFUSAL_TOLD):
        to = OrderState.IN_PROGRESS
    elif order.price_minor == 0 or received(session, order).minor > 0:
        to = OrderState.PENDING
    else:
        to = OrderState.ACKNOWLEDGED
        for payment in session.scalars(
            select(Payment).where(Payment.order_id == order.id, Payment.state == PaymentState.INTENDED)
        ):
            payment.state = PaymentState.CANCELED
    transition(session, order, to, why=decision.note, who=decision.operator, now=now)
    return f"{order.number} resumed: {to.value}"


def _look_again(office: Office, session: Session, order: Order) -> None:
    """An order that had no price, or renewed what could not be renewed: is it so still?"""
    item = ITEMS[order.agreement].model_validate(order.item)
    decision = price_of(office, item, order.ordered_at)
    if decision.amount is None:
        raise Refused("unknown_product", f"{order.number} still has no price on {order.ordered_at.date()}")
    order.price_minor = decision.amount.minor
    if order.item.get("renews") and (why_not := renewal_refused(session, order)):
        raise TermsViolated("QS-3.3.1", why_not)
    if wish := not_granted(office, session, order):
        raise TermsViolated(wish.clause, wish.why)


def _bring_back(session: Session, order: Order, now: datetime) -> None:
    service = service_of_order(session, order)
    if service is None or service.state is not ServiceState.SUSPENDED:
        return
    if order.agreement == "QS" and order.price_minor == 0 and free_projects(session, order):
        raise TermsViolated("QS-4.4.2", "the user has another active free project")
    service.state, service.suspended_for = ServiceState.ACTIVE, None
    customer = session.get_one(Customer, order.customer_id)
    facts, about = {"service": service.name}, now.isoformat()
    queue_notice(session, order, kind="service_resumed", recipient=customer.email, facts=facts, now=now, about=about)


def _cancel(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """End an order that has given nothing yet; money already received is owed back, which a person settles.

    A certificate that is paid and begun is left by its customer: nothing returns (SSL-7.8).
    """
    if order.agreement == "SSL" and charged(session, order):
        return ssl_decisions.leave(office, session, order, decision, now)
    if is_done(session, order, ACTIVATED) or is_done(session, order, EXTENDED):
        raise Refused("state", f"{order.number} has been served: end the agreement, not the order")
    transition(session, order, OrderState.CANCELLED, why=decision.note, who=decision.operator, now=now)
    cancel_consequences(session, order, why=decision.note, now=now)
    return f"{order.number} cancelled"


def cancel_consequences(session: Session, order: Order, *, why: str, now: datetime) -> None:
    """What follows a cancellation: obligations lifted, the charge reversed, the customer told, money owed back."""
    lift(session, subject=order.number, why=why, now=now)
    charge = charged(session, order)
    if charge:
        enter(session, order, kind="charge-back", of=order.number, amount=charge, now=now, clause=None)
    service = session.scalar(select(Service).where(Service.order_id == order.id))
    if service is not None:
        service.state = ServiceState.TERMINATED
        forget_access_data(session, order)
    if order.agreement == "SSL":
        ssl_decisions.free_money(session, order, now=now)
    owed = balances(session, order)
    told = ", ".join(str(amount) for amount in owed)
    customer = session.get_one(Customer, order.customer_id)
    facts, about = {"name": customer.name, "why": why, "owed": told or None}, now.isoformat()
    queue_notice(session, order, kind="order_cancelled", recipient=customer.email, facts=facts, now=now, about=about)
    if owed:
        policy = ORDER_POLICY.on(local_date(now, ZONE))
        deadline = in_calendar_days(now, policy.surplus_days, ZONE)
        clause = MONEY_CLAUSES[order.agreement]
        what = f"return {told}"
        open_obligation(session, clause=clause, subject=order.number, what=what, deadline=deadline, now=now)


def awaiting_handover(sessions: Sessions, number: str | None = None) -> dict[str, int]:
    """Orders whose envelope is ready and not confirmed, with how often a person has said "not yet"."""
    done = select(Step.order_id).where(Step.key == HANDED_OVER)
    query = (
        select(Order.number, Order.id)
        .join(Step, Step.order_id == Order.id)
        .where(Order.delivery == "envelope", Order.state == OrderState.IN_PROGRESS, Step.key == ACTIVATED)
        .where(Order.id.not_in(done))
    )
    with reading(sessions) as session:
        found = session.execute(query if number is None else query.where(Order.number == number)).all()
        said = select(OrderEvent.id).where(OrderEvent.kind == NOT_HANDED_OVER)
        return {row.number: len(session.scalars(said.where(OrderEvent.order_id == row.id)).all()) for row in found}


def not_handed_over(office: Office, number: str, *, operator: str, why: str, now: datetime) -> None:
    """A person says that an envelope has not been handed over: on record, and to be asked again."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        note(session, order, kind=NOT_HANDED_OVER, why=why, who=operator, now=now, clause="KS-2.1")


def _confirm(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    if order.delivery != "envelope" or not is_done(session, order, ACTIVATED):
        raise Refused("state", f"{order.number} has no envelope to hand over")
    if is_done(session, order, HANDED_OVER):
        return f"{order.number}: the handing over is on record already"
    why = decision.note
    note(session, order, kind="envelope.handed_over", why=why, who=decision.operator, now=now, clause="KS-2.1")
    mark_done(session, order, HANDED_OVER, result=f"{decision.operator}: {why}", now=now)
    return f"{order.number}: handed over, confirmed by {decision.operator}"


def _suspend(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """QS-3.6.2: a breach blocks a project. KS names no suspension: of a complex a person decides, and says why."""
    clause = "QS-3.6.2" if order.agreement == "QS" else None
    service = service_of_order(session, order)
    if service is None or service.state is not ServiceState.ACTIVE:
        raise Refused("state", f"{order.number} has no active service")
    service.state, service.suspended_for = ServiceState.SUSPENDED, "operator"
    why, who = decision.note, decision.operator
    note(session, order, kind="service.suspended", why=why, who=who, now=now, clause=clause)
    operator = office.settings.operator_email
    hold(session, order, reason="suspended", why=f"{who}: {why}", now=now, operator=operator, clause=clause)
    customer = session.get_one(Customer, order.customer_id)
    facts, about = {"service": service.name, "why": why}, now.isoformat()
    queue_notice(session, order, kind="service_suspended", recipient=customer.email, facts=facts, now=now, about=about)
    return f"{order.number}: {service.name} suspended"


def _settle_surplus(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """A person has returned what stands on the account beyond the charge; the account shows it.

    Of a certificate it goes to its customer's personal account.
    """
    over = balances(session, order)
    if not over:
        raise Refused("state", f"nothing stands on the account of {order.number}")
    if order.agreement == "SSL":
        ssl_decisions.free_money(session, order, now=now)
    for kind, back in returned(session, order):
        enter(session, order, kind=kind, of=decision.operator, amount=back, now=now, clause=None)
    told = ", ".join(str(amount) for amount in over)
    note(session, order, kind="surplus.settled", why=f"{told}: {decision.note}", who=decision.operator, now=now)
    for what in ("decide on a surplus", "return "):
        fulfil(session, subject=order.number, what=what, evidence=f"{decision.operator}: {decision.note}", now=now)
    return f"{order.number}: {told} settled"


def _send_again(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """Letters that bounced or were given up go out again, to a corrected address where one is given."""
    customer = session.get_one(Customer, order.customer_id)
    before = customer.email
    if decision.email is not None:
        customer.email = decision.email.lower()
    lost = session.scalars(
        select(Notice).where(Notice.order_id == order.id, Notice.state.in_([NoticeState.BOUNCED, NoticeState.FAILED]))
    ).all()
    if not lost:
        raise Refused("state", f"no letter of {order.number} was lost")
    for letter in lost:
        letter.state, letter.attempts, letter.next_try_at = NoticeState.QUEUED, 0, now
        letter.sent_at = letter.settled_at = None
        if letter.recipient == before:
            letter.recipient = customer.email
        if letter.kind == "access_data":
            page = session.scalars(select(SealedSecret).where(SealedSecret.order_id == order.id)).one()
            page.ready_at = page.ready_at or now
    note(session, order, kind="notices.sent_again", why=decision.note, who=decision.operator, now=now)
    return f"{order.number}: {len(lost)} letters go out again"


def _take_payment(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """A person finds the order of money that named none, or a wrong one."""
    row = session.get(Payment, decision.payment, with_for_update=True) if decision.payment else None
    if row is None or row.order_id is not None or is_credited(session, row.id):
        raise Refused("payment", f"there is no payment {decision.payment} without an order")
    row.order_id = order.id
    session.flush()
    settle(office, session, order, row, now)
    evidence = f"{decision.operator}: {decision.note}"
    fulfil(session, subject=f"payment:{row.id}", what="find the order", evidence=evidence, now=now)
    return f"{order.number}: payment {row.id} taken"


def _fulfil(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """A person did what is owed; the note is the evidence."""
    evidence = f"{decision.operator}: {decision.note}"
    what = decision.obligation or ""
    count = fulfil(session, subject=order.number, what=what, evidence=evidence, now=now) if what else 0
    if not count:
        raise Refused("obligation", f"{order.number} has no open obligation whose wording begins {what!r}")
    note(session, order, kind="obligation.fulfilled", why=f"{what}: {decision.note}", who=decision.operator, now=now)
    return f"{order.number}: {count} obligations fulfilled"
