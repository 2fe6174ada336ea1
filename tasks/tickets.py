"""Tickets come in: put on record once, confirmed, registered, and joined to an open one where they repeat it."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import (
    Customer,
    Obligation,
    ObligationState,
    Ticket,
    TicketEvent,
    TicketState,
    one_at_a_time,
    transaction,
)
from blocks.office import Office
from blocks.terms import ks
from blocks.terms.base import Verdict
from blocks.terms.deadlines import local_date
from blocks.terms.ks_tickets import RequestFacts, request_is_complete
from blocks.terms.ocp_tickets import ZONE, OperatorRequestFacts, register_request
from blocks.terms.ot_tickets import RepeatFacts, repeated_ticket
from blocks.terms.policy import SUPPORT_POLICY
from blocks.terms.tickets import What
from tasks.money import Recorded
from tasks.numbering import add_numbered, by_number
from tasks.obligations import open_obligation
from tasks.ticket_forms import TicketForm
from tasks.ticket_notices import shortened, tell_operator, tell_partner, tell_sender
from tasks.ticket_timers import CONFIRM_RECEIPT, LIVE, events_of, minutes_needed, mirror

JOINED = "joined"
"""What happened to a first ticket when another's content came to it."""
_REPLY = re.compile(r"^\s*((re|fwd?|aw|отв(ет)?|ha|на|перес(лано)?|відп|пер)\s*(\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_PARTS = {"substance": "substance", "time": "time", "actions before": "actions"}


def find_ticket(session: Session, number: str, *, lock: bool = False) -> Ticket:
    """The ticket of that number. Raises NotFound."""
    return by_number(session, Ticket, number, lock=lock)


def add_event(session: Session, ticket: Ticket, what: str, *, key: str, at: datetime, who: str, text: str = "") -> None:
    """Append to a ticket's story. A second event of that key is an integrity error by intent."""
    moment = max(at, ticket.received_at)
    session.add(TicketEvent(ticket_id=ticket.id, key=key, at=moment, what=what, who=who, text=text))
    session.flush()


def receive_ticket(office: Office, source: str, form: TicketForm, received_at: datetime) -> Recorded:
    """Put a ticket on record once by (source, its own id), and tell its number; the same again changes nothing."""
    with transaction(office.sessions) as session:
        ticket = take_in(office, session, source, form, received_at)
        return Recorded(None, f"{ticket.number} {ticket.state.value}", about=ticket.number)


def take_in(office: Office, session: Session, source: str, form: TicketForm, received_at: datetime) -> Ticket:
    """Put a ticket on record once by (source, its own id), within a transaction. What is not proven joins nothing."""
    sender = form.sender.lower()
    one_at_a_time(session, f"ticket:{form.agreement}:{sender}")
    known = select(Ticket).where(Ticket.source == source, Ticket.external_id == form.ticket)
    ticket = session.scalar(known)
    if ticket is not None:
        return ticket
    ticket = _put_on_record(session, source, form, sender, received_at)
    first = _first_open(session, ticket, form.repeat_of) if form.sender_proven else None
    facts = RepeatFacts(first_open=first.number if first else None)
    if first is not None and repeated_ticket(facts).verdict is Verdict.ACTION:
        receipt = _receipt_owed(session, ticket, received_at)
        join(office, session, ticket, first, who="dogovor", now=received_at, receipt=receipt)
    else:
        _take_up(office, session, ticket, form, received_at)
    return ticket


def begin_anew(office: Office, session: Session, ticket: Ticket, text: str, *, key: str, now: datetime) -> Ticket:
    """A new ticket out of what its user adds to one that is over, once by key."""
    form = TicketForm.model_validate(
        {
            "ticket": f"{ticket.number}/{key}",
            "agreement": ticket.agreement,
            "kind": ticket.kind,
            "priority": ticket.priority,
            "sender": ticket.sender,
            "language": ticket.language,
            "service": ticket.service,
            "subject": ticket.subject,
            "substance": text,
        }
    )
    return take_in(office, session, ticket.source, form, now)


def _put_on_record(session: Session, source: str, form: TicketForm, sender: str, received_at: datetime) -> Ticket:
    customer = select(Customer.id).where(Customer.agreement == form.agreement, Customer.email == sender)
    ticket = Ticket(
        source=source,
        external_id=form.ticket,
        agreement=form.agreement,
        kind=form.kind.value,
        priority=form.priority,
        customer_id=session.scalar(customer),
        sender=sender,
        language=form.language,
        service=form.service,
        subject=form.subject,
        received_at=received_at,
        state=TicketState.OPEN,
    )
    add_numbered(session, ticket, now=received_at)
    add_event(session, ticket, What.RECEIVED, key="received", at=received_at, who=sender, text=form.content)
    return ticket


def same_subject(one: str, other: str) -> bool:
    """Whether two subjects are one: without marks of replying, in any case and spacing. An empty one is no subject."""
    return bool(_plain(one)) and _plain(one) == _plain(other)


def _plain(subject: str) -> str:
    return " ".join(_REPLY.sub("", unicodedata.normalize("NFKC", subject)).casefold().split())


def _first_open(session: Session, ticket: Ticket, repeat_of: str | None) -> Ticket | None:
    """The open ticket that this one repeats: the one it names, else one of the same sender, service and subject.

    A ticket that it names must be of its own sender or customer: nobody writes into a stranger's ticket.
    """
    live = select(Ticket).where(Ticket.agreement == ticket.agreement, Ticket.state.in_(LIVE), Ticket.id != ticket.id)
    if repeat_of is not None:
        named = session.scalar(live.where(Ticket.number == repeat_of).with_for_update())
        if named is not None and _same_user(named, ticket):
            return named
    own = live.where(Ticket.sender == ticket.sender).order_by(Ticket.id).with_for_update()
    for first in session.scalars(own):
        if first.service == ticket.service and same_subject(first.subject, ticket.subject):
            return first
    return None


def waiting_for(session: Session, agreement: str, sender: str, subject: str) -> Ticket | None:
    """The ticket that waits for an answer of this sender, and whose subject is this one."""
    query = select(Ticket).where(
        Ticket.sender == sender, Ticket.agreement == agreement, Ticket.state == TicketState.WAITING
    )
    return next((row for row in session.scalars(query) if same_subject(row.subject, subject)), None)


def final(session: Session, ticket: Ticket, *, lock: bool = False) -> Ticket:
    """The ticket to which a joined one has come at last; one that was not joined is itself."""
    while ticket.duplicate_of_id is not None:
        ticket = session.get_one(Ticket, ticket.duplicate_of_id, with_for_update=lock)
    return ticket


def _same_user(one: Ticket, other: Ticket) -> bool:
    return one.sender == other.sender or (one.customer_id is not None and one.customer_id == other.customer_id)


def join(
    office: Office,
    session: Session,
    ticket: Ticket,
    first: Ticket,
    *,
    who: str,
    now: datetime,
    receipt: Obligation | None = None,
) -> None:
    """Make a ticket a duplicate (OT-8): its content goes to the first, its user is told, its own clocks end.

    The first's clocks stay as they are, unless it waits for just this user: then this is the answer. `receipt` is the
    confirmation that the letter gives where the ticket has only come. Another user does not learn the first's number.
    """
    content = "\n\n".join(event.text for event in events_of(session, ticket) if event.text)
    ticket.state, ticket.duplicate_of_id = TicketState.DUPLICATE, first.id
    add_event(session, ticket, What.DUPLICATE, key="duplicate", at=now, who=who, text=first.number)
    mirror(session, ticket, now=now)
    pass_on(office, session, first, ticket.sender, content, key=f"joined:{ticket.number}", now=now)
    known = first.number if _same_user(first, ticket) else None
    facts = {"duplicate_of": known, "received_at": ticket.received_at.isoformat()}
    tell_sender(office, session, ticket, "ticket_joined", facts, about="", now=now, obligation=receipt)


def pass_on(
    office: Office, session: Session, first: Ticket, sender: str, content: str, *, key: str, now: datetime
) -> None:
    """Put the content of a repeated ticket into the first, as its user's answer where it waits for one."""
    answers = first.state is TicketState.WAITING and first.sender == sender
    add_event(session, first, What.ANSWERED if answers else JOINED, key=key, at=now, who=sender, text=content)
    if answers:
        first.state = TicketState.OPEN
        mirror(session, first, now=now)
    tell_operator(office, session, first, "дополнено", text=content, who=sender, about=key, now=now)


def _take_up(office: Office, session: Session, ticket: Ticket, form: TicketForm, now: datetime) -> None:
    if ticket.agreement == "OCP":
        _register(session, ticket, now)
    mirror(session, ticket, now=now)
    _confirm(office, session, ticket, form, now)
    tell_operator(office, session, ticket, "новое", text=form.content, who=ticket.sender, about="new", now=now)


def _register(session: Session, ticket: Ticket, now: datetime) -> None:
    """OCP-P3.7.1: registered at once within the hours of requests, else when they begin next."""
    decision = register_request(OperatorRequestFacts(received_at=now))
    registered_at = now
    if not decision.values["taken_now"] and decision.deadline is not None:
        policy = SUPPORT_POLICY.on(local_date(now, ZONE))
        registered_at = decision.deadline.due - timedelta(minutes=policy.registration_minutes)
    add_event(session, ticket, What.REGISTERED, key="registered", at=registered_at, who="dogovor", text=ticket.number)


def confirm_message(office: Office, session: Session, ticket: Ticket, *, key: str, now: datetime) -> None:
    """Each further message of KeepSecrets' customers is confirmed too: its receipt, its time, the time needed (KS-1.3).

    The time needed is what is open on the ticket, the last of it due.
    """
    if ticket.agreement != "KS":
        return
    query = select(func.max(Obligation.due_at)).where(
        Obligation.subject == ticket.number,
        Obligation.state == ObligationState.OPEN,
        Obligation.what.not_like(f"{CONFIRM_RECEIPT}%"),
        Obligation.due_at > now,
    )
    ends = session.scalar(query)
    facts = {"received_at": now.isoformat(), "ends_at": ends.isoformat() if ends else None}
    receipt = _receipt_owed(session, ticket, now, what=f"{CONFIRM_RECEIPT} of {key}")
    tell_sender(office, session, ticket, "ticket_added", facts, about=key, now=now, obligation=receipt)


def _receipt_owed(session: Session, ticket: Ticket, now: datetime, *, what: str = CONFIRM_RECEIPT) -> Obligation | None:
    """The confirmation of receipt that KeepSecrets' customers are owed (KS-1.3)."""
    receipt = ks.receipt(ks.ReceiptFacts(received_at=now))
    if ticket.agreement != "KS" or receipt.deadline is None:
        return None
    return open_obligation(
        session,
        clause=receipt.clause,
        subject=ticket.number,
        what=what,
        deadline=receipt.deadline,
        now=now,
    )


def _confirm(office: Office, session: Session, ticket: Ticket, form: TicketForm, now: datetime) -> None:
    """The receipt with its time and the time needed (KS-1.3), and a question for what is missing (KS-3.11)."""
    facts = {
        "received_at": now.isoformat(),
        "substance": shortened(form.substance or form.subject),
        "minutes_needed": minutes_needed(session, ticket),
    }
    obligation = _receipt_owed(session, ticket, now)
    tell_sender(office, session, ticket, "ticket_received", facts, about="", now=now, obligation=obligation)
    tell_partner(office, session, ticket, "ticket_registered", {"subject": ticket.subject}, about="", now=now)
    missing = _missing(form)
    if ticket.agreement == "KS" and missing:
        tell_sender(office, session, ticket, "ticket_incomplete", {"missing": missing}, about="", now=now)


def _missing(form: TicketForm) -> list[str]:
    said = RequestFacts(electronic=True, substance=form.substance, time=form.occurred, actions_before=form.actions)
    asked = str(request_is_complete(said).values.get("ask", "")).split(", ")
    return [name for part, name in _PARTS.items() if part in asked]
