"""Findings of the watches: opened when something is first seen to be wrong, closed when it is seen to be well again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Finding, one_at_a_time, transaction
from blocks.office import Office
from blocks.terms.watching import Flaw, Kind
from tasks.notices import queue_operator_notice

ANEW = frozenset({Kind.REGISTRATION})
"""Of these a person is told again when what was seen changes."""


@dataclass(frozen=True)
class Looked:
    """A subject that was looked at: the kinds of which something can be said of it now, and what is wrong with it."""

    subject: str
    judged: Collection[Kind]
    flaws: Sequence[Flaw]


@dataclass(frozen=True)
class Changed:
    """How many findings were opened, how many closed, and how many are open now."""

    opened: int
    closed: int
    open: int


def record(office: Office, looked: Sequence[Looked], *, kinds: Collection[Kind], now: datetime) -> Changed:
    """Write down what a watch saw, and tell the operator of each finding that opens or closes.

    `kinds` are those of this watch: a finding of one of them whose subject is no longer watched is closed too.
    """
    opened = closed = 0
    with transaction(office.sessions) as session:
        one_at_a_time(session, "findings")
        before = select(Finding).where(Finding.open_key.is_not(None), Finding.kind.in_([kind.value for kind in kinds]))
        standing = {(row.subject, Kind(row.kind)): row for row in session.scalars(before)}
        for each in looked:
            for flaw in each.flaws:
                opened += _seen(office, session, each.subject, flaw, standing, now=now)
        judged = {each.subject: each for each in looked}
        for (subject, kind), row in standing.items():
            there = judged.get(subject)
            if there is None or (kind in there.judged and kind not in {flaw.kind for flaw in there.flaws}):
                _close(office, session, row, watched=there is not None, now=now)
                closed += 1
        return Changed(opened, closed, len(standing) + opened - closed)


def _seen(
    office: Office,
    session: Session,
    subject: str,
    flaw: Flaw,
    standing: dict[tuple[str, Kind], Finding],
    *,
    now: datetime,
) -> int:
    """Open a finding, or write down that it is still so; tells how many were opened."""
    row = standing.get((subject, flaw.kind))
    if row is not None:
        if row.detail != flaw.detail and flaw.kind in ANEW:
            _tell_open(office, session, row, flaw, about=f"{row.id}:{flaw.detail}", now=now)
        row.last_at, row.detail = now, flaw.detail
        return 0
    row = Finding(
        open_key=f"{subject}|{flaw.kind}",
        clause=flaw.clause,
        subject=subject,
        kind=flaw.kind.value,
        detail=flaw.detail,
        first_at=now,
        last_at=now,
    )
    session.add(row)
    session.flush()
    _tell_open(office, session, row, flaw, about=str(row.id), now=now)
    return 1


def _tell_open(office: Office, session: Session, row: Finding, flaw: Flaw, *, about: str, now: datetime) -> None:
    queue_operator_notice(
        session,
        kind="finding_opened",
        key=f"finding_opened:{about}",
        operator=office.settings.operator_email,
        facts={"subject": row.subject, "kind": row.kind, "clause": row.clause, "detail": flaw.detail},
        now=now,
    )


def _close(office: Office, session: Session, row: Finding, *, watched: bool, now: datetime) -> None:
    row.open_key, row.closed_at = None, now
    queue_operator_notice(
        session,
        kind="finding_closed",
        key=f"finding_closed:{row.id}",
        operator=office.settings.operator_email,
        facts={
            "subject": row.subject,
            "kind": row.kind,
            "clause": row.clause,
            "first_at": row.first_at.isoformat(),
            "closed_at": now.isoformat(),
            "watched": watched,
        },
        now=now,
    )
