"""What the outages of KS services owe an order, weighed from the ledger as it holds now."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Compensation, CompensationState, Order, Service
from blocks.terms.base import Verdict
from blocks.terms.intervals import Span
from blocks.terms.ks_liability import Outage, OutageFacts, long_outage, repeated, short_outages
from tasks.claims import Proposal, basis_of, given, rows_of, yearly_of
from tasks.downtime import Episode

BETWEEN = "decide on an outage of 60 to 180 minutes"


def owed_for_outages(
    order: Order, service: Service, episodes: Sequence[Episode], rows: Sequence[Compensation], now: datetime
) -> list[Proposal]:
    """All that could be proposed to an order (KS-3.10a, KS-3.10b), each with the outages that meet the clause.

    `rows` are its compensations: what was given once is not owed again. Raises TermsViolated without a yearly price.
    """
    served = Span(service.active_from or now, service.paid_until or now)
    outages = [had for episode in episodes if (had := episode.within(served)) is not None]
    found: list[Proposal] = []
    if not outages:
        return found
    yearly = yearly_of(order, now)
    for clause, rule, groups in (
        ("KS-3.10a", short_outages, repeated(outages)),
        ("KS-3.10b", long_outage, [(outage,) for outage in outages]),
    ):
        once = f"{clause}:{order.number}"
        before = given(rows, once)
        for group in groups:
            decision = rule(OutageFacts(outages=group, yearly_price=yearly, given_before=before))
            what, basis = f"{decision.what}: {_told(group)}", _numbers(group)
            if decision.verdict is Verdict.OWED:
                found.append(Proposal(clause, once, decision.amount, what, basis))
            elif decision.verdict is Verdict.PERSON:
                named = hashlib.sha256(" ".join(basis).encode()).hexdigest()[:16]
                between = f"{clause}-between:{order.number}:{named}"
                found.append(Proposal(clause, between, None, what, basis, owed=BETWEEN))
    return found


def _numbers(outages: Sequence[Outage]) -> tuple[str, ...]:
    return tuple(sorted({number for outage in outages for number in outage.numbers}))


def _told(outages: Sequence[Outage]) -> str:
    return "; ".join(f"{o.began_at.isoformat()} - {o.ended_at.isoformat()}, {o.length}" for o in outages)


def service_had(session: Session, order: Order) -> Service | None:
    """The service that an order made, whatever became of it since."""
    return session.scalar(select(Service).where(Service.order_id == order.id, Service.active_from.is_not(None)))


def key_for(rows: Sequence[Compensation], proposal: Proposal) -> str | None:
    """The key to propose it under: its own, or a further one after it was declined or withdrawn; None to leave it.

    Left is what is open or given, what a person declined for the same outages, and what an outage was paid for
    under the same clause already.
    """
    before = rows_of(rows, proposal.once)
    if any(row.state is not CompensationState.DECLINED for row in before):
        return None
    same = [basis_of(row) == proposal.basis and bool(proposal.basis or row.what == proposal.what) for row in before]
    if any(match and row.decided_by is not None for match, row in zip(same, before, strict=True)):
        return None
    if paid_for(rows, proposal.clause, proposal.basis) is not None:
        return None
    return f"{proposal.once}:{len(before) + 1}" if before else proposal.once


def paid_for(rows: Sequence[Compensation], clause: str, basis: Sequence[str]) -> Compensation | None:
    """What was approved under a clause for one of these outages."""
    approved = (row for row in rows if row.state is CompensationState.APPROVED and row.clause == clause)
    return next((row for row in approved if not set(basis_of(row)).isdisjoint(basis)), None)


def holds_still(row: Compensation, owed: Sequence[Proposal]) -> bool:
    """Whether a proposal is among what is owed now, for its outages, with others or without, and for its amount."""
    return any(
        rows_of([row], one.once)
        and set(basis_of(row)) <= set(one.basis)
        and (one.amount is None or one.amount.minor == row.amount_minor)
        for one in owed
    )
