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

from blocks.catalogue import NAME
from blocks.clients.support_mail import Arrived, SupportMail, authenticated_domain
from blocks.errors import NotFound
from blocks.ledger import Notice, Ticket, reading, transaction
from blocks.office import Office
from blocks.settings import Settings
from tasks.inbox import outcome_of, put_event
from tasks.notices import notice_of, queue_operator_notice
from tasks.order_forms import EventKind
from tasks.ticket_acts import MAIL
from tasks.ticket_forms import MAX_TEXT, Act, TicketAct, TicketForm
from tasks.ticket_timers import LIVE
from tasks.tickets import final, find_ticket, waiting_for

_LABELS = {
    "occurred": ("время", "когда", "час", "коли", "time", "when"),
    "actions": ("действия", "перед этим", "дії", "перед цим", "actions", "before"),
    "service": ("сервис", "услуга", "сервіс", "послуга", "service"),
}
_SERVICE = re.compile(NAME)
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
            about = _about(office, session, mail)
            why = _why_not(office.settings, session, mail, about)
        if why:
            _set_aside(office, arrived, why, taken, now)
            return
        try:
            kind, payload = _payload(office.settings, mail, about)
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


@dataclass(frozen=True)
class _About:
    """The ticket that a mail speaks of, whether it is not over, and whether the mail is proven to be its sender's.

    A From line proves nothing. An answer to a letter that we sent to that address does, for the ticket of that letter:
    its id cannot be guessed. So does our own mail server's word on the sender's domain (DMARC).
    """

    ticket: Ticket | None
    lives: bool
    proven: bool


def _about(office: Office, session: Session, mail: SupportMail) -> _About:
    answered = _letters_answered(office, session, mail)
    named = (_known(session, number) for number in (*mail.numbers, *answered))
    ticket = next((found for found in named if found is not None), None)
    proven = _is_from_its_domain(office.settings, mail) or (ticket is not None and ticket.number in answered)
    return _About(ticket, ticket is not None and final(session, ticket).state in LIVE, proven)


def _known(session: Session, number: str) -> Ticket | None:
    try:
        return find_ticket(session, number)
    except NotFound:
        return None


def _letters_answered(office: Office, session: Session, mail: SupportMail) -> list[str]:
    """The tickets of our letters to this sender that the mail answers."""
    found = []
    for envelope_id in mail.answers:
        number = notice_of(office, envelope_id)
        notice = session.get(Notice, number) if number is not None else None
        if notice is not None and notice.recipient == mail.sender and (notice.about or "").startswith("T-"):
            found.append(notice.about or "")
    return found


def _is_from_its_domain(settings: Settings, mail: SupportMail) -> bool:
    passed = authenticated_domain(mail.results, settings.mail_authserv_id)
    return passed is not None and _normal(f"x@{passed}") == _normal(f"x@{mail.sender.rpartition('@')[2]}")


def _why_not(settings: Settings, session: Session, mail: SupportMail, about: _About) -> str:
    """Why a mail must not touch the ticket it speaks of, or the one that waits for it; empty: it may."""
    if about.ticket is not None and about.ticket.sender != mail.sender:
        return f"ответ по обращению {about.ticket.number} не от того, кто его прислал"
    if about.proven:
        return ""
    first = about.ticket if about.lives else None
    if about.ticket is None:
        first = waiting_for(session, _agreement(settings, mail), mail.sender, mail.subject)
    if first is None:
        return ""
    return f"похоже на ответ по обращению {first.number}, но не доказано, что его написал этот отправитель"


def _payload(settings: Settings, mail: SupportMail, about: _About) -> tuple[EventKind, dict[str, Any]]:
    """An answer to a ticket that is not over, else a new ticket: so its clocks run and its receipt is confirmed."""
    ticket = about.ticket
    names = f"\n\nВложения: {', '.join(mail.attachments)}" if mail.attachments else ""
    text = f"{mail.text}{names}".strip()[:MAX_TEXT]
    if ticket is not None and about.lives:
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
            "sender_proven": about.proven,
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
