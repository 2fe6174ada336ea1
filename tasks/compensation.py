"""Compensations: proposed by the machine or a person, decided on by a second person, entered on the account once.

An outage of any KS service is one of every complex that was served then; outages that overlap are one outage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused
from blocks.ledger import (
    Compensation,
    CompensationState,
    Customer,
    Order,
    Service,
    ServiceState,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms import ks
from blocks.terms.base import Verdict
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.intervals import Span, clip
from blocks.terms.ks_liability import Outage, OutageFacts, long_outage, short_outages
from blocks.terms.money import Money
from blocks.terms.policy import COMPENSATION_POLICY, ORDER_POLICY
from tasks.accounts import enter
from tasks.claims import Proposal, given, rows_of, weigh, yearly_of
from tasks.compensation_forms import CompensationDecision, ProposalForm
from tasks.downtime import counted_spans
from tasks.notices import queue_notice, queue_operator_notice
from tasks.numbering import add_numbered
from tasks.obligations import fulfil, open_obligation
from tasks.order_state import find_order, note

BETWEEN = "decide on an outage of 60 to 180 minutes"


def propose(office: Office, *, now: datetime) -> int:
    """Propose what the outages of KS services owe (KS-3.10a, KS-3.10b), each once; how many proposals are new."""
    with reading(office.sessions) as session:
        spans = counted_spans(session, "KS", now)
        found = [
            (order.number, proposal)
            for order, service in (_served(session) if spans else [])
            for proposal in _owed(session, order, _had(spans, service, now), now)
        ]
    new = 0
    for number, proposal in found:
        with transaction(office.sessions) as session:
            order = find_order(session, number, lock=True)
            new += _put(office, session, order, proposal, now) is not None
    return new


def _served(session: Session) -> Iterator[tuple[Order, Service]]:
    rows = session.execute(
        select(Order, Service)
        .join(Service, Service.order_id == Order.id)
        .where(Service.agreement == "KS", Service.active_from.is_not(None))
        .where(Service.state.in_([ServiceState.ACTIVE, ServiceState.SUSPENDED]))
        .order_by(Order.id)
    )
    yield from rows.tuples()


def _had(spans: Sequence[Span], service: Service, now: datetime) -> list[Outage]:
    """The outages as this customer had them: those parts that lie within its paid time."""
    served = Span(service.active_from or now, service.paid_until or now)
    return [Outage(began_at=span.start, ended_at=span.end) for span in clip(spans, served)]


def _owed(session: Session, order: Order, outages: Sequence[Outage], now: datetime) -> Iterator[Proposal]:
    if not outages:
        return
    yearly = yearly_of(order, now)
    for clause, rule in (("KS-3.10a", short_outages), ("KS-3.10b", long_outage)):
        once = f"{clause}:{order.number}"
        facts = OutageFacts(outages=tuple(outages), yearly_price=yearly, given_before=given(session, once))
        decision = rule(facts)
        if decision.verdict is Verdict.OWED:
            yield Proposal(clause, once, decision.amount, decision.what, _told(outages))
    for outage in outages:
        alone = long_outage(OutageFacts(outages=(outage,), yearly_price=yearly))
        if alone.verdict is Verdict.PERSON:
            once = f"KS-3.10b-between:{order.number}:{outage.began_at.isoformat()}"
            yield Proposal(alone.clause, once, None, alone.what, _told([outage]), owed=BETWEEN)


def _told(outages: Sequence[Outage]) -> str:
    return "; ".join(f"{o.began_at.isoformat()} - {o.ended_at.isoformat()}" for o in outages)


def propose_by_hand(office: Office, form: ProposalForm, *, now: datetime) -> str:
    """A person's proposal, weighed by the clause's rule; its number.

    Raises NotFound; Refused where it was proposed before; TermsViolated where the clause owes nothing.
    """
    with transaction(office.sessions) as session:
        order = find_order(session, form.order, lock=True)
        session.get_one(Customer, order.customer_id, with_for_update=True)  # caps are of the customer
        number = _put(office, session, order, weigh(session, order, form, now), now)
        if number is None:
            raise Refused("state", f"{form.claim.clause} was proposed for {form.order} before")
        return number


def _key(session: Session, proposal: Proposal) -> str | None:
    """The key for it: its own, or after a refusal a further one if it is not the same again; None to leave it."""
    rows = rows_of(session, proposal.once)
    if any(row.state is not CompensationState.DECLINED for row in rows):
        return None
    if any((row.outages, row.what) == (proposal.basis, proposal.what) for row in rows):
        return None
    return f"{proposal.once}:{len(rows) + 1}" if rows else proposal.once


def _put(office: Office, session: Session, order: Order, proposal: Proposal, now: datetime) -> str | None:
    key = _key(session, proposal)
    if key is None:
        return None
    row = Compensation(
        key=key,
        clause=proposal.clause,
        order_id=order.id,
        outages=proposal.basis,
        what=proposal.what,
        amount_minor=proposal.amount.minor if proposal.amount else None,
        currency=order.currency,
        state=CompensationState.PROPOSED,
        proposed_by=proposal.by,
        proposed_at=now,
    )
    add_numbered(session, row, now=now)
    days = COMPENSATION_POLICY.on(local_date(now, ks.ZONE)).decide_days
    deadline = in_calendar_days(now, days, ks.ZONE)
    open_obligation(session, clause=row.clause, subject=row.number, what=proposal.owed, deadline=deadline, now=now)
    why = f"{row.number}: {row.what}"
    note(session, order, kind="compensation.proposed", why=why, now=now, who=proposal.by, clause=row.clause)
    queue_operator_notice(
        session,
        kind="compensation_proposed",
        key=f"{row.number}:compensation_proposed",
        operator=office.settings.operator_email,
        facts=_proposed(order, row, proposal),
        now=now,
    )
    return row.number


def _proposed(order: Order, row: Compensation, proposal: Proposal) -> dict[str, str]:
    return {
        "number": row.number,
        "agreement": order.number,
        "clause": row.clause,
        "amount": str(proposal.amount or "сумму назовёт тот, кто решает"),
        "why": f"{row.what} ({row.outages})" if row.outages else row.what,
        "proposed_by": row.proposed_by,
    }


def decide(office: Office, form: CompensationDecision, *, now: datetime) -> str:
    """A second person approves, which puts the amount on the account once, or declines; the customer is told.

    Raises NotFound; Refused for the person who proposed it, for what is decided already, and for a wrong amount.
    """
    with transaction(office.sessions) as session:
        found = session.scalar(select(Compensation.order_id).where(Compensation.number == form.compensation))
        order = session.get(Order, found, with_for_update=True) if found is not None else None
        row = session.scalar(select(Compensation).where(Compensation.number == form.compensation).with_for_update())
        if row is None or order is None:
            raise NotFound("compensation", form.compensation)
        if row.state is not CompensationState.PROPOSED:
            raise Refused("state", f"{row.number} was {row.state.value} by {row.decided_by}")
        if _same_person(form.operator, row.proposed_by):
            raise Refused("second_person", f"{row.number} was proposed by {row.proposed_by}: another person decides")
        row.decided_by, row.decided_at, row.reason = form.operator, now, form.reason
        amount = _approve(session, order, row, form, now) if form.approve else None
        if amount is None:
            row.state = CompensationState.DECLINED
        evidence = f"{form.operator}: {row.state.value}: {form.reason}"
        fulfil(session, subject=row.number, what="decide on", evidence=evidence, now=now)
        kind = f"compensation.{row.state.value}"
        why = f"{row.number}: {form.reason}"
        note(session, order, kind=kind, why=why, now=now, who=form.operator, clause=row.clause)
        _tell_decided(session, order, row, amount, now)
        return f"{row.number} {row.state.value}{f': {amount}' if amount else ''}"


def _same_person(one: str, other: str) -> bool:
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def _amount(row: Compensation, form: CompensationDecision) -> Money:
    if row.amount_minor is not None:
        amount = Money.from_minor(row.amount_minor, row.currency)
        if form.amount is not None and form.amount != amount:
            raise Refused("amount", f"the agreement says {amount}")
        return amount
    if form.amount is None or form.amount.minor <= 0 or form.amount.currency != row.currency:
        raise Refused("amount", f"{row.number} has no amount yet: say how much, in {row.currency}")
    return form.amount


def _approve(session: Session, order: Order, row: Compensation, form: CompensationDecision, now: datetime) -> Money:
    """Onto the account, from which it is paid out: a person settles that as any surplus."""
    amount = _amount(row, form)
    row.state, row.amount_minor = CompensationState.APPROVED, amount.minor
    session.flush()
    enter(session, order, kind="compensation", of=row.number, amount=amount, now=now, clause=row.clause)
    days = ORDER_POLICY.on(local_date(now, ks.ZONE)).surplus_days
    deadline = in_calendar_days(now, days, ks.ZONE)
    what = f"return {amount} of {row.number}"
    open_obligation(session, clause=row.clause, subject=order.number, what=what, deadline=deadline, now=now)
    return amount


def _tell_decided(session: Session, order: Order, row: Compensation, amount: Money | None, now: datetime) -> None:
    customer = session.get_one(Customer, order.customer_id)
    facts = {
        "number": row.number,
        "agreement": order.number,
        "clause": row.clause,
        "granted": amount is not None,
        "amount": str(amount or ""),
        "why": row.reason or "",
    }
    kind = "compensation_decided"
    queue_notice(session, order, kind=kind, recipient=customer.email, facts=facts, now=now, about=row.number)
