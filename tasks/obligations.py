"""Obligations: each clock an agreement starts is a row. Rules compute its due time, work fulfils it, a watch warns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import Obligation, ObligationState, Sessions, reading, transaction
from blocks.terms.base import Deadline
from tasks.notices import queue_operator_notice


def open_obligation(
    session: Session,
    *,
    clause: str,
    subject: str,
    what: str,
    deadline: Deadline,
    now: datetime,
    warn_at: datetime | None = None,
) -> Obligation:
    """Open it by (clause, subject, what); an open one stays as it is, one that is over begins anew.

    Warned of at `warn_at`, or when four fifths of its time are over.
    """
    found = session.scalar(
        select(Obligation).where(Obligation.clause == clause, Obligation.subject == subject, Obligation.what == what)
    )
    if found is not None and found.state is ObligationState.OPEN:
        return found
    opened = found or Obligation(clause=clause, subject=subject, what=what)
    opened.opened_at, opened.due_at, opened.provisional = now, deadline.due, deadline.provisional
    opened.warn_at = warn_at or now + (deadline.due - now) * 4 / 5
    opened.state, opened.evidence = ObligationState.OPEN, None
    opened.warned_at = opened.breached_at = opened.fulfilled_at = None
    session.add(opened)
    session.flush()
    return opened


def fulfil(session: Session, *, subject: str, evidence: str, now: datetime, what: str) -> int:
    """Fulfil the open obligations of that subject whose wording begins so; how many there were."""
    rows = _open(session, subject, what)
    for row in rows:
        row.state, row.fulfilled_at, row.evidence = ObligationState.FULFILLED, now, evidence
    return len(rows)


def lift(session: Session, *, subject: str, why: str, now: datetime, what: str | None = None) -> None:
    """Nothing is owed on that subject any more, or nothing whose wording begins so."""
    for row in _open(session, subject, what):
        row.state, row.fulfilled_at, row.evidence = ObligationState.LIFTED, now, why


def _open(session: Session, subject: str, what: str | None) -> list[Obligation]:
    query = select(Obligation).where(Obligation.subject == subject, Obligation.state == ObligationState.OPEN)
    return list(
        session.scalars(query if what is None else query.where(Obligation.what.startswith(what, autoescape=True)))
    )


@dataclass(frozen=True)
class Owed:
    """An open obligation, for people."""

    clause: str
    subject: str
    what: str
    due_at: datetime
    provisional: bool
    breached: bool


SOON = timedelta(days=62)
"""What is due later than this is counted and not listed: each day of logs is owed for months or years ahead."""


def owed(sessions: Sessions, *, now: datetime, limit: int = 500) -> tuple[list[Owed], int]:
    """The open obligations that are due soon, the soonest due first, and how many more are open."""
    is_open = Obligation.state == ObligationState.OPEN
    with reading(sessions) as session:
        rows = session.scalars(
            select(Obligation).where(is_open, Obligation.due_at <= now + SOON).order_by(Obligation.due_at).limit(limit)
        )
        found = [Owed(r.clause, r.subject, r.what, r.due_at, r.provisional, r.due_at < now) for r in rows]
        total = session.scalar(select(func.count()).select_from(Obligation).where(is_open)) or 0
        return found, total - len(found)


@dataclass(frozen=True)
class Watched:
    """How many obligations were warned of, and how many breaches were reported, in one watch."""

    warned: int
    breached: int


def watch(sessions: Sessions, *, operator: str, now: datetime) -> Watched:
    """Warn of each open obligation once before it is due, and report each breach once; both go to the operator."""
    warned = breached = 0
    with transaction(sessions) as session:
        rows = session.scalars(
            select(Obligation)
            .where(Obligation.state == ObligationState.OPEN, Obligation.warn_at <= now)
            .where(Obligation.breached_at.is_(None))
            .with_for_update(skip_locked=True)
        )
        for row in rows.all():
            if row.due_at < now:
                row.breached_at = now
                breached += 1
                _tell(session, row, "obligation_breached", operator, now)
            elif row.warned_at is None:
                row.warned_at = now
                warned += 1
                _tell(session, row, "obligation_warned", operator, now)
    return Watched(warned, breached)


def _tell(session: Session, row: Obligation, kind: str, operator: str, now: datetime) -> None:
    facts = {
        "clause": row.clause,
        "subject": row.subject,
        "what": row.what,
        "due": row.due_at.isoformat(),
        "provisional": row.provisional,
    }
    queue_operator_notice(
        session, kind=kind, key=f"{kind}:{row.id}:{row.opened_at.isoformat()}", operator=operator, facts=facts, now=now
    )
