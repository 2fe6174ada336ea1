"""Mail to support into the inbox: a new ticket, its user's answer, or a letter that stays for a person.

A message is marked read only when what it means is stored; met again by its Message-ID, it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError, validate_email
from sqlalchemy.orm import Session

from blocks.clients.support_mail import Arrived, SupportMail
from blocks.errors import NotFound
from blocks.ledger import Notice, Ticket, TicketState, reading, transaction
from blocks.office import Office
from blocks.settings import Settings
from tasks.inbox import outcome_of, put_event
from tasks.notices import queue_operator_notice
from tasks.order_forms import EventKind
from tasks.ticket_acts import MAIL
from tasks.ticket_forms import MAX_TEXT, Act, TicketAct, TicketForm
from tasks.tickets import find_ticket

_LABELS = {
    "occurred": ("время", "когда", "час", "коли", "time", "when"),
    "actions": ("действия", "перед этим", "дії", "перед цим", "actions", "before"),
    "service": ("сервис", "услуга", "сервіс", "послуга", "service"),
}
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UKRAINIAN = re.compile(r"[іїєґ]", re.IGNORECASE)
_CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)


@dataclass
class Taken:
    """What became of the mail of one reading."""

    stored: int = 0
    known: int = 0
    ignored: int = 0
    aside: int = 0


def take_mail(office: Office, *, now: datetime) -> Taken:
    """Take in the mail that has come. Robots' mail is ignored, so that two robots never talk to each other."""
    taken = Taken()
    if office.support_mail is None:
        return taken
    for arrived in office.support_mail.unread():
        if arrived.mail is None:
            why = "не читается: нет отправителя, слишком велико или повреждено"
            _set_aside(office, arrived, why, taken, now)
        elif arrived.mail.automatic or arrived.mail.sender in _ours(office.settings):
            taken.ignored += 1
            office.support_mail.read(arrived.key)
        else:
            mail = replace(arrived.mail, sender=_normal(arrived.mail.sender))
            _take(office, arrived, mail, taken, now)
    return taken


def _normal(address: str) -> str:
    """An address as forms keep it; one that is none stays as it is, and the form refuses it."""
    try:
        return validate_email(address)[1].lower()
    except ValueError:
        return address


def _ours(settings: Settings) -> frozenset[str]:
    named = (settings.mail_from, settings.bounce_address, *settings.support_addresses)
    return frozenset(address.lower() for address in named)


def _take(office: Office, arrived: Arrived, mail: SupportMail, taken: Taken, now: datetime) -> None:
    if outcome_of(office.sessions, source=MAIL, event_id=mail.message_id) is not None:
        taken.known += 1
    else:
        with reading(office.sessions) as session:
            ticket = _ticket_answered(office, session, mail)
        if ticket is not None and ticket.sender != mail.sender:
            why = f"ответ по обращению {ticket.number} не от того, кто его прислал"
            _set_aside(office, arrived, why, taken, now)
            return
        try:
            kind, payload = _payload(office.settings, mail, ticket)
        except ValidationError as error:
            _set_aside(office, arrived, f"не становится обращением: {_fields(error)}", taken, now)
            return
        _store(office, mail.message_id, kind, payload, min(arrived.at, now))
        taken.stored += 1
    if office.support_mail is not None:
        office.support_mail.read(arrived.key)


def _store(office: Office, message_id: str, kind: EventKind, payload: Mapping[str, Any], at: datetime) -> None:
    """The event is dated by the mail's arrival: clocks start there, not when we look."""
    with transaction(office.sessions) as session:
        put_event(session, source=MAIL, event_id=message_id, kind=kind, payload=payload, now=at)


def _fields(error: ValidationError) -> str:
    return ", ".join(str(fault["loc"][0]) for fault in error.errors() if fault["loc"]) or "содержание"


def _ticket_answered(office: Office, session: Session, mail: SupportMail) -> Ticket | None:
    """The ticket whose number stands in the subject, or one of whose letters is answered."""
    for number in mail.numbers:
        try:
            return find_ticket(session, number)
        except NotFound:
            continue
    for envelope_id in mail.answers:
        number, _, token = envelope_id.partition("-")
        if number.isascii() and number.isdigit() and len(number) <= 9 and _is_ours(office, int(number), token):
            notice = session.get(Notice, int(number))
            if notice is not None and (notice.about or "").startswith("T-"):
                return find_ticket(session, notice.about or "")
    return None


def _is_ours(office: Office, notice_id: int, token: str) -> bool:
    return office.sealer.page_token(f"envelope:{notice_id}")[:22] == token


def _payload(settings: Settings, mail: SupportMail, ticket: Ticket | None) -> tuple[EventKind, dict[str, Any]]:
    """An answer to a ticket that is not over, else a new ticket: so its clocks run and its receipt is confirmed."""
    names = f"\n\nВложения: {', '.join(mail.attachments)}" if mail.attachments else ""
    text = f"{mail.text}{names}".strip()[:MAX_TEXT]
    if ticket is not None and ticket.state is not TicketState.RESOLVED:
        text = text or mail.subject or "(без текста)"
        act = TicketAct(ticket=ticket.number, act=Act.ANSWERED, who=mail.sender, text=text)
        return EventKind.TICKET_ACT, act.model_dump(mode="json")
    agreement = ticket.agreement if ticket else _agreement(settings, mail)
    labelled = _labelled(mail.text)
    service = labelled.get("service", "").lower()
    form = TicketForm.model_validate(
        {
            "ticket": mail.message_id,
            "agreement": agreement,
            "sender": mail.sender,
            "language": _language(mail.text or mail.subject),
            "service": service if _SERVICE.fullmatch(service) else None,
            "subject": mail.subject or "(без темы)",
            "substance": text,
            "occurred": labelled.get("occurred", ""),
            "actions": labelled.get("actions", ""),
        }
    )
    return EventKind.TICKET, form.model_dump(mode="json")


def _agreement(settings: Settings, mail: SupportMail) -> str:
    known = {address.lower(): agreement for address, agreement in settings.support_addresses.items()}
    return next((known[address] for address in mail.recipients if address in known), "KS")


def _labelled(text: str) -> dict[str, str]:
    """What lines like `Время: 10:20` say; the rest of the substance is not understood by a machine."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        label, colon, value = line.partition(":")
        for field, labels in _LABELS.items():
            if colon and value.strip() and label.strip().lower() in labels:
                found.setdefault(field, value.strip())
    return found


def _language(text: str) -> str:
    if _UKRAINIAN.search(text):
        return "uk"
    return "ru" if _CYRILLIC.search(text) or not text else "en"


def _set_aside(office: Office, arrived: Arrived, why: str, taken: Taken, now: datetime) -> None:
    """A letter that a machine must not take as a ticket or an answer waits, flagged, and a person is told of it."""
    facts = {
        "why": why,
        "file": arrived.key,
        "sender": arrived.mail.sender if arrived.mail else "",
        "subject": arrived.mail.subject if arrived.mail else "",
    }
    with transaction(office.sessions) as session:
        queue_operator_notice(
            session,
            kind="support_mail_aside",
            key=f"support_mail_aside:{arrived.key}"[:120],
            operator=office.settings.operator_email,
            facts=facts,
            now=now,
        )
    taken.aside += 1
    if office.support_mail is not None:
        office.support_mail.read(arrived.key, aside=True)
