"""Access to logs (QS-3.5.4): asked for, decided on by a second person, taken back; each a line of the journal.

Names are what people type into the UI's forms: the second person is as good as the login to Prefect in front of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import LogGrant, LogGrantState, LogJournal, reading, transaction
from blocks.logs.segment import classes_of, classes_text
from blocks.office import Office
from blocks.terms.base import Decision, Verdict
from blocks.terms.log_access import AccessFacts, Grant, log_access
from blocks.terms.retention import in_order
from tasks.log_access_forms import AccessDecision, AccessForm, RevokeForm
from tasks.log_journal import note_log
from tasks.notices import queue_operator_notice
from tasks.numbering import add_numbered, by_number


def ask_access(office: Office, form: AccessForm, *, now: datetime) -> str:
    """Record a request for access and tell our operator; its number.

    Raises TermsViolated for one that nobody could grant.
    """
    _checked(
        AccessFacts(asked_by=form.person, decided_by="", need=form.need, hours=form.hours, at=now, login=form.login)
    )
    row = LogGrant(
        state=LogGrantState.ASKED,
        person=form.person,
        login=form.login,
        need=form.need,
        classes=classes_text(in_order(form.classes)),
        project=form.project,
        day_from=form.day_from,
        day_to=form.day_to,
        hours=form.hours,
        asked_at=now,
    )
    with transaction(office.sessions) as session:
        add_numbered(session, row, now=now)
        note_log(session, kind="asked", about=row.number, who=row.person, facts=scope_facts(row), now=now)
        _tell_operator(office, session, row, now)
    return row.number


def decide_access(office: Office, form: AccessDecision, *, now: datetime) -> str:
    """A second person grants access from `now` on for the hours asked, or declines it; what was decided, in a line.

    Raises NotFound; Refused when it was decided on before; TermsViolated for the person who asks, or for nobody.
    A refused decision leaves the request as it was.
    """
    with transaction(office.sessions) as session:
        row = by_number(session, LogGrant, form.grant, lock=True)
        if row.state is not LogGrantState.ASKED:
            raise Refused("state", f"{row.number} is {row.state.value} already")
        decision = _checked(_facts(row, form.operator, now))
        if form.approve:
            if decision.deadline is None:
                raise TermsViolated(decision.clause, decision.what)
            row.valid_until = decision.deadline.due
        row.state = LogGrantState.GRANTED if form.approve else LogGrantState.DECLINED
        row.decided_by, row.decided_at, row.reason = form.operator, now, form.reason
        facts = scope_facts(row) | {"reason": form.reason}
        if row.valid_until is not None:
            facts |= {"from": now.isoformat(), "until": row.valid_until.isoformat()}
        note_log(session, kind=row.state.value, about=row.number, who=form.operator, facts=facts, now=now)
        until = f" until {row.valid_until.isoformat()}" if row.valid_until else ""
        return f"{row.number} is {row.state.value}{until}"


def revoke_access(office: Office, form: RevokeForm, *, now: datetime) -> str:
    """Take back a grant, or a request that nobody decided on.

    Raises NotFound, Refused for what was declined or taken back before. One whose time is over may be taken back too.
    """
    with transaction(office.sessions) as session:
        row = by_number(session, LogGrant, form.grant, lock=True)
        if row.state not in {LogGrantState.ASKED, LogGrantState.GRANTED}:
            raise Refused("state", f"{row.number} is {row.state.value} already")
        facts = {"was": row.state.value, "person": row.person, "login": row.login, "reason": form.reason}
        row.state = LogGrantState.REVOKED
        note_log(session, kind="revoked", about=row.number, who=form.operator, facts=facts, now=now)
        return f"{row.number} is revoked"


def grant_of(row: LogGrant) -> Grant:
    """A grant as its rule reads it."""
    return Grant(
        state=row.state.value,
        login=row.login,
        classes=classes_of(row.classes),
        project=row.project,
        day_from=row.day_from,
        day_to=row.day_to,
        valid_from=row.decided_at,
        valid_until=row.valid_until,
    )


def scope_facts(row: LogGrant) -> dict[str, Any]:
    """What the journal tells of a request: all of it, so that the line stands for itself."""
    return {
        "person": row.person,
        "login": row.login,
        "need": row.need,
        "classes": row.classes,
        "project": row.project,
        "days": [row.day_from.isoformat(), row.day_to.isoformat()],
        "hours": row.hours,
    }


def grant_line(office: Office, number: str) -> str:
    """A request in one paragraph, for the person who decides on it. Raises NotFound."""
    with reading(office.sessions) as session:
        row = by_number(session, LogGrant, number)
    return (
        f"{row.number}: {row.person} (account {row.login}) asks to read {row.classes} of {row.project}, "
        f"{row.day_from} to {row.day_to}, for {row.hours} hours. Need: {row.need}"
    )


def undecided(office: Office) -> list[str]:
    """The numbers of requests on which nobody has decided, the oldest first."""
    query = select(LogGrant.number).where(LogGrant.state == LogGrantState.ASKED).order_by(LogGrant.id)
    with reading(office.sessions) as session:
        return list(session.scalars(query))


@dataclass(frozen=True)
class JournalView:
    """The last lines of the journal, the newest first, and how many grants are in force and wait for a decision."""

    lines: list[LogJournal]
    in_force: int
    waiting: int


def journal_view(office: Office, *, last: int, now: datetime) -> JournalView:
    """The journal as people look at it."""
    granted = select(func.count()).select_from(LogGrant)
    with reading(office.sessions) as session:
        lines = list(session.scalars(select(LogJournal).order_by(LogJournal.id.desc()).limit(last)))
        force = granted.where(
            LogGrant.state == LogGrantState.GRANTED, LogGrant.decided_at <= now, LogGrant.valid_until >= now
        )
        waiting = granted.where(LogGrant.state == LogGrantState.ASKED)
        return JournalView(lines, session.scalar(force) or 0, session.scalar(waiting) or 0)


def journal_lines(office: Office, *, about: str = "") -> Iterator[LogJournal]:
    """The lines of the journal, or those about one thing, the oldest first; in constant memory."""
    query = select(LogJournal).order_by(LogJournal.id).execution_options(yield_per=1000)
    with reading(office.sessions) as session:
        yield from session.scalars(query.where(LogJournal.about == about) if about else query)


def _facts(row: LogGrant, decided_by: str, now: datetime) -> AccessFacts:
    return AccessFacts(
        asked_by=row.person, decided_by=decided_by, need=row.need, hours=row.hours, at=now, login=row.login
    )


def _checked(facts: AccessFacts) -> Decision:
    """What the rule says. Raises TermsViolated where it refuses."""
    decision = log_access(facts)
    if decision.verdict is Verdict.REFUSED:
        raise TermsViolated(decision.clause, decision.what)
    return decision


def _tell_operator(office: Office, session: Session, row: LogGrant, now: datetime) -> None:
    kind = "log_access_asked"
    queue_operator_notice(
        session,
        kind=kind,
        key=f"{kind}:{row.number}",
        operator=office.settings.operator_email,
        facts={
            "number": row.number,
            "person": row.person,
            "need": row.need,
            "classes": row.classes,
            "project": row.project,
            "day_from": row.day_from.isoformat(),
            "day_to": row.day_to.isoformat(),
            "hours": row.hours,
        },
        now=now,
    )
