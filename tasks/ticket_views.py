"""Tickets for people: one with its clocks and its story, the open ones, and reports of one problem by several users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import Obligation, ObligationState, Ticket, TicketEvent, TicketState, reading
from blocks.office import Office
from blocks.terms.service_views import SegmentView, StoryLine, TicketView, TimerView
from blocks.terms.tickets import TicketKind, Timer, What, timers
from blocks.terms.zones import ZONES
from tasks.stories import masked, masked_text
from tasks.ticket_notices import shortened
from tasks.ticket_timers import LIVE, events_of, facts_of
from tasks.tickets import find_ticket


def ticket_view_data(office: Office, number: str, as_of: datetime) -> TicketView:
    """A ticket with its clocks as of a moment and everything that has happened to it. Raises NotFound."""
    with reading(office.sessions) as session:
        ticket = find_ticket(session, number)
        return TicketView(
            number=ticket.number,
            agreement=ticket.agreement,
            kind=ticket.kind,
            priority=str(ticket.priority or ""),
            state=ticket.state.value,
            subject=masked_text(ticket.subject),
            customer=masked(ticket.sender),
            received_at=ticket.received_at,
            zone=ZONES[ticket.agreement],
            timers=tuple(_timer(timer, as_of) for timer in timers(facts_of(session, ticket, as_of))),
            events=tuple(_line(event) for event in events_of(session, ticket)),
        )


def _line(event: TicketEvent) -> StoryLine:
    text = f": {masked_text(shortened(event.text))}" if event.text else ""
    return StoryLine(at=event.at, who=masked_text(event.who), what=f"{event.what}{text}")


def _timer(timer: Timer, as_of: datetime) -> TimerView:
    goes_on = timer.met_at is None
    return TimerView(
        clause=timer.clause,
        name=timer.name,
        due=timer.due.due if timer.due else None,
        met_at=timer.met_at,
        breached=timer.breached,
        spent_seconds=Decimal(timer.spent_seconds),
        allowed_seconds=Decimal(timer.allowed_seconds),
        segments=tuple(
            SegmentView(
                start=segment.start,
                end=None if goes_on and segment.end == as_of else segment.end,
                running=segment.running,
                why=segment.why,
            )
            for segment in timer.segments
        ),
    )


@dataclass(frozen=True)
class OpenTicket:
    """A ticket that is not over, for a table."""

    number: str
    agreement: str
    kind: str
    state: str
    subject: str
    next_due: datetime | None
    overdue: bool
    escalated: bool


def open_tickets(office: Office, now: datetime) -> list[OpenTicket]:
    """The tickets that are not over: escalated ones first (OT-7), then by what is due next."""
    owed = (
        select(Obligation.subject, func.min(Obligation.due_at).label("due"))
        .where(Obligation.state == ObligationState.OPEN)
        .group_by(Obligation.subject)
        .subquery()
    )
    urgent = (
        select(TicketEvent.ticket_id)
        .join(Ticket, Ticket.id == TicketEvent.ticket_id)
        .where(Ticket.state.in_(LIVE), TicketEvent.what.in_([What.ESCALATED, What.GLOBAL_FAILURE]))
    )
    query = (
        select(Ticket, owed.c.due)
        .outerjoin(owed, owed.c.subject == Ticket.number)
        .where(Ticket.state.in_(LIVE))
        .order_by(Ticket.id)
    )
    with reading(office.sessions) as session:
        ahead = set(session.scalars(urgent))
        rows = [
            OpenTicket(
                number=ticket.number,
                agreement=ticket.agreement,
                kind=ticket.kind,
                state=ticket.state.value,
                subject=ticket.subject,
                next_due=due,
                overdue=due is not None and due < now,
                escalated=ticket.id in ahead,
            )
            for ticket, due in session.execute(query)
        ]
    return sorted(rows, key=lambda row: (not row.escalated, row.next_due is None, row.next_due or now, row.number))


def reports_of_same_problem(session: Session, service: str, since: datetime) -> list[Ticket]:
    """Tickets about a service since a moment, the first of each user: two or more are user reports (OCP-P3.2.10).

    Questions and suggestions report no problem. What was joined to another counts: it is one more user's report.
    """
    rows = session.scalars(
        select(Ticket)
        .where(
            Ticket.service == service,
            Ticket.received_at >= since,
            Ticket.kind.in_([TicketKind.TECHNICAL, TicketKind.INCIDENT]),
            Ticket.state != TicketState.RESOLVED,
        )
        .order_by(Ticket.id.desc())
    )
    first_of_each = {ticket.sender: ticket for ticket in rows}
    return sorted(first_of_each.values(), key=lambda ticket: ticket.id)
