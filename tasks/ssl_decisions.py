"""A person's decisions on a certificate's order: a correction, a refusal of ours, another try, the customer leaves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Customer,
    Order,
    OrderState,
    Service,
    ServiceState,
    Step,
    transaction,
)
from blocks.office import Office
from blocks.terms.money import Money
from blocks.terms.ssl_money import LeavingFacts, leaving
from tasks import ca_orders, ssl_clocks
from tasks.accounts import balances, charged
from tasks.notices import queue_notice
from tasks.obligations import fulfil, lift
from tasks.order_forms import Action, CertificateItem, OrderDecision
from tasks.order_state import find_order, hold, is_done, mark_done, note, transition
from tasks.ssl_account import account_number, move_to_account
from tasks.ssl_application import names_of
from tasks.ssl_rendered import render
from tasks.ssl_steps import CLOSED, HANDED_OVER, ORDERED, REFUSAL_TOLD, ca_order_of, place, refund

CORRECTION = "correction"
"""Why an order is held whose customer was proposed a correction."""
_ENDS = (Action.CANCEL, Action.DECLINE)
_STOPPED = (CaOrderState.HELD, CaOrderState.CANCELLED)
_CANCELLABLE = (CaOrderState.INTENDED, CaOrderState.PLACED, *_STOPPED)
_OVER = (OrderState.COMPLETED, OrderState.REJECTED, OrderState.CANCELLED)


def withdraw(office: Office, decision: OrderDecision, *, now: datetime) -> None:
    """End the order at the CA that a decision is about to end or to replace, while nothing is issued; then cancel it.

    It is over here before the CA hears of it: what the CA says of a cancelled order is no refusal of its own (SSL-5.2).
    Repeating it cancels again, which does no harm. Raises Refused where the decision could not be carried out,
    Transient while somebody asks the CA, or where it does not answer. A CA that knows the order no more, or cannot
    cancel, keeps nobody from deciding.
    """
    replaces = decision.action is Action.RESUME and decision.csr is not None
    if decision.action not in _ENDS and not replaces:
        return
    with transaction(office.sessions) as session:
        order = find_order(session, decision.order, lock=True)
        at_ca = ca_order_of(session, order) if order.agreement == "SSL" and order.state not in _OVER else None
        if at_ca is None or not _may_be_there(at_ca):
            return
        _must_be_decidable(session, order, at_ca, decision)
        session.refresh(at_ca, with_for_update=True)
        if at_ca.lease_until is not None and at_ca.lease_until >= now:
            raise Transient(f"the CA is being asked about {order.number} just now")
        _end_at_ca(session, order, decision, now)
        authority, url, request = at_ca.authority, at_ca.url, ca_orders.request_of(at_ca, "")
    try:
        ca = office.ca(authority)
        if url is None and (found := ca.find(request)) is not None:
            url = found.url
        if url is not None:
            ca.cancel(url)
    except (Refused, NotFound):
        return


def _may_be_there(at_ca: CaOrder) -> bool:
    """Whether the CA may have an order that it has not decided: placed, or asked for with nobody knowing the answer."""
    asked = at_ca.url is not None or at_ca.reason == "unknown" or at_ca.lease_owner is not None
    return asked and at_ca.state in _CANCELLABLE


def _must_be_decidable(session: Session, order: Order, at_ca: CaOrder, decision: OrderDecision) -> None:
    """Raises Refused before anything is undone for a decision that cannot be."""
    if decision.action is Action.RESUME:
        if order.state is not OrderState.HELD or at_ca.state not in _STOPPED:
            raise Refused("state", f"the CA works on the former request of {order.number}: cancel that first")
        _corrected(order, decision)
        return
    _must_be_open(session, order)
    if decision.action is Action.DECLINE:
        _must_say_of_money(session, order, decision)


def _must_say_of_money(session: Session, order: Order, decision: OrderDecision) -> None:
    if charged(session, order) and decision.refund is None:
        raise Refused("refund", f"{order.number} is paid: say whether its price returns to the account (refund)")


def carry_out(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """See tasks.decisions: a correction, or a refusal of ours."""
    if decision.action is Action.PROPOSE:
        return propose(office, session, order, decision, now)
    return decline(session, order, decision, now)


def propose(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """E-mail the customer what would make its application possible, and wait for its word (SSL-4.5)."""
    _must_be_open(session, order)
    facts = {**_facts(session, order), "proposal": decision.note}
    _tell(session, order, "certificate_correction", facts, now)
    why, operator = f"{decision.operator}: {decision.note}", office.settings.operator_email
    hold(session, order, reason=CORRECTION, why=why, now=now, operator=operator, clause="SSL-4.5")
    return f"{order.number}: a correction is proposed"


def decline(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """Refuse an application by e-mail (SSL-4.5), or one whose customer brings no data (SSL-4.6).

    The agreement does not say what becomes of a paid price then: the decision does.
    """
    _must_be_open(session, order)
    _must_say_of_money(session, order, decision)
    _end_at_ca(session, order, decision, now)
    back = refund(session, order, clause="SSL-4.5", now=now) if decision.refund else None
    freed = free_money(session, order, now=now)
    told = ", ".join(str(amount) for amount in [*([back] if back else []), *freed])
    facts = {**_facts(session, order), "why": decision.note, "back": told or None}
    _tell(session, order, "certificate_declined", facts, now)
    _terminate(session, order)
    why, who = decision.note, decision.operator
    transition(session, order, OrderState.REJECTED, why=why, who=who, now=now, clause="SSL-4.5")
    lift(session, subject=order.number, why=why, now=now)
    return f"{order.number} declined, {told or 'nothing'} to {account_number(order.customer_id)}"


def leave(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """The customer leaves before its certificate is there: nothing returns, our part counts as done (SSL-7.8)."""
    _must_be_open(session, order)
    _end_at_ca(session, order, decision, now)
    verdict = leaving(LeavingFacts(by="customer", paid=charged(session, order)))
    render(office, session, order, at=now, now=now)
    _terminate(session, order)
    why, who, clause = decision.note, decision.operator, verdict.clause
    transition(session, order, OrderState.COMPLETED, why=why, who=who, now=now, clause=clause)
    mark_done(session, order, CLOSED, result=OrderState.COMPLETED.value, now=now)
    for what in (ssl_clocks.TAKE_UP, ssl_clocks.ISSUE):
        fulfil(session, subject=order.number, what=what, evidence=f"{clause}: {why}", now=now)
    lift(session, subject=order.number, why=why, now=now)
    _tell(session, order, "certificate_left", _facts(session, order), now)
    return f"{order.number}: the customer left, nothing returns"


def back_to_its_end(session: Session, order: Order, decision: OrderDecision, now: datetime) -> str:
    """A held order that had come to its end goes back there, and what came later to the account; empty for another."""
    closed = session.get(Step, (order.id, CLOSED))
    if closed is None:
        return ""
    freed = ", ".join(str(amount) for amount in free_money(session, order, now=now))
    transition(session, order, OrderState(closed.result), why=decision.note, who=decision.operator, now=now)
    return f"{order.number} is {closed.result}, {freed or 'nothing'} to {account_number(order.customer_id)}"


def take_up_again(office: Office, session: Session, order: Order, decision: OrderDecision, now: datetime) -> None:
    """Before a held order goes on: with a corrected request, and with another try at the CA where the last one failed.

    Raises Refused for a request that will not do, or while the CA works on the former one.
    """
    at_ca = ca_order_of(session, order)
    stopped = at_ca is not None and at_ca.state in _STOPPED
    if decision.csr is not None:
        if at_ca is not None and not stopped:
            raise Refused("state", f"the CA works on the former request of {order.number}: cancel that first")
        _correct(session, order, decision, now)
    if at_ca is None or not stopped or not is_done(session, order, ORDERED) or not charged(session, order):
        return
    if at_ca.state is CaOrderState.HELD and decision.csr is None:
        ca_orders.again(session, office.sealer, at_ca, why=decision.note, who=decision.operator, now=now)
        return
    _end_at_ca(session, order, decision, now)
    session.flush()
    place(office, session, order, at_ca.authority, now=now)


def _correct(session: Session, order: Order, decision: OrderDecision, now: datetime) -> None:
    item = _corrected(order, decision)
    order.item = item.model_dump(mode="json")
    why = f"corrected: {', '.join(names_of(item.csr))}"
    note(session, order, kind="application.corrected", why=why, who=decision.operator, now=now, clause="SSL-4.5")


def _corrected(order: Order, decision: OrderDecision) -> CertificateItem:
    csr = decision.csr or ""
    try:
        return CertificateItem.model_validate({**order.item, "csr": csr, "domain": names_of(csr)[0]})
    except ValueError as error:
        raise Refused("csr", str(error)) from None


def free_money(session: Session, order: Order, *, now: datetime) -> list[Money]:
    """What stands on an order above its charge goes to its customer's account; how much it was."""
    over = balances(session, order)
    for amount in over:
        move_to_account(session, order, amount, kind="surplus", now=now, clause="SSL-7.3")
    return over


