"""Letters about a ticket: to its user, to the ОЦП Operator, to our own operator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import Notice, Obligation, Ticket
from blocks.office import Office
from blocks.terms.zones import ZONES
from tasks.audience import partner
from tasks.notices import queue

AUTOMATIC = frozenset({"ticket_received", "ticket_joined", "ticket_incomplete", "ticket_added"})
"""Letters that no person of ours caused: two robots could keep them going for ever."""
LETTERS_AN_HOUR = 20
"""So many automatic letters of its tickets one address gets in an hour; the others wait for the next hours."""
SHORT = 2000
"""Characters of somebody's text that a letter quotes."""


def shortened(text: str, limit: int = SHORT) -> str:
    """A text, cut where it is longer than a letter quotes."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()} […]"


def tell(
    session: Session,
    ticket: Ticket,
    kind: str,
    recipient: str,
    facts: Mapping[str, Any],
    *,
    about: str,
    now: datetime,
    obligation: Obligation | None = None,
    not_before: datetime | None = None,
) -> None:
    """Queue a letter about a ticket, once by (ticket, kind, about)."""
    queue(
        session,
        key=f"{ticket.number}:{kind}:{about}",
        kind=kind,
        agreement=ticket.agreement,
        recipient=recipient,
        facts={"number": ticket.number, "zone": ZONES[ticket.agreement], **facts},
        now=now,
        about=ticket.number,
        obligation=obligation,
        not_before=not_before,
    )


def tell_sender(
    office: Office,
    session: Session,
    ticket: Ticket,
    kind: str,
    facts: Mapping[str, Any],
    *,
    about: str,
    now: datetime,
    obligation: Obligation | None = None,
) -> None:
    """Queue a letter to the ticket's user, once by (ticket, kind, about).

    An automatic one over the hour's limit waits for its hour, and a person is told of it, once an hour. What people of
    ours write goes out at once.
    """
    hours = _hours_to_wait(session, ticket.sender, now) if kind in AUTOMATIC else 0
    later = now + timedelta(hours=hours)
    tell(session, ticket, kind, ticket.sender, facts, about=about, now=now, obligation=obligation, not_before=later)
    if not hours:
        return
    queue(
        session,
        key=f"ticket_flood:{now:%Y-%m-%dT%H}:{ticket.sender}"[:120],
        kind="ticket_flood",
        agreement="",
        recipient=office.settings.operator_email,
        facts={"number": ticket.number, "sender": ticket.sender, "letters": LETTERS_AN_HOUR},
        now=now,
        about=ticket.number,
    )


def _hours_to_wait(session: Session, address: str, now: datetime) -> int:
    """How many hours the address's automatic letters of the last hour, and those that wait already, fill."""
    letters = select(func.count()).where(
        Notice.recipient == address, Notice.next_try_at > now - timedelta(hours=1), Notice.kind.in_(AUTOMATIC)
    )
    return (session.scalar(letters) or 0) // LETTERS_AN_HOUR


def tell_operator(
    office: Office, session: Session, ticket: Ticket, what: str, *, text: str, who: str, about: str, now: datetime
) -> None:
    """Tell our operator that a ticket needs work, once by (ticket, about)."""
    facts = {
        "agreement": ticket.agreement,
        "what": what,
        "subject": ticket.subject,
        "text": shortened(text),
        "who": who,
    }
    tell(session, ticket, "ticket_needs_work", office.settings.operator_email, facts, about=about, now=now)


def tell_partner(
    office: Office, session: Session, ticket: Ticket, kind: str, facts: Mapping[str, Any], *, about: str, now: datetime
) -> None:
    """Tell the ОЦП Operator what its user was told, where the ticket is not its own."""
    for address in partner(office.settings, ticket.agreement):
        if address.lower() != ticket.sender:
            tell(session, ticket, kind, address, facts, about=f"partner:{about}", now=now)
