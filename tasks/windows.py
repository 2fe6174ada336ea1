"""Maintenance windows before they open: queued works, the plan against every agreement, notices, the Operator's answer.

The Operator's agreement is kept by the ledger: without it the database refuses to write a window as open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused
from blocks.ledger import (
    Notice,
    Obligation,
    ObligationState,
    Outage,
    Window,
    WindowEvent,
    WindowState,
    Work,
    WorkState,
    one_at_a_time,
    transaction,
)
from blocks.office import Office
from blocks.terms.base import Deadline
from blocks.terms.intervals import Interval
from blocks.terms.works import Kind, OtherWindow, WorksFacts
from blocks.terms.works_ocp import ASTANA
from blocks.terms.works_plan import PlanVerdict, check_plan
from tasks import audience
from tasks.notices import queue
from tasks.numbering import add_numbered
from tasks.obligations import lift, open_obligation
from tasks.works_forms import PlanForm, WorkForm

TELL = "tell "
AGREE = "have the Operator's agreement"
_HORIZON = timedelta(days=900)
_TEMPLATES = {Kind.PLANNED: "works_planned", Kind.DAILY: "works_planned", Kind.URGENT: "works_urgent"}


@dataclass(frozen=True)
class Plan:
    """A plan and what the agreements say of it; `number` is the window's once it is planned."""

    form: PlanForm
    services: tuple[str, ...]
    verdict: PlanVerdict
    number: str = ""


def queue_work(office: Office, form: WorkForm, *, key: str, now: datetime) -> str:
    """Queue a piece of work, once by key; its number. Raises NotFound for an unknown runbook."""
    book = office.catalogue.runbook_of(form.runbook)
    with transaction(office.sessions) as session:
        found = session.scalar(select(Work).where(Work.key == key))
        if found is None:
            found = Work(
                key=key,
                runbook=book.name,
                title=form.title or book.title,
                requested_by=form.operator,
                requested_at=now,
                state=WorkState.QUEUED,
            )
            add_numbered(session, found, now=now)
        return found.number


def story(session: Session, window: Window, *, kind: str, why: str, who: str, now: datetime, clause: str = "") -> None:
    """Add a line to the window's story."""
    row = WindowEvent(window_id=window.id, at=now, kind=kind, who=who, why=why[:2000], clause=clause or None)
    session.add(row)


def find_window(session: Session, number: str, *, lock: bool = False) -> Window:
    """The window of that number. Raises NotFound."""
    query = select(Window).where(Window.number == number)
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound("window", number)
    return found


def facts_of(
    office: Office,
    session: Session,
    form: PlanForm,
    services: Sequence[str],
    *,
    now: datetime,
    besides: int | None = None,
    agreed: bool | None = None,
) -> WorksFacts:
    """A plan with everything that bears on it: other windows on the same agreements, and the downtime under OT."""
    agreements = office.catalogue.agreements_of(frozenset(services))
    near = (form.starts_at - _HORIZON, form.starts_at + _HORIZON)
    rows = session.scalars(
        select(Window).where(Window.state != WindowState.CANCELLED, Window.starts_at.between(*near))
    ).all()
    others = [_other(row, now) for row in rows if row.id != besides and agreements & set(row.agreements)]
    failed = session.scalars(select(Outage).where(Outage.began_at.between(*near))).all()
    return WorksFacts(
        kind=Kind(form.kind),
        start=form.starts_at,
        end=form.starts_at + timedelta(minutes=form.minutes),
        proposed_at=now,
        agreements=agreements,
        others=tuple(others),
        downtime=tuple(
            Interval(start=row.began_at, end=max(row.ended_at or now, row.began_at))
            for row in failed
            if "OT" in row.agreements
        ),
        discovered_at=form.discovered_at,
        operator_agreed=agreed,
    )


def _other(row: Window, now: datetime) -> OtherWindow:
    """A window as it bears on others: as long as it was really open, or as it is planned."""
    start = row.opened_at or row.starts_at
    end = row.closed_at or (max(row.ends_at, now) if row.state is WindowState.OPEN else row.ends_at)
    return OtherWindow(
        number=row.number,
        kind=Kind(row.kind),
        start=start,
        end=max(end, start + timedelta(microseconds=1)),
        agreements=frozenset(row.agreements),
    )


def plan_window(office: Office, form: PlanForm, *, key: str, now: datetime, dry_run: bool = False) -> Plan:
    """Check a plan against every agreement and, unless `dry_run`, plan it once by key, with its notices queued.

    A refused plan is returned with what it breaks and the nearest dates that pass; nothing is recorded of it.
    Raises NotFound for an unknown work or service, Refused for a work that is not queued.
    """
    with transaction(office.sessions) as session:
        one_at_a_time(session, "windows")
        known = session.scalar(select(Window).where(Window.key == key))
        works = [_queued(session, number, known) for number in form.works]
        books = [office.catalogue.runbook_of(work.runbook) for work in works]
        services = tuple(dict.fromkeys([*(name for book in books for name in book.services), *form.services]))
        besides = known.id if known else None
        verdict = check_plan(facts_of(office, session, form, services, now=now, besides=besides))
        plan = Plan(form, services, verdict, known.number if known else "")
        if known is not None or dry_run or not verdict.accepted:
            return plan
        window = _record(office, session, plan, key=key, now=now)
        for work in works:
            work.state, work.window_id = WorkState.PLANNED, window.id
        _tell_all(office, session, window, verdict, now)
        return replace(plan, number=window.number)


