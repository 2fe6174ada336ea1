"""What a person's claim for a compensation amounts to, as the rule of its clause weighs it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import AccountEntry, Compensation, CompensationState, Order
from blocks.terms import ks
from blocks.terms.base import Decision, Verdict
from blocks.terms.deadlines import in_calendar_months, local_date
from blocks.terms.intervals import Span, subtract
from blocks.terms.ks_liability import InterceptionFacts, intercepted_call
from blocks.terms.money import Money
from blocks.terms.qs import ZONE
from blocks.terms.qs_ending import LiabilityFacts, RefundFacts, liability, refund
from tasks.accounts import received
from tasks.compensation_forms import DamagesClaim, InterceptionClaim, NoAccessClaim, ProposalForm
from tasks.outages import effective_outages


@dataclass(frozen=True)
class Proposal:
    """A compensation to be proposed. `once` is its key, `basis` names the outages that it is for.

    Without an amount whoever decides says how much.
    """

    clause: str
    once: str
    amount: Money | None
    what: str
    basis: str
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


def rows_of(session: Session, once: str) -> list[Compensation]:
    """What was proposed under a key before, and again after it was declined."""
    again = Compensation.key.startswith(f"{once}:", autoescape=True)
    return list(session.scalars(select(Compensation).where(or_(Compensation.key == once, again))))


def given(session: Session, once: str) -> bool:
    """Whether it was given already, in this agreement's life."""
    return any(row.state is CompensationState.APPROVED for row in rows_of(session, once))


def weigh(session: Session, order: Order, form: ProposalForm, now: datetime) -> Proposal:
    """A person's claim as a proposal. Raises Refused, and TermsViolated where the clause owes nothing."""
    claim, clause = form.claim, form.claim.clause
    if order.agreement != clause.partition("-")[0]:
        raise Refused("agreement", f"{order.number} is not an order under {clause}")
    once = f"{clause}:{order.number}"
    if isinstance(claim, InterceptionClaim):
        decision = _interception(session, order, claim, once, now)
    elif isinstance(claim, DamagesClaim):
        decision = _damages(session, order, claim, now)
        once += f":{hashlib.sha256(form.model_dump_json(exclude={'operator'}).encode()).hexdigest()[:16]}"
    else:
        decision = _no_access(session, order, claim, now)
    if decision.verdict is Verdict.REFUSED or (decision.amount is not None and not decision.amount):
        raise TermsViolated(clause, decision.what)
    return Proposal(clause, once, decision.amount, f"{decision.what}: {form.what}", "", by=form.operator)


def _interception(session: Session, order: Order, claim: InterceptionClaim, once: str, now: datetime) -> Decision:
    proof = claim.model_dump(exclude={"clause"})
    facts = InterceptionFacts(yearly_price=yearly_of(order, now), given_before=given(session, once), **proof)
    return intercepted_call(facts)


def _damages(session: Session, order: Order, claim: DamagesClaim, now: datetime) -> Decision:
    """Capped by what the user paid in the 12 months before now, less what earlier claims of the user took."""
    if claim.claimed.currency != "RUB" or claim.claimed.minor <= 0:
        raise Refused("amount", "damages are claimed in roubles, and they are something")
    paid = session.scalar(
        select(func.coalesce(func.sum(AccountEntry.amount_minor), 0)).where(
            AccountEntry.customer_id == order.customer_id,
            AccountEntry.currency == "RUB",
            AccountEntry.kind.in_(["receipt", "reversal", "return"]),
            AccountEntry.at > in_calendar_months(now, -12, ZONE).due,
        )
    )
    taken = session.scalar(
        select(func.coalesce(func.sum(Compensation.amount_minor), 0))
        .join(Order, Order.id == Compensation.order_id)
        .where(Order.customer_id == order.customer_id, Compensation.clause == "QS-6.2.3")
        .where(Compensation.state != CompensationState.DECLINED)
    )
    return liability(
        LiabilityFacts(
            claimed=claim.claimed,
            paid_in_last_12_months=Money.from_minor(max(int(paid or 0), 0), "RUB"),
            owed_before=Money.from_minor(int(taken or 0), "RUB"),
        )
    )


def _no_access(session: Session, order: Order, claim: NoAccessClaim, now: datetime) -> Decision:
    """Our monitoring shows it when outages of QS cover the whole period."""
    period = Span(claim.period_from, claim.period_until)
    down = [holds.span(now) for holds in effective_outages(session, period) if holds.counts_for("QS")]
    return refund(
        RefundFacts(
            paid=received(session, order),
            period_over=period.end <= now,
            access_given_at_any_time=claim.access_given_at_any_time,
            cause_is_ours=claim.cause_is_ours,
            monitoring_confirms=not list(subtract([period], down)),
        )
    )
