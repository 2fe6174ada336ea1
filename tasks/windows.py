"""Maintenance windows before they open: queued works, the plan against every agreement, notices, the Operator's answer.

The Operator's agreement is kept by the ledger: without it the database refuses to write a window as open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import (
    Notice,
    Obligation,
    ObligationState,
    Window,
    WindowEvent,
    WindowState,
    Work,
    WorkState,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.base import Deadline
from blocks.terms.works import Kind
from blocks.terms.works_plan import PlanVerdict, check_plan
from blocks.terms.zones import ASTANA, ZONES
from tasks import audience
from tasks.notices import queue
from tasks.numbering import add_numbered, by_number
from tasks.obligations import lift, open_obligation
from tasks.window_facts import check_emergency, facts_of
from tasks.works_forms import PlanForm, WorkForm

TELL = "tell "
MARGIN_MINUTES = 5
"""Kept free at the end of a window: for closing it and for clocks that differ."""
AGREE = "have the Operator's agreement"
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
    return by_number(session, Window, number, lock=lock)


def plan_window(office: Office, form: PlanForm, *, key: str, now: datetime, dry_run: bool = False) -> Plan:
    """Check a plan against every agreement and, unless `dry_run`, plan it once by key, with its notices queued.

    A refused plan is returned with what it breaks and the nearest dates that pass; nothing is recorded of it. The
    notices of an emergency may be late already: that is on record as such, and holds no repair up.
    Raises NotFound for an unknown work or service, Refused for a work that is not queued or an emergency that is none.
    """
    plan = check_window(office, form, key=key, now=now)
    if plan.number or dry_run or not _stands(form, plan.verdict):
        return plan
    with transaction(office.sessions) as session:
        one_at_a_time(session, "windows")
        drafted = _draft(office, session, form, key, lock=True)
        if drafted.number:
            return replace(plan, number=drafted.number)
        verdict = check_plan(facts_of(office, session, form, drafted.services, proposed_at=now, now=now), suggest=0)
        if not _stands(form, verdict):
            return replace(plan, verdict=verdict)
        window = _record(office, session, plan, key=key, now=now)
        for position, work in enumerate(drafted.works):
            work.state, work.window_id, work.position = WorkState.PLANNED, window.id, position
        _tell_all(office, session, window, verdict, now)
        return replace(plan, number=window.number)


def check_window(office: Office, form: PlanForm, *, key: str, now: datetime, suggest: int = 3) -> Plan:
    """Put a plan to every agreement, recording nothing. Looking for other dates takes seconds: no lock is held."""
    check_emergency(form, now=now)
    with reading(office.sessions) as session:
        drafted = _draft(office, session, form, key)
        facts = facts_of(office, session, form, drafted.services, proposed_at=now, now=now, besides=drafted.known_id)
    return Plan(form, drafted.services, check_plan(facts, suggest=suggest), drafted.number)


def _stands(form: PlanForm, verdict: PlanVerdict) -> bool:
    return verdict.accepted or Kind(form.kind) is Kind.EMERGENCY


@dataclass(frozen=True)
class _Draft:
    works: list[Work]
    services: tuple[str, ...]
    number: str
    known_id: int | None


def _draft(office: Office, session: Session, form: PlanForm, key: str, *, lock: bool = False) -> _Draft:
    known = session.scalar(select(Window).where(Window.key == key))
    works = [_queued(session, number, known, lock=lock) for number in form.works]
    books = [office.catalogue.runbook_of(work.runbook) for work in works]
    services = tuple(dict.fromkeys([*(name for book in books for name in book.services), *form.services]))
    return _Draft(works, services, known.number if known else "", known.id if known else None)


def _queued(session: Session, number: str, known: Window | None, *, lock: bool) -> Work:
    work = by_number(session, Work, number, lock=lock)
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
        "zone": ZONES[agreement or "KS"],
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
                what=tell_wording(recipient, owed.agreement),
                deadline=owed.latest,
                now=now,
            )
            _tell(office, session, window, owed.agreement, recipient, now=now, obligation=obligation)
    if window.needs_agreement:
        _ask_operator(office, session, window, verdict.needs_agreement[0], now)


def _tell(
    office: Office,
    session: Session,
    window: Window,
    agreement: str,
    recipient: str,
    *,
    now: datetime,
    kind: str | None = None,
    facts: Mapping[str, Any] | None = None,
    obligation: Obligation | None = None,
) -> None:
    """A letter about a window, once by kind, agreement and recipient; the first one where no kind is named."""
    kind = kind or _first_kind(window)
    queue(
        session,
        key=f"{window.number}:{kind}:{agreement}:{recipient}"[:120],
        kind=kind,
        agreement=agreement,
        recipient=recipient,
        facts={**notice_facts(office, window, agreement), **(facts or {})},
        now=now,
        about=window.number,
        obligation=obligation,
    )


def _first_kind(window: Window) -> str:
    return _TEMPLATES.get(Kind(window.kind), "emergency_told")


def tell_newcomers(office: Office, *, now: datetime) -> None:
    """Who became a customer after a window was planned is told of it too; nothing was owed to them in time."""
    coming = select(Window).where(Window.state == WindowState.PLANNED, Window.ends_at > now)
    with reading(office.sessions) as session:
        new = [
            (window.number, agreement, recipient)
            for window in session.scalars(coming).all()
            for agreement, recipient in _untold_customers(office, session, window)
        ]
    if not new:
        return
    with transaction(office.sessions) as session:
        for number, agreement, recipient in new:
            window = find_window(session, number, lock=True)
            if window.state is WindowState.PLANNED:
                _tell(office, session, window, agreement, recipient, now=now)


def _untold_customers(office: Office, session: Session, window: Window) -> list[tuple[str, str]]:
    told = _told(session, window)
    return [
        (agreement, recipient)
        for agreement in window.agreements
        for recipient in audience.customers(session, office.settings, agreement)
        if (recipient, agreement) not in told
    ]


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


def cancel(office: Office, session: Session, window: Window, *, why: str, public: str, who: str, now: datetime) -> None:
    """Cancel a planned window: its works are queued again, its clocks end, whoever was told of it is told.

    `why` is for us, `public` for customers.
    """
    window.state, window.result = WindowState.CANCELLED, public
    for work in session.scalars(select(Work).where(Work.window_id == window.id)):
        work.state, work.window_id = WorkState.QUEUED, None
    lift(session, subject=window.number, why=why, now=now)
    story(session, window, kind="cancelled", why=why, who=who, now=now)
    tell_again(office, session, window, kind="works_cancelled", facts={"why": public}, now=now)


def tell_again(
    office: Office, session: Session, window: Window, *, kind: str, facts: dict[str, Any], now: datetime
) -> None:
    """A further letter to everyone who was told of a window."""
    for recipient, agreement in sorted(_told(session, window)):
        _tell(office, session, window, agreement, recipient, kind=kind, facts=facts, now=now)


def _told(session: Session, window: Window) -> set[tuple[str, str]]:
    """Who was told of a window, and under which agreement."""
    rows = session.execute(
        select(Notice.recipient, Notice.agreement).where(
            Notice.about == window.number, Notice.kind == _first_kind(window)
        )
    )
    return set(rows.tuples())


def tell_wording(recipient: str, agreement: str) -> str:
    """How the obligation to tell somebody of a window is worded."""
    return f"{TELL}{recipient} under {agreement}"[:200]


def in_time(row: Obligation) -> bool:
    """Whether an obligation was fulfilled when it was due."""
    return row.state is ObligationState.FULFILLED and row.fulfilled_at is not None and row.fulfilled_at <= row.due_at


def untold(session: Session, window: Window) -> list[str]:
    """The notices of a window that were not given, or not in time, in words."""
    rows = session.scalars(
        select(Obligation).where(Obligation.subject == window.number, Obligation.what.startswith(TELL))
    )
    return [
        f"{row.clause} {row.what}: {row.state.value}{', too late' if row.state is ObligationState.FULFILLED else ''}"
        for row in rows
        if not in_time(row)
    ]