def _queued(session: Session, number: str, known: Window | None) -> Work:
    work = session.scalar(select(Work).where(Work.number == number).with_for_update())
    if work is None:
        raise NotFound("work", number)
    if work.state is not WorkState.QUEUED and (known is None or work.window_id != known.id):
        raise Refused("state", f"{number} is {work.state.value}, not queued")
    return work


def _record(office: Office, session: Session, plan: Plan, *, key: str, now: datetime) -> Window:
    form = plan.form
    window = Window(
        key=key,
        kind=form.kind,
        starts_at=form.starts_at,
        ends_at=form.starts_at + timedelta(minutes=form.minutes),
        services=list(plan.services),
        agreements=sorted(office.catalogue.agreements_of(frozenset(plan.services))),
        what=form.what,
        state=WindowState.PLANNED,
        needs_agreement=bool(plan.verdict.needs_agreement),
        planned_by=form.operator,
        planned_at=now,
        discovered_at=form.discovered_at,
    )
    add_numbered(session, window, now=now)
    story(session, window, kind="planned", why=form.what, who=form.operator, now=now)
    return window


def notice_facts(office: Office, window: Window, agreement: str = "") -> dict[str, Any]:
    """What every letter about a window is told."""
    titles = [office.catalogue.services[name].title for name in window.services if name in office.catalogue.services]
    return {
        "window": window.number,
        "number": window.number,
        "agreement": agreement,
        "zone": audience.ZONES[agreement or "KS"],
        "starts_at": window.starts_at.isoformat(),
        "ends_at": window.ends_at.isoformat(),
        "discovered_at": window.discovered_at.isoformat() if window.discovered_at else None,
        "services": titles or list(window.services),
        "what": window.what,
        "kind": window.kind,
    }


def _tell_all(office: Office, session: Session, window: Window, verdict: PlanVerdict, now: datetime) -> None:
    for owed in verdict.notices:
        partner = owed.audience == "operator"
        told = (
            audience.partner(office.settings, owed.agreement)
            if partner
            else audience.customers(session, office.settings, owed.agreement)
        )
        for recipient in told:
            obligation = open_obligation(
                session,
                clause=owed.clause,
                subject=window.number,
                what=f"{TELL}{recipient} under {owed.agreement}"[:200],
                deadline=owed.latest,
                now=now,
            )
            kind = _TEMPLATES.get(Kind(window.kind), "emergency_told")
            queue(
                session,
                key=f"{window.number}:{kind}:{owed.agreement}:{recipient}"[:120],
                kind=kind,
                agreement=owed.agreement,
                recipient=recipient,
                facts=notice_facts(office, window, owed.agreement),
                now=now,
                about=window.number,
                obligation=obligation,
            )
    if window.needs_agreement:
        _ask_operator(office, session, window, verdict.needs_agreement[0], now)


def agreement_deadline(window: Window) -> Deadline:
    """The last moment for the Operator's agreement: 24 hours before planned works (OCP-P3.2.6), else their start."""
    ahead = timedelta(hours=24) if window.kind in (Kind.PLANNED, Kind.DAILY) else timedelta()
    return Deadline(due=window.starts_at - ahead, zone=ASTANA)


def _ask_operator(office: Office, session: Session, window: Window, clause: str, now: datetime) -> None:
    deadline = agreement_deadline(window)
    open_obligation(session, clause=clause, subject=window.number, what=AGREE, deadline=deadline, now=now)
    queue(
        session,
        key=f"{window.number}:works_agreement_asked",
        kind="works_agreement_asked",
        agreement="OCP",
        recipient=office.settings.ocp_operator_email,
        facts={**notice_facts(office, window, "OCP"), "answer_by": deadline.due.isoformat()},
        now=now,
        about=window.number,
    )


def cancel(office: Office, session: Session, window: Window, *, why: str, who: str, now: datetime) -> None:
    """Cancel a planned window: its works are queued again, its clocks end, whoever was told of it is told."""
    window.state, window.result = WindowState.CANCELLED, why
    for work in session.scalars(select(Work).where(Work.window_id == window.id)):
        work.state, work.window_id = WorkState.QUEUED, None
    lift(session, subject=window.number, why=why, now=now)
    story(session, window, kind="cancelled", why=why, who=who, now=now)
    tell_again(office, session, window, kind="works_cancelled", facts={"why": why}, now=now)


def tell_again(
    office: Office, session: Session, window: Window, *, kind: str, facts: dict[str, Any], now: datetime
) -> None:
    """A further letter to everyone who was told of a window."""
    told = session.execute(
        select(Notice.recipient, Notice.agreement)
        .where(Notice.about == window.number, Notice.obligation_id.is_not(None))
        .distinct()
    ).all()
    for recipient, agreement in told:
        queue(
            session,
            key=f"{window.number}:{kind}:{agreement}:{recipient}"[:120],
            kind=kind,
            agreement=agreement,
            recipient=recipient,
            facts={**notice_facts(office, window, agreement), **facts},
            now=now,
            about=window.number,
        )


def untold(session: Session, window: Window) -> list[str]:
    """The notices of a window that were not given, or not in time, in words."""
    rows = session.scalars(
        select(Obligation).where(Obligation.subject == window.number, Obligation.what.startswith(TELL))
    )
    return [
        f"{row.clause} {row.what}: {row.state.value}"
        for row in rows
        if row.state is not ObligationState.FULFILLED or (row.fulfilled_at or row.due_at) > row.due_at
    ]
