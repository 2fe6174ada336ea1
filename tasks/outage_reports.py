"""Users' reports and outages: tickets join the outage during which they came; several without one are a suspicion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.ledger import Notice, Outage, Ticket, TicketState, reading, transaction
from blocks.office import Office
from blocks.terms.tickets import TicketKind
from tasks.effective import holding
from tasks.notices import queue_operator_notice
from tasks.ticket_views import reports_of_same_problem

_LATELY = timedelta(hours=1)
"""Reports that are further apart than this are not taken for one problem."""
_TAKEN_IN = timedelta(days=1)
"""So long after an outage tickets that came during it, and were taken in late, still join it."""
_ENOUGH = 2
"""More than one user (OCP-P3.2.10)."""


def link_tickets(session: Session, *, now: datetime) -> int:
    """Open technical tickets of OT join the outage of their service during which they came (OT-3); how many."""
    lately = or_(Outage.ended_at.is_(None), Outage.ended_at > now - _TAKEN_IN)
    linked = 0
    for outage in session.scalars(select(Outage).where(lately).order_by(Outage.id)).all():
        if "OT" not in outage.agreements:
            continue
        during = holding(session, outage).span(now)
        for ticket in session.scalars(
            select(Ticket).where(
                Ticket.agreement == "OT",
                Ticket.service == outage.service,
                Ticket.kind.in_([TicketKind.TECHNICAL, TicketKind.INCIDENT]),
                Ticket.state != TicketState.RESOLVED,
                Ticket.outage_id.is_(None),
                Ticket.received_at.between(during.start, during.end),
            )
        ):
            ticket.outage_id = outage.id
            linked += 1
    return linked


@dataclass(frozen=True)
class Suspicion:
    """A service of which several users report a problem while no outage of it is open."""

    service: str
    tickets: tuple[str, ...]


def suspected(office: Office, *, now: datetime) -> list[Suspicion]:
    """The services of which two users or more reported a problem within the last hour, and no outage has begun."""
    found = []
    with reading(office.sessions) as session:
        open_now = set(session.scalars(select(Outage.service).where(Outage.ended_at.is_(None))))
        for service in office.catalogue.service:
            if service.name not in open_now:
                reports = reports_of_same_problem(session, service.name, now - _LATELY)
                free = [ticket.number for ticket in reports if ticket.outage_id is None]
                if len(free) >= _ENOUGH:
                    found.append(Suspicion(service.name, tuple(free)))
    return found


def suspect(office: Office, *, now: datetime) -> int:
    """Tell our operator of each suspicion once: a person opens the outage, or does not; how many letters are new."""
    new = 0
    for found in suspected(office, now=now):
        keys = [f"outage_suspected:{found.service}:{number}" for number in found.tickets]
        with transaction(office.sessions) as session:
            if session.scalar(select(Notice.id).where(Notice.key.in_(keys)).limit(1)) is not None:
                continue
            service = office.catalogue.services[found.service]
            queue_operator_notice(
                session,
                kind="outage_suspected",
                key=keys[-1],
                operator=office.settings.operator_email,
                facts={"service": service.title, "name": service.name, "tickets": list(found.tickets)},
                now=now,
            )
            new += 1
    return new