def _must_be_open(session: Session, order: Order) -> None:
    """Raises Refused for another agreement's order, and for one that is at its end or about to come there."""
    if order.agreement != "SSL":
        raise Refused("state", f"{order.number} is no order of a certificate")
    at_ca = ca_order_of(session, order)
    issued = at_ca is not None and at_ca.state in (CaOrderState.ISSUED, CaOrderState.REFUSED)
    done = is_done(session, order, HANDED_OVER) or is_done(session, order, REFUSAL_TOLD)
    if order.state in _OVER or issued or done:
        raise Refused("state", f"{order.number} is {order.state.value}, and the CA has decided or was not asked")


def _end_at_ca(session: Session, order: Order, decision: OrderDecision, now: datetime) -> None:
    at_ca = ca_order_of(session, order)
    if at_ca is not None and at_ca.open_key is not None:
        ca_orders.end(session, at_ca, CaOrderState.CANCELLED, decision.note, who=decision.operator, now=now)


def _terminate(session: Session, order: Order) -> None:
    service = session.scalar(select(Service).where(Service.order_id == order.id))
    if service is not None:
        service.state = ServiceState.TERMINATED


def _facts(session: Session, order: Order) -> dict[str, str | None]:
    name = session.get_one(Customer, order.customer_id).name
    return {"name": name, "domain": order.item["domain"], "account": account_number(order.customer_id)}


def _tell(session: Session, order: Order, kind: str, facts: dict[str, str | None], now: datetime) -> None:
    recipient = session.get_one(Customer, order.customer_id).email
    queue_notice(session, order, kind=kind, recipient=recipient, facts=facts, now=now, about=now.isoformat())
