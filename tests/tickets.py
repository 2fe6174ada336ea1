"""Tickets in tests: in by the inbox or by mail, worked on, and what is then owed and told."""

from __future__ import annotations

import os
from datetime import datetime
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import select

from blocks.ledger import InboxEvent, Notice, Obligation, ObligationState, Ticket, TicketEvent, reading
from blocks.office import Office
from tasks.order_forms import EventKind
from tests.work import NOW, drain, put

USER = "user@example.test"
PROVEN = {"Authentication_Results": "mx.example.test; dmarc=pass header.from=example.test"}
"""What our own mail server writes on a mail whose sender is genuine."""
_SERIAL = count(1)


def ticket_form(ticket: str = "H-1", **changes: Any) -> dict[str, Any]:
    return {
        "ticket": ticket,
        "agreement": "OT",
        "kind": "technical",
        "sender": USER,
        "service": "dialer",
        "subject": "Не идут звонки",
        "substance": "Автодозвон стоит",
        "occurred": "сегодня в 10:20",
        "actions": "запускали новый список",
        **changes,
    }


def put_ticket(office: Office, at: datetime = NOW, *, source: str = "helpdesk", **form: Any) -> str:
    """A ticket through the inbox, worked on; its number."""
    payload = ticket_form(**form)
    put(office, EventKind.TICKET, payload, f"t-{payload['ticket']}-{next(_SERIAL)}", source, at)
    drain(office, at)
    with reading(office.sessions) as session:
        query = select(Ticket.number).where(Ticket.source == source, Ticket.external_id == payload["ticket"])
        return session.scalars(query).one()


def act(office: Office, ticket: str, name: str, at: datetime, *, source: str = "operator", **more: Any) -> str:
    """Something done with a ticket, and what became of it."""
    event_id = f"act-{next(_SERIAL)}"
    payload = {"ticket": ticket, "act": name, "who": "О. Петрова", "text": "сделано", **more}
    put(office, EventKind.TICKET_ACT, payload, event_id, source, at)
    drain(office, at)
    with reading(office.sessions) as session:
        return session.scalar(select(InboxEvent.outcome).where(InboxEvent.event_id == event_id)) or ""


def ticket_of(office: Office, number: str) -> Ticket:
    with reading(office.sessions) as session:
        return session.scalars(select(Ticket).where(Ticket.number == number)).one()


def happened(office: Office, number: str) -> list[str]:
    with reading(office.sessions) as session:
        query = select(TicketEvent).join(Ticket, Ticket.id == TicketEvent.ticket_id).where(Ticket.number == number)
        return [event.what for event in session.scalars(query.order_by(TicketEvent.at, TicketEvent.id))]


def owed(office: Office, number: str) -> dict[str, datetime]:
    """What is open on a ticket, by when."""
    return {f"{row.clause} {row.what}": row.due_at for row in obligations(office, number) if _open(row)}


def _open(row: Obligation) -> bool:
    return row.state is ObligationState.OPEN


def obligations(office: Office, number: str) -> list[Obligation]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Obligation).where(Obligation.subject == number).order_by(Obligation.id)))


def letters(office: Office, number: str, to: str = USER) -> list[str]:
    with reading(office.sessions) as session:
        query = select(Notice.kind).where(Notice.about == number, Notice.recipient == to)
        return list(session.scalars(query.order_by(Notice.id)))


def letter(office: Office, kind: str, number: str) -> Notice:
    with reading(office.sessions) as session:
        query = select(Notice).where(Notice.kind == kind, Notice.about == number)
        return session.scalars(query.order_by(Notice.id.desc())).first() or Notice()


def maildir(path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (path / name).mkdir(parents=True, exist_ok=True)
    return path


def mail(
    text: str = "Не работает связь", *, sender: str = USER, subject: str = "Нет связи", **headers: str
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "support@example.test", subject
    message["Message-ID"] = f"<m{next(_SERIAL)}@example.test>"
    for name, value in headers.items():
        header = name.replace("_", "-")
        del message[header]
        message[header] = value
    message.set_content(text)
    return message


def deliver(path: Path, raw: EmailMessage | bytes, at: datetime = NOW) -> Path:
    """A mail server's delivery into a Maildir."""
    file = path / "new" / f"{next(_SERIAL):06d}.test"
    file.write_bytes(raw if isinstance(raw, bytes) else raw.as_bytes())
    os.utime(file, (at.timestamp(), at.timestamp()))
    return file
