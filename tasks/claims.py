"""What a person's claim for a compensation amounts to, as the rule of its clause weighs it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import AccountEntry, Compensation, CompensationState, Order, Service
from blocks.terms import ks
from blocks.terms.base import Decision, Verdict
from blocks.terms.deadlines import in_calendar_months, local_date
from blocks.terms.intervals import Span, subtract
from blocks.terms.ks_liability import InterceptionFacts, intercepted_call
from blocks.terms.money import Money
from blocks.terms.qs import ZONE
from blocks.terms.qs_ending import LiabilityFacts, RefundFacts, liability, refund
from tasks.accounts import PAID_IN, received
from tasks.compensation_forms import DamagesClaim, InterceptionClaim, ProposalForm
from tasks.effective import effective_outages


@dataclass(frozen=True)
class Proposal:
    """A compensation to be proposed. `once` is its key, `basis` the numbers of the outages that it is for.

    Without an amount whoever decides says how much.
    """

    clause: str
    once: str
    amount: Money | None
    what: str
    basis: tuple[str, ...] = ()
    by: str = "dogovor"
    owed: str = "decide on a compensation"


def yearly_of(order: Order, now: datetime) -> Money:
    """The yearly price that a KS customer pays, without the connection (KS-4.2). Raises TermsViolated."""
    facts = ks.YearlyFacts(
        contacts=order.item["contacts"],
        agreed_on=local_date(order.ordered_at, ks.ZONE),
        asked_on=local_date(now, ks.ZONE),
    )
    decision = ks.yearly_price(facts)
    if decision.amount is None:
        raise TermsViolated(decision.clause, decision.what)
    return decision.amount


def basis_of(row: Compensation) -> tuple[str, ...]:
    """The numbers of the outages that it is for; none for a person's claim."""
    return tuple(row.outages.split())


def rows_of(rows: Iterable[Compensation], once: str) -> list[Compensation]:
    """Of an order's compensations those that were proposed under a key, and again after one was over."""
    return [row for row in rows if row.key == once or row.key.startswith(f"{once}:")]


def of_order(session: Session, order: Order) -> list[Compensation]:
    """The compensations of an order, in the order of their proposal."""
    return list(
        session.scalars(select(Compensation).where(Compensation.order_id == order.id).order_by(Compensation.id))
    )


def given(rows: Iterable[Compensation], once: str) -> bool:
    """Whether it was given already, in this agreement's life."""
    return any(row.state is CompensationState.APPROVED for row in rows_of(rows, once))


def weigh(session: Session, order: Order, form: ProposalForm, now: datetime) -> Proposal:
    """A person's claim as a proposal. Raises Refused, and TermsViolated where the clause owes nothing."""
    claim, clause = form.claim, form.claim.clause
    if order.agreement != clause.partition("-")[0]:
        raise Refused("agreement", f"{order.number} is not an order under {clause}")
    once = f"{clause}:{order.number}"
    if isinstance(claim, InterceptionClaim):
        decision = _interception(session, order, claim, once, now)
    elif isinstance(claim, DamagesClaim):
        decision = damages(session, order, claim.claimed, now)
        once += f":{hashlib.sha256(form.model_dump_json(exclude={'operator'}).encode()).hexdigest()[:16]}"
    else:
        given_ever, ours = claim.access_given_at_any_time, claim.cause_is_ours
        decision = no_access(session, order, now, given_ever=given_ever, ours=ours)
    if decision.verdict is Verdict.REFUSED or (decision.amount is not None and not decision.amount):
        raise TermsViolated(clause, decision.what)
    return Proposal(clause, once, decision.amount, f"{decision.what}: {form.what}", by=form.operator)


def _interception(session: Session, order: Order, claim: InterceptionClaim, once: str, now: datetime) -> Decision:
    proof = claim.model_dump(exclude={"clause"})
    facts = InterceptionFacts(
        yearly_price=yearly_of(order, now), given_before=given(of_order(session, order), once), **proof
    )
    return intercepted_call(facts)


def damages(session: Session, order: Order, claimed: Money, now: datetime, *, besides: int = 0) -> Decision:
    """Capped by what the user paid in the 12 months before now, less what the user's other claims took."""
    if claimed.currency != "RUB" or claimed.minor <= 0:
        raise Refused("amount", "damages are claimed in roubles, and they are something")
    paid = session.scalar(
        select(func.coalesce(func.sum(AccountEntry.amount_minor), 0)).where(
            AccountEntry.customer_id == order.customer_id,
            AccountEntry.currency == "RUB",
            AccountEntry.kind.in_(PAID_IN),
            AccountEntry.at > in_calendar_months(now, -12, ZONE).due,
        )
    )
    taken = session.scalar(
        select(func.coalesce(func.sum(Compensation.amount_minor), 0))
        .join(Order, Order.id == Compensation.order_id)
        .where(Order.customer_id == order.customer_id, Compensation.clause == "QS-6.2.3")
        .where(Compensation.state != CompensationState.DECLINED, Compensation.id != besides)
    )
    return liability(
        LiabilityFacts(
            claimed=claimed,
            paid_in_last_12_months=Money.from_minor(max(int(paid or 0), 0), "RUB"),
            owed_before=Money.from_minor(int(taken or 0), "RUB"),
        )
    )


def no_access(session: Session, order: Order, now: datetime, *, given_ever: bool, ours: bool) -> Decision:
    """Our monitoring shows it when outages of QS cover the whole paid period, which is the ledger's."""
    renews = order.item.get("renews")
    service = session.scalar(select(Service).where(Service.name == renews if renews else Service.order_id == order.id))
    if service is None or service.active_from is None or service.paid_until is None:
        raise Refused("period", f"{order.number} has no paid period on record")
    period = Span(service.active_from, service.paid_until)
    down = [holds.span(now) for holds in effective_outages(session, period) if holds.counts_for("QS")]
    return refund(
        RefundFacts(
            paid=received(session, order),
            period_over=period.end <= now,
            access_given_at_any_time=given_ever,
            cause_is_ours=ours,
            monitoring_confirms=not list(subtract([period], down)),
        )
    )


def at_most(session: Session, order: Order, row: Compensation, now: datetime) -> Money:
    """The most that may be granted under its clause to an order."""
    if row.clause in ("KS-3.10a", "KS-3.10b"):
        return yearly_of(order, now)
    if row.clause == "KS-3.10c":
        return yearly_of(order, now).times(10)
    if row.clause == "QS-4.3.2":
        return received(session, order)
    amount = Money.from_minor(row.amount_minor or 0, row.currency)
    return damages(session, order, amount, now, besides=row.id).amount or Money.from_minor(0, row.currency)


def still_owed(session: Session, order: Order, row: Compensation, now: datetime) -> bool:
    """Whether a person's claim, weighed again now, still owes its amount, and was not given meanwhile."""
    if row.amount_minor is not None and row.amount_minor > at_most(session, order, row, now).minor:
        return False
    if row.clause == "QS-4.3.2":  # what monitoring shows of it is what it showed then
        return row.what.startswith(f"{no_access(session, order, now, given_ever=False, ours=True).what}:")
    return row.clause == "QS-6.2.3" or not given(of_order(session, order), f"{row.clause}:{order.number}")
