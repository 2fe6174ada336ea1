"""Compensations: proposed by the machine or a person, decided on by a second person, entered on the account once.

An outage of any KS service is one of every complex that was served then; outages that overlap are one outage.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused, Transient
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
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.money import Money
from blocks.terms.people import same_person
from blocks.terms.policy import COMPENSATION_POLICY, ORDER_POLICY
from tasks.accounts import enter
from tasks.claims import Proposal, at_most, basis_of, of_order, still_owed, weigh
from tasks.compensation_forms import CompensationDecision, ProposalForm
from tasks.downtime import Episode, episodes
from tasks.notices import queue_notice, queue_operator_notice
from tasks.numbering import add_numbered
from tasks.obligations import fulfil, lift, open_obligation
from tasks.order_state import find_order, note
from tasks.outage_claims import holds_still, key_for, owed_for_outages, paid_for, service_had
from tasks.outages import lock_outages

log = logging.getLogger(__name__)


def propose(office: Office, *, now: datetime) -> int:
    """Propose what the outages of KS services owe (KS-3.10a, KS-3.10b), each once; how many proposals are new.

    What was proposed and is not owed any more, after a decision on its outages, is withdrawn.
    """
    with reading(office.sessions) as session:
        found = episodes(session, "KS", now)
        rows: defaultdict[int, list[Compensation]] = defaultdict(list)
        for row in session.scalars(select(Compensation).order_by(Compensation.id)):
            rows[row.order_id].append(row)
        orders = list(_orders(session, {key for key, of in rows.items() if any(map(_open, of))}, served=bool(found)))
    new = 0
    for order, service in orders:
        try:
            owed = owed_for_outages(order, service, found, rows[order.id], now)
            if not all(_left(rows[order.id], owed)):
                new += _renew(office, order.number, found, now)
        except Transient:
            raise
        except Exception:
            log.exception("what is owed for outages to %s waits", order.number)
    return new


def _open(row: Compensation) -> bool:
    """Whether it is a proposal for outages on which nobody has decided."""
    return row.state is CompensationState.PROPOSED and bool(row.outages)


def _orders(session: Session, proposed: Collection[int], *, served: bool) -> Iterator[tuple[Order, Service]]:
    """The orders that have open proposals for outages, and those that are served, each with its service."""
    states = [ServiceState.ACTIVE, ServiceState.SUSPENDED] if served else []
    rows = session.execute(
        select(Order, Service)
        .join(Service, Service.order_id == Order.id)
        .where(Service.agreement == "KS", Service.active_from.is_not(None))
        .where(or_(Service.state.in_(states), Order.id.in_(proposed)))
        .order_by(Order.id)
    )
    yield from rows.tuples()


def _left(rows: Sequence[Compensation], owed: Sequence[Proposal]) -> Iterator[bool]:
    """Whether each open proposal holds, and whether each one owed is there or is not to be made."""
    yield from (holds_still(row, owed) for row in rows if _open(row))
    yield from (key_for(rows, proposal) is None for proposal in owed)


def _renew(office: Office, number: str, found: Sequence[Episode], now: datetime) -> int:
    """Under the order's lock: withdraw what does not hold, propose what is new; how many."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        service, rows = service_had(session, order), of_order(session, order)
        owed = owed_for_outages(order, service, found, rows, now) if service else []
        for row in rows:
            if _open(row) and not holds_still(row, owed):
                _withdraw(session, order, row, now)
        return sum(_put(office, session, order, proposal, now) is not None for proposal in owed)


def _withdraw(session: Session, order: Order, row: Compensation, now: datetime) -> None:
    """Declined by nobody: the same may be proposed again when it is owed again."""
    why = "withdrawn: the outages as they hold now do not owe it any more"
    row.state, row.decided_at, row.reason = CompensationState.DECLINED, now, why
    lift(session, subject=row.number, why=why, now=now, what="decide on")
    note(session, order, kind="compensation.withdrawn", why=f"{row.number}: {why}", now=now, clause=row.clause)


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


