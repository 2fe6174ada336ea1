"""How registrations of QS end: by agreement (QS-8.2, QS-8.3), or after a year without activity (QS-3.6.1)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused, TermsViolated
from blocks.ledger import AccountEnding, Customer, Order, Service, ServiceState, Step, transaction
from blocks.office import Office
from blocks.terms import qs
from blocks.terms.base import Deadline, Verdict
from blocks.terms.deadlines import end_of_day
from blocks.terms.money import Money
from blocks.terms.qs_ending import EndFacts, LeavingFacts, destroy_registration, leaving
from tasks.account_facts import find_customer, orders_of, paid_until, services_of, subject_of
from tasks.account_forms import EndingForm, KeepForm
from tasks.accounts import price_of_order
from tasks.activation import ACTIVATED, EXTENDED
from tasks.erased import is_erased
from tasks.notices import queue, queue_operator_notice
from tasks.obligations import lift, open_obligation
from tasks.order_state import note

ENDS, IDLE = "QS-8.3", "QS-3.6.1"
DESTROY = "destroy "
"""How the wording of both obligations to destroy registration data begins."""
_LATE = timedelta(days=2)
"""A registration that still stands so long after its agreement ended is warned of."""


def open_endings(session: Session) -> dict[int, AccountEnding]:
    """The endings on their way, by customer."""
    query = select(AccountEnding).where(AccountEnding.resumed_at.is_(None), AccountEnding.deleted_at.is_(None))
    return {row.customer_id: row for row in session.scalars(query.order_by(AccountEnding.id))}


def open_ending(session: Session, customer: int) -> AccountEnding | None:
    """The ending of a registration that is on its way, locked."""
    query = select(AccountEnding).where(
        AccountEnding.customer_id == customer, AccountEnding.resumed_at.is_(None), AccountEnding.deleted_at.is_(None)
    )
    return session.scalar(query.order_by(AccountEnding.id).limit(1).with_for_update())


def end_agreement(office: Office, form: EndingForm, *, now: datetime) -> str:
    """Put the end of a customer's agreement on record, once; what follows, in one line.

    Raises NotFound, Refused when it ends already or the notice is of the future, TermsViolated (QS-8.2).
    """
    if form.noticed_at > now:
        raise Refused("noticed_at", "a notice that has been received is not of the future")
    with transaction(office.sessions) as session:
        customer = find_customer(session, form.customer, lock=True)
        before = open_ending(session, customer.id)
        if before is not None and before.clause == ENDS:
            raise Refused("ending", f"the agreement of customer {customer.id} ends already")
        deleted = select(AccountEnding.id).where(AccountEnding.customer_id == customer.id)
        if session.scalar(deleted.where(AccountEnding.deleted_at.is_not(None))) is not None:
            raise Refused("ending", f"customer {customer.id} is deleted")
        refunds = _refunds(session, customer.id, form)
        if before is not None:
            take_back(session, before, why="the agreement ends before", now=now)
        ended_at = _end(session, customer.id, form)
        _record(session, customer, form, ended_at, now)
        for order, amount in refunds:
            _owe(office, session, order, amount, ended_at=ended_at, now=now)
        return f"{subject_of(customer.id)}: ends at {ended_at.isoformat()}, {len(refunds)} refunds for a person"


def _end(session: Session, customer: int, form: EndingForm) -> datetime:
    """The end of the agreement. A user who leaves has access to the end of the last paid period (QS-8.2)."""
    end = end_of_day(form.ends_on, qs.ZONE)
    paid = paid_until(session, customer) if form.who == "user" else None
    return max(end, paid) if paid else end


def _record(session: Session, customer: Customer, form: EndingForm, ended_at: datetime, now: datetime) -> None:
    session.add(
        AccountEnding(
            customer_id=customer.id,
            clause=ENDS,
            why=f"{form.who}: {form.reason}",
            who=form.operator,
            opened_at=now,
            ended_at=ended_at,
        )
    )
    decision = destroy_registration(EndFacts(ended_at=ended_at))
    subject = subject_of(customer.id)
    if decision.deadline is not None:
        owed = open_obligation(
            session, clause=ENDS, subject=subject, what=decision.what, deadline=decision.deadline, now=now
        )
        owed.warn_at = ended_at + _LATE
    facts = {
        "name": customer.name,
        "ours": form.who == "provider",
        "ended_at": ended_at.isoformat(),
        "destroyed_by": owed.due_at.isoformat(),
    }
    key = f"agreement_ends:{customer.id}:{now.isoformat()}"
    queue(
        session,
        key=key,
        kind="agreement_ends",
        agreement="QS",
        recipient=customer.email,
        facts=facts,
        now=now,
        about=subject,
    )


def _refunds(session: Session, customer: int, form: EndingForm) -> list[tuple[Order, Money]]:
    """What each paid period returns (QS-8.2), by its order. Raises TermsViolated for too short a notice."""
    refunds = []
    nothing = (None, form.noticed_at, form.noticed_at, Money.of(0, "RUB"))
    for order, begins, ends, paid in [nothing, *_periods(session, customer)]:
        facts = LeavingFacts(
            who="provider" if form.who == "provider" else "user",
            noticed_at=form.noticed_at,
            ends_on=form.ends_on,
            period_from=begins,
            period_until=ends,
            paid=paid,
        )
        decision = leaving(facts)
        if decision.verdict is Verdict.REFUSED:
            raise TermsViolated(decision.clause, decision.what)
        if order is not None and decision.amount is not None and decision.amount.minor > 0:
            refunds.append((order, decision.amount))
    return refunds


def _periods(session: Session, customer: int) -> list[tuple[Order | None, datetime, datetime, Money]]:
    """The paid periods of its projects that stand, each with the order that paid it, as they followed one another."""
    orders = orders_of(session, customer)
    begun = select(Step.order_id, Step.done_at).where(
        Step.order_id.in_([order.id for order in orders]), Step.key.in_([ACTIVATED, EXTENDED])
    )
    done = dict(session.execute(begun).tuples().all())
    found: list[tuple[Order | None, datetime, datetime, Money]] = []
    for service in services_of(session, customer):
        until: datetime | None = None
        own = [one for one in orders if service.order_id == one.id or one.item.get("renews") == service.name]
        for order in sorted(
            (one for one in own if one.id in done and one.item["months"]), key=lambda one: done[one.id]
        ):
            begins = max(until, done[order.id]) if until else done[order.id]
            decision = qs.period(qs.PeriodFacts(begins_at=begins, months=order.item["months"]))
            until = decision.deadline.due if decision.deadline else begins
            if service.state is not ServiceState.TERMINATED:
                found.append((order, begins, until, price_of_order(order)))
    return found


def _owe(office: Office, session: Session, order: Order, amount: Money, *, ended_at: datetime, now: datetime) -> None:
    """We leave, so money goes back by the end: a person returns it, and the registration stays until that is done."""
    deadline = Deadline(due=ended_at, zone=qs.ZONE)
    what = f"return {amount} of an unused period"
    open_obligation(session, clause="QS-8.2", subject=order.number, what=what, deadline=deadline, now=now)
    queue_operator_notice(
        session,
        kind="account_refund",
        key=f"account_refund:{order.number}:{ended_at.isoformat()}",
        operator=office.settings.operator_email,
        facts={"number": order.number, "amount": str(amount), "due": deadline.due.isoformat()},
        now=now,
    )


def take_back(session: Session, ending: AccountEnding, *, why: str, now: datetime) -> None:
    """Nothing is deleted: the ending is over, what it owed is lifted, and what idleness blocked comes back."""
    ending.resumed_at = now
    lift(session, subject=subject_of(ending.customer_id), why=why, now=now)
    services = services_of(session, ending.customer_id, lock=True)
    blocked = [one for one in services if one.suspended_for == "idle"]
    running = any(one.state is ServiceState.ACTIVE and one.paid_until is None for one in services)
    for service in blocked:
        # QS-4.4.2: one active free project a user; a newer one has taken its place.
        service.state = ServiceState.TERMINATED if running else ServiceState.ACTIVE
        service.suspended_for, running = None, True
        kind = "service.terminated" if service.state is ServiceState.TERMINATED else "service.resumed"
        note_service(session, service, kind=kind, why=why, clause=ending.clause, now=now)


def note_service(session: Session, service: Service, *, kind: str, why: str, clause: str, now: datetime) -> None:
    """Add to the story of the order of a project."""
    order = session.get_one(Order, service.order_id)
    note(session, order, kind=kind, why=f"{service.name}: {why}", now=now, clause=clause)


def keep_account(office: Office, form: KeepForm, *, now: datetime) -> str:
    """A person says that a registration stays: whatever was on its way to its deletion is taken back.

    Raises NotFound when nothing is on its way, or there is no such customer; Refused when its data is gone already.
    """
    with transaction(office.sessions) as session:
        customer = find_customer(session, form.customer, lock=True)
        ending = open_ending(session, customer.id)
        if ending is None:
            raise NotFound("ending", subject_of(customer.id))
        if is_erased(customer.email):
            raise Refused("ending", f"the data of customer {customer.id} is destroyed already")
        take_back(session, ending, why=f"{form.operator} keeps the registration", now=now)
        ending.why = f"{ending.why}; kept by {form.operator}: {form.reason}"
        return f"{subject_of(customer.id)} stays"
