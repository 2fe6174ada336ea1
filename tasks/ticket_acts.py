"""What people do with a ticket. Each act is an event of its story once, moves its state and its clocks, and is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused, TermsViolated, Transient
from blocks.ledger import InboxEvent, InboxState, Obligation, Ticket, TicketEvent, TicketState, transaction
from blocks.office import Office
from blocks.terms.ks_tickets import report_outcome
from blocks.terms.ocp_tickets import IncidentStep, next_steps
from blocks.terms.ot_tickets import EscalationFacts, escalate
from blocks.terms.tickets import TicketKind, What
from tasks.money import Recorded
from tasks.obligations import lift, open_obligation
from tasks.order_forms import EventKind
from tasks.ticket_forms import USER_ACTS, Act, TicketAct
from tasks.ticket_notices import shortened, tell, tell_operator, tell_partner, tell_sender
from tasks.ticket_timers import LIVE, REPORT_OUTCOME, events_of, mirror
from tasks.tickets import add_event, begin_anew, confirm_message, final, find_ticket, join, pass_on

OPERATOR, MAIL = "operator", "mail"
_MOVES: dict[str, TicketState] = {
    What.ASKED: TicketState.WAITING,
    What.ANSWERED: TicketState.OPEN,
    What.RESOLVED: TicketState.RESOLVED,
    What.DUPLICATE: TicketState.DUPLICATE,
}
_STEPS = {f"step {number}": step for number, step in enumerate(IncidentStep, 1)}
_NEEDS_TEXT = frozenset({Act.ASKED, Act.ANSWERED, Act.RESOLVED, Act.GLOBAL_FAILURE, Act.STEP})


@dataclass(frozen=True)
class _Done:
    """An act on its ticket: everything its consequences are made from."""

    office: Office
    session: Session
    ticket: Ticket
    act: TicketAct
    key: str
    now: datetime


def ticket_of_source(session: Session, source: str, name: str, *, lock: bool = False) -> Ticket:
    """The ticket that a source may act on: the operator on every one, any other source on those it sent.

    A source may name it by its own id. Raises NotFound, for a stranger's ticket too.
    """
    if source in (OPERATOR, MAIL):
        return find_ticket(session, name, lock=lock)
    own = select(Ticket).where(Ticket.source == source)
    for query in (own.where(Ticket.external_id == name), own.where(Ticket.number == name)):
        found = session.scalar(query.with_for_update() if lock else query)
        if found is not None:
            return found
    raise NotFound("ticket", name)


def act_on_ticket(office: Office, act: TicketAct, *, source: str, event_id: int, now: datetime) -> Recorded:
    """Carry out an act, once by the number of its event.

    Raises NotFound, Refused or TermsViolated when the source, the ticket's state or an agreement does not allow it,
    Transient when the ticket itself has come and waits to be put on record.
    """
    with transaction(office.sessions) as session:
        ticket = _ticket_come(session, source, act.ticket)
        done = _Done(office, session, ticket, act, f"event:{event_id}", max(now, ticket.received_at))
        known = select(TicketEvent.id).where(TicketEvent.ticket_id == ticket.id, TicketEvent.key == done.key)
        if session.scalar(known) is None:
            _check(done, source)
            _carry_out(done)
        return Recorded(None, f"{ticket.number} {act.act.value}: {ticket.state.value}", about=ticket.number)


def _ticket_come(session: Session, source: str, name: str) -> Ticket:
    try:
        return ticket_of_source(session, source, name, lock=True)
    except NotFound:
        if is_on_its_way(session, source, name):
            raise Transient(f"the ticket {name} has come and is not on record yet") from None
        raise


def is_on_its_way(session: Session, source: str, name: str) -> bool:
    """Whether a ticket of that source and own id waits in the inbox to be worked on."""
    query = select(InboxEvent.id).where(
        InboxEvent.state.in_([InboxState.NEW, InboxState.CLAIMED, InboxState.PARKED]),
        InboxEvent.source == source,
        InboxEvent.kind == EventKind.TICKET,
        InboxEvent.payload["ticket"].as_string() == name,
    )
    return session.scalar(query.limit(1)) is not None


def _check(done: _Done, source: str) -> None:
    act, ticket = done.act, done.ticket
    if source != OPERATOR and act.act not in USER_ACTS:
        raise Refused("act", f"{act.act} is not for users")
    if source == MAIL and act.who.lower() != ticket.sender:
        raise Refused("sender", f"{ticket.number} is another sender's")
    if act.act is Act.ESCALATED:
        verdict = escalate(EscalationFacts(escalated_at=done.now, reason=act.text))
        if not verdict.allowed:
            raise TermsViolated(verdict.clause, verdict.what)
    if act.act in _NEEDS_TEXT and not act.text:
        raise Refused("text", f"{act.act} needs a text")
    forwarded = ticket.state is TicketState.DUPLICATE and act.act is Act.ANSWERED
    if ticket.state not in LIVE and not forwarded:
        raise Refused("state", f"{ticket.number} is {ticket.state.value}")


def _carry_out(done: _Done) -> None:
    if done.ticket.state is TicketState.DUPLICATE:
        _forward(done)
        return
    _CONSEQUENCES[done.act.act](done)
    done.ticket.state = _state_of(events_of(done.session, done.ticket))
    mirror(done.session, done.ticket, now=done.now)


def _state_of(events: list[TicketEvent]) -> TicketState:
    """The state that the story ends in: an answer that came before a question does not answer it."""
    state = TicketState.OPEN
    for event in events:
        state = _MOVES.get(event.what, state)
    return state


def _record(done: _Done, what: str) -> None:
    add_event(done.session, done.ticket, what, key=done.key, at=done.now, who=done.act.who, text=done.act.text)


def _forward(done: _Done) -> None:
    """What the user of a joined ticket adds goes to the first; when that is over, it is a new ticket."""
    first = final(done.session, done.ticket, lock=True)
    _record(done, "passed on")
    if first.state not in LIVE:
        begin_anew(done.office, done.session, done.ticket, done.act.text, key=done.key, now=done.now)
        return
    key = f"{done.key}:{done.ticket.number}"
    pass_on(done.office, done.session, first, done.ticket.sender, done.act.text, key=key, now=done.now)
    confirm_message(done.office, done.session, done.ticket, key=done.key, now=done.now)


def _reacted(done: _Done) -> None:
    """Taken into work; the time it needs is told to the user where it is known, and the outcome becomes owed."""
    _record(done, What.REACTED)
    minutes, ticket = done.act.minutes_needed, done.ticket
    if minutes is not None:
        ends = done.now + timedelta(minutes=minutes)
        facts = {"minutes_needed": minutes, "ends_at": ends.isoformat(), "text": shortened(done.act.text)}
        tell_sender(done.office, done.session, ticket, "ticket_reacted", facts, about=done.key, now=done.now)
        lift(done.session, subject=ticket.number, why="another time was told", now=done.now, what=REPORT_OUTCOME)
    _owe_outcome(done, minutes)


def _owe_outcome(done: _Done, minutes: int | None = None) -> None:
    """KS-1.3: what was taken into work is reported on; a time that was told before stays."""
    if done.ticket.agreement == "KS":
        open_obligation(
            done.session,
            clause="KS-1.3",
            subject=done.ticket.number,
            what=REPORT_OUTCOME,
            deadline=report_outcome(done.now, minutes),
            now=done.now,
        )


def _asked(done: _Done) -> None:
    _record(done, What.ASKED)
    facts = {"question": done.act.text}
    tell_sender(done.office, done.session, done.ticket, "ticket_question", facts, about=done.key, now=done.now)


def _answered(done: _Done) -> None:
    _record(done, What.ANSWERED)
    _owe_outcome(done)
    _tell_us(done, "ответ пользователя")
    confirm_message(done.office, done.session, done.ticket, key=done.key, now=done.now)


def _escalated(done: _Done) -> None:
    """OT-7: ahead of the queue, working hours or not: our operator is told at once."""
    _record(done, What.ESCALATED)
    ticket = done.ticket
    facts = {
        "agreement": ticket.agreement,
        "priority": ticket.priority or "—",
        "reason": shortened(done.act.text),
        "who": done.act.who,
    }
    operator = done.office.settings.operator_email
    tell(done.session, ticket, "ticket_escalated", operator, facts, about=done.key, now=done.now)
    confirm_message(done.office, done.session, ticket, key=done.key, now=done.now)


def _failed_globally(done: _Done) -> None:
    """OT-12: worked on at any hour."""
    _record(done, What.GLOBAL_FAILURE)
    _tell_us(done, "глобальный сбой, работаем в любое время")


def _tell_us(done: _Done, what: str) -> None:
    act = done.act
    tell_operator(
        done.office, done.session, done.ticket, what, text=act.text, who=act.who, about=done.key, now=done.now
    )


def _resolved(done: _Done) -> None:
    """KS-1.3: the second answer reports the outcome. An incident request is resolved after its six steps (OCP-P3.4)."""
    left = next_steps(_steps(done.session, done.ticket))
    if done.ticket.kind == TicketKind.INCIDENT and left:
        raise TermsViolated("OCP-P3.4", f"steps are left: {'; '.join(left)}")
    _record(done, What.RESOLVED)
    owed = done.session.scalar(
        select(Obligation).where(Obligation.subject == done.ticket.number, Obligation.what == REPORT_OUTCOME)
    )
    facts = {"resolved_at": done.now.isoformat(), "outcome": done.act.text}
    tell_sender(
        done.office, done.session, done.ticket, "ticket_resolved", facts, about=done.key, now=done.now, obligation=owed
    )
    tell_partner(done.office, done.session, done.ticket, "ticket_resolved", facts, about=done.key, now=done.now)
    for other in _other_users(done.session, done.ticket):
        told = {**facts, "outcome": "Неполадка устранена."}
        tell_sender(done.office, done.session, other, "ticket_resolved", told, about=done.key, now=done.now)


def _other_users(session: Session, first: Ticket) -> list[Ticket]:
    """The tickets of others that were joined to one: each user hears of the outcome, in no words meant for another."""
    found, level = [], [first.id]
    while level:
        joined = session.scalars(select(Ticket).where(Ticket.duplicate_of_id.in_(level)).order_by(Ticket.id)).all()
        found += [ticket for ticket in joined if ticket.sender != first.sender]
        level = [ticket.id for ticket in joined]
    return found


def _joined(done: _Done) -> None:
    first = find_ticket(done.session, done.act.other or "", lock=True)
    if first.id == done.ticket.id or first.state not in LIVE or first.agreement != done.ticket.agreement:
        raise Refused("join", f"{first.number} is not another open ticket under {done.ticket.agreement}")
    _record(done, "join")
    lift(done.session, subject=done.ticket.number, why=f"joined to {first.number}", now=done.now, what=REPORT_OUTCOME)
    join(done.office, done.session, done.ticket, first, who=done.act.who, now=done.now)


def _steps(session: Session, ticket: Ticket) -> set[IncidentStep]:
    return {_STEPS[event.what] for event in events_of(session, ticket) if event.what in _STEPS}


def _stepped(done: _Done) -> None:
    """OCP-P3.4: one of the six steps, once; the first of them is our reaction. The user and the Operator are told."""
    ticket, act, before = done.ticket, done.act, _steps(done.session, done.ticket)
    if ticket.kind != TicketKind.INCIDENT:
        raise Refused("step", f"{ticket.number} is no incident request")
    if act.step in before:
        raise Refused("step", f"{ticket.number}: {act.step} is done")
    if not before:
        add_event(done.session, ticket, What.REACTED, key=f"{done.key}:reacted", at=done.now, who=act.who)
    _record(done, next(what for what, step in _STEPS.items() if step is act.step))
    facts = {"step": act.step, "text": shortened(act.text)}
    tell_sender(done.office, done.session, ticket, "ticket_step", facts, about=done.key, now=done.now)
    tell_partner(done.office, done.session, ticket, "ticket_step", facts, about=done.key, now=done.now)


_CONSEQUENCES: dict[Act, Callable[[_Done], None]] = {
    Act.REACTED: _reacted,
    Act.ASKED: _asked,
    Act.ANSWERED: _answered,
    Act.ESCALATED: _escalated,
    Act.RESOLVED: _resolved,
    Act.GLOBAL_FAILURE: _failed_globally,
    Act.JOIN: _joined,
    Act.STEP: _stepped,
}