def _put(office: Office, session: Session, order: Order, proposal: Proposal, now: datetime) -> str | None:
    key = key_for(of_order(session, order), proposal)
    if key is None:
        return None
    row = Compensation(
        key=key,
        clause=proposal.clause,
        order_id=order.id,
        outages=" ".join(proposal.basis),
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
    _tell_operator(office, session, order, row, now)
    return row.number


def _tell_operator(office: Office, session: Session, order: Order, row: Compensation, now: datetime) -> None:
    """A proposal, or one whose amount was named, waits for a second person."""
    amount = Money.from_minor(row.amount_minor, row.currency) if row.amount_minor else None
    kind = "compensation_proposed"
    queue_operator_notice(
        session,
        kind=kind,
        key=f"{row.number}:{kind}:{row.proposed_by}",
        operator=office.settings.operator_email,
        facts={
            "number": row.number,
            "agreement": order.number,
            "clause": row.clause,
            "amount": str(amount or "один человек называет сумму, другой утверждает"),
            "why": f"{row.what} ({row.outages})" if row.outages else row.what,
            "proposed_by": row.proposed_by,
        },
        now=now,
    )


def decide(office: Office, form: CompensationDecision, *, now: datetime) -> str:
    """A second person approves, which puts the amount on the account once, or declines; the customer is told.

    Whoever names the amount of a proposal that has none proposes it: then another person decides.

    Raises NotFound; Refused for the person who proposed it, for what is decided already, for a wrong amount, and for
    what is not owed any more as the outages hold now.
    """
    with transaction(office.sessions) as session:
        lock_outages(session)
        order, row = _find(session, form.compensation)
        if row.state is not CompensationState.PROPOSED:
            raise Refused("state", f"{row.number} was {row.state.value} by {row.decided_by or 'dogovor'}")
        if form.approve:
            _check(session, order, row, now)
            if row.amount_minor is None:
                _name_amount(session, order, row, form, now)
                _tell_operator(office, session, order, row, now)
                return f"{row.number}: {form.operator} proposes {form.amount}; another person decides"
        if same_person(form.operator, row.proposed_by):
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


def _find(session: Session, number: str) -> tuple[Order, Compensation]:
    """A compensation and its order, both locked, and the customer with them: caps are of the customer."""
    found = session.scalar(select(Compensation.order_id).where(Compensation.number == number))
    order = session.get(Order, found, with_for_update=True) if found is not None else None
    if order is None:
        raise NotFound("compensation", number)
    session.get_one(Customer, order.customer_id, with_for_update=True)
    row = session.scalars(select(Compensation).where(Compensation.number == number).with_for_update()).one()
    return order, row


def _check(session: Session, order: Order, row: Compensation, now: datetime) -> None:
    """Refused unless what was proposed is owed as everything holds now."""
    before = paid_for(of_order(session, order), row.clause, basis_of(row))
    if before is not None:
        raise Refused("owed", f"{before.number} was approved for the same outage under {row.clause}")
    if row.outages:
        service, rows = service_had(session, order), of_order(session, order)
        owed = owed_for_outages(order, service, episodes(session, "KS", now), rows, now) if service else []
        holds = holds_still(row, owed)
    else:
        holds = still_owed(session, order, row, now)
    if not holds:
        raise Refused("owed", f"{row.number} is not owed any more as everything holds now")


def _name_amount(session: Session, order: Order, row: Compensation, form: CompensationDecision, now: datetime) -> None:
    """A person says how much, up to the cap of the clause, and is the proposer from now on."""
    if form.amount is None or form.amount.minor <= 0 or form.amount.currency != row.currency:
        raise Refused("amount", f"{row.number} has no amount yet: say how much, in {row.currency}")
    most = at_most(session, order, row, now)
    if form.amount > most:
        raise Refused("amount", f"at most {most} under {row.clause}")
    row.amount_minor, row.proposed_by = form.amount.minor, form.operator
    why = f"{row.number}: {form.amount}: {form.reason}"
    note(session, order, kind="compensation.amount", why=why, now=now, who=form.operator, clause=row.clause)


def _approve(session: Session, order: Order, row: Compensation, form: CompensationDecision, now: datetime) -> Money:
    """Onto the account, from which it is paid out: a person settles that as any surplus."""
    amount = Money.from_minor(row.amount_minor or 0, row.currency)
    if form.amount is not None and form.amount != amount:
        raise Refused("amount", f"{amount} is proposed")
    row.state = CompensationState.APPROVED
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
