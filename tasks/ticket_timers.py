"""A ticket's clocks: replayed by the terms from its events, and mirrored into obligations so that the watch warns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.ledger import (
    Obligation,
    ObligationState,
    Ticket,
    TicketEvent,
    TicketState,
    Window,
    WindowState,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.base import Deadline
from blocks.terms.intervals import Interval
from blocks.terms.ocp_tickets import IncidentFacts, react_to_incident
from blocks.terms.tickets import Happened, TicketFacts, Timer, What, timers
from tasks.obligations import open_obligation

CONFIRM_RECEIPT = "confirm receipt"
REPORT_OUTCOME = "report the outcome"
LIVE = (TicketState.OPEN, TicketState.WAITING)
INCIDENT_CLAUSE = "OCP-P3.4"
"""The only clause whose clock works move."""
_TERMS = frozenset(What)
_TOLD = (WindowState.PLANNED, WindowState.OPEN, WindowState.CLOSED)


def events_of(session: Session, ticket: Ticket) -> list[TicketEvent]:
    """What happened to a ticket, in the order of time."""
    return list(
        session.scalars(
            select(TicketEvent).where(TicketEvent.ticket_id == ticket.id).order_by(TicketEvent.at, TicketEvent.id)
        )
    )


def facts_of(session: Session, ticket: Ticket, as_of: datetime) -> TicketFacts:
    """A ticket as the terms take it."""
    events = [event for event in events_of(session, ticket) if event.what in _TERMS]
    return TicketFacts.model_validate(
        {
            "agreement": ticket.agreement,
            "kind": ticket.kind,
            "priority": ticket.priority,
            "events": [Happened(at=event.at, what=What(event.what)) for event in events],
            "works": _works(session, ticket) if ticket.agreement == "OCP" else [],
            "as_of": as_of,
        }
    )


def _works(session: Session, ticket: Ticket) -> list[Interval]:
    """Planned and urgent works of OCP since the receipt, on the ticket's service where it names one (OCP-P3.4)."""
    windows = session.scalars(select(Window).where(Window.ends_at > ticket.received_at))
    return _counted(windows, ticket.service, ticket.received_at)


def _counted(windows: Iterable[Window], service: str | None, since: datetime) -> list[Interval]:
    spans = [
        (row.opened_at or row.starts_at, row.closed_at or row.ends_at)
        for row in windows
        if row.kind != "emergency" and row.state in _TOLD and row.ends_at > since and _touches(row, service)
    ]
    return [Interval(start=start, end=max(start, end)) for start, end in spans]


def _touches(window: Window, service: str | None) -> bool:
    return "OCP" in window.agreements and (service is None or service in window.services)


def mirror(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """Bring the ticket's obligations into line with its timers: open, moved, fulfilled, or lifted.

    Lifted is what waits for the user, and what is left when the ticket is over.

    A registration that begins at the next opening (OCP-P3.7.1) is looked at as of then.
    """
    as_of = max([now, *(event.at for event in events_of(session, ticket))])
    rows = {row.what: row for row in _open(session, ticket)}
    if ticket.state is not TicketState.DUPLICATE:
        for what, timer in named(timers(facts_of(session, ticket, as_of))):
            row = rows.pop(what, None)
            if timer.met_at is not None and row is not None:
                row.state, row.fulfilled_at = ObligationState.FULFILLED, timer.met_at
                row.evidence = f"{ticket.number} {timer.met_at.isoformat()}"
            elif timer.met_at is None and timer.due is not None and ticket.state in LIVE:
                _keep_open(session, ticket, row, clause=timer.clause, what=what, due=timer.due, now=as_of)
            elif row is not None:
                rows[what] = row
    for row in rows.values():
        row.state, row.fulfilled_at, row.evidence = ObligationState.LIFTED, now, f"the ticket is {ticket.state.value}"


def named(found: tuple[Timer, ...]) -> list[tuple[str, Timer]]:
    """Timers with wordings of their own: a second one of a name has its count."""
    seen: Counter[str] = Counter()
    result = []
    for timer in found:
        seen[timer.name] += 1
        count = seen[timer.name]
        result.append((timer.name if count == 1 else f"{timer.name} ({count})", timer))
    return result


def _open(session: Session, ticket: Ticket) -> list[Obligation]:
    query = select(Obligation).where(Obligation.subject == ticket.number, Obligation.state == ObligationState.OPEN)
    of_letters = Obligation.what.startswith(CONFIRM_RECEIPT) | (Obligation.what == REPORT_OUTCOME)
    return list(session.scalars(query.where(~of_letters)))


def _keep_open(
    session: Session, ticket: Ticket, row: Obligation | None, *, clause: str, what: str, due: Deadline, now: datetime
) -> None:
    if row is not None:
        if (row.due_at, row.provisional) == (due.due, due.provisional):
            return
        row.state = ObligationState.LIFTED
    open_obligation(session, clause=clause, subject=ticket.number, what=what, deadline=due, now=now)


def minutes_needed(session: Session, ticket: Ticket) -> int | None:
    """The time needed that the receipt states (KS-1.3): until the first answer is due; None where none is promised."""
    last = max(event.at for event in events_of(session, ticket))
    dues = [
        timer.due.due
        for timer in timers(facts_of(session, ticket, last))
        if timer.due is not None and timer.clause != "OCP-P3.7.1"
    ]
    return ceil((min(dues) - ticket.received_at) / timedelta(minutes=1)) if dues else None


def follow_timers(office: Office, *, now: datetime) -> int:
    """Bring OCP's open incident requests into line with works that were planned, closed or cancelled since.

    No other clock depends on anything but its ticket's own story, and that is followed as it is written. Works that lie
    beside the time in which a reaction is owed, or on other services, move nothing.
    """
    with reading(office.sessions) as session:
        ids = _moved_by_works(session)
    for ticket_id in ids:
        with transaction(office.sessions) as session:
            mirror(session, session.get_one(Ticket, ticket_id, with_for_update=True), now=now)
    return len(ids)


def _moved_by_works(session: Session) -> list[int]:
    waiting = session.execute(
        select(Ticket.id, Ticket.service, Ticket.received_at, Obligation.due_at)
        .join(Obligation, Obligation.subject == Ticket.number)
        .where(
            Ticket.agreement == "OCP",
            Ticket.state.in_(LIVE),
            Obligation.clause == INCIDENT_CLAUSE,
            Obligation.state == ObligationState.OPEN,
        )
        .order_by(Ticket.id)
    ).all()
    if not waiting:
        return []
    oldest = min(received_at for _, _, received_at, _ in waiting)
    rows = session.scalars(select(Window).where(or_(Window.ends_at > oldest, Window.closed_at > oldest)))
    windows = [(*_reach(row), row) for row in rows if "OCP" in row.agreements]
    moved = []
    for ticket_id, service, received_at, due_at in waiting:
        near = [row for start, end, row in windows if start < due_at and end > received_at and _touches(row, service)]
        if near:
            works = tuple(_counted((row for _, _, row in windows), service, received_at))
            due = react_to_incident(IncidentFacts(received_at=received_at, works=works)).deadline
            if due is None or due.due != due_at:
                moved.append(ticket_id)
    return moved


def _reach(window: Window) -> tuple[datetime, datetime]:
    """From when until when a window may have counted, as planned or as it went."""
    return (
        min(window.starts_at, window.opened_at or window.starts_at),
        max(window.ends_at, window.closed_at or window.ends_at),
    )
