"""Registrations of QS without activity (QS-3.6.1): a notice after 12 months, a block 30 days later, then deletion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import AccountEnding, Customer, Notice, NoticeState, ServiceState, transaction
from blocks.office import Office
from blocks.terms import qs
from blocks.terms.base import Deadline, Decision, Verdict
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.qs_idle import DELETE_DAYS, IdleFacts, IdleStep, idle
from tasks.account_endings import DESTROY, IDLE, note_service, open_ending, open_endings, take_back
from tasks.account_facts import erased, last_active, paid_until, services_of, subject_of
from tasks.notices import queue, queue_operator_notice
from tasks.obligations import open_obligation

_QUIET = timedelta(days=365)
"""Twelve calendar months are never less: who was active later needs no closer look."""
_LOST = (NoticeState.BOUNCED, NoticeState.FAILED)


@dataclass(frozen=True)
class Turn:
    """A registration at which something is due now, with the wording of the rule."""

    customer: int
    step: IdleStep
    person: bool
    what: str


def idle_turns(session: Session, *, now: datetime) -> list[Turn]:
    """The registrations at which a step of idleness is due, or a person must decide; nothing is changed."""
    known, endings = last_active(session, now=now), open_endings(session)
    gone = erased(session)
    gone |= set(session.scalars(select(AccountEnding.customer_id).where(AccountEnding.deleted_at.is_not(None))))
    quiet = {customer for customer, at in known.items() if at <= now - _QUIET}
    turns = []
    for customer in sorted((quiet | set(endings)) - gone):
        ending = endings.get(customer)
        if ending is not None and ending.clause != IDLE:
            continue
        decision = _decide(session, customer, ending, known[customer], now)
        person = decision.verdict is Verdict.PERSON
        if decision.values["due"] or person:
            turns.append(Turn(customer, IdleStep(str(decision.values["step"])), person, decision.what))
    return turns


def _decide(session: Session, customer: int, ending: AccountEnding | None, active: datetime, now: datetime) -> Decision:
    notice = _last_notice(session, ending) if ending else None
    sent = notice.sent_at or notice.created_at if notice else None
    return idle(
        IdleFacts(
            last_active_at=active,
            noticed_at=sent,
            bounced=notice is not None and notice.state in _LOST,
            blocked_at=ending.blocked_at if ending else None,
            paid_until=paid_until(session, customer),
            now=now,
        )
    )


def _last_notice(session: Session, ending: AccountEnding) -> Notice | None:
    query = select(Notice).where(Notice.key.startswith(f"account_idle:{ending.id}:", autoescape=True))
    return session.scalar(query.order_by(Notice.id.desc()).limit(1))


def deletion_due(session: Session, ending: AccountEnding, *, now: datetime) -> bool:
    """Whether a registration without activity is still to be deleted now."""
    active = last_active(session, ending.customer_id, now=now)[ending.customer_id]
    decision = _decide(session, ending.customer_id, ending, active, now)
    return decision.values == {"step": IdleStep.DELETE.value, "due": True}


def take_turn(office: Office, customer: int, *, now: datetime) -> IdleStep:
    """Take the step that is due at a registration, looked at anew; what was done. Deletion is left to the caller."""
    with transaction(office.sessions) as session:
        session.get_one(Customer, customer, with_for_update=True)
        ending = open_ending(session, customer)
        if ending is not None and ending.clause != IDLE:
            return IdleStep.NONE
        active = last_active(session, customer, now=now)[customer]
        decision = _decide(session, customer, ending, active, now)
        if decision.verdict is Verdict.PERSON and ending is not None:
            return _bounced(office, session, ending, now)
        step = IdleStep(str(decision.values["step"])) if decision.values["due"] else IdleStep.NONE
        if step is IdleStep.NOTICE:
            _notify(session, customer, active, now)
        elif step is IdleStep.RESUME and ending is not None:
            take_back(session, ending, why="the user is active again", now=now)
        elif step is IdleStep.BLOCK and ending is not None:
            return _block(session, ending, now)
        return step


def _notify(session: Session, customer: int, active: datetime, now: datetime) -> None:
    why = f"no activity since {active.isoformat()}"
    ending = AccountEnding(customer_id=customer, clause=IDLE, why=why, who="dogovor", opened_at=now)
    session.add(ending)
    session.flush()
    _send(session, ending, "account_idle", {"active_at": active.isoformat()}, now=now)


def _send(
    session: Session, ending: AccountEnding, kind: str, facts: Mapping[str, str], *, now: datetime, number: int = 1
) -> None:
    """Queue a letter to the registration's address. The first notice is owed: a bounce opens its obligation again."""
    customer, subject = session.get_one(Customer, ending.customer_id), subject_of(ending.customer_id)
    owed = None
    if kind == "account_idle":
        hours = RETENTION_POLICY.on(local_date(now, qs.ZONE)).destroy_hours
        deadline = Deadline(due=now + timedelta(hours=hours), zone=qs.ZONE)
        what = "give notice of a registration without activity"
        owed = open_obligation(session, clause=IDLE, subject=subject, what=what, deadline=deadline, now=now)
    queue(
        session,
        key=f"{kind}:{ending.id}:{number}",
        kind=kind,
        agreement="QS",
        recipient=customer.email,
        facts={"name": customer.name, **facts},
        now=now,
        about=subject,
        obligation=owed,
    )


def _bounced(office: Office, session: Session, ending: AccountEnding, now: datetime) -> IdleStep:
    """The notice came back. A corrected address gets a new one; else a person is told, once for each notice."""
    notice, customer = _last_notice(session, ending), session.get_one(Customer, ending.customer_id)
    if notice is None:
        return IdleStep.NONE
    if notice.recipient != customer.email:
        number = int(notice.key.rpartition(":")[2]) + 1
        ending.noticed_at = None
        _send(session, ending, "account_idle", {"active_at": notice.facts["active_at"]}, now=now, number=number)
        return IdleStep.NOTICE
    why = "the notice of a registration without activity came back: correct the address, or decide to keep it"
    key = f"{notice.key}:bounced"
    tell_person(office, session, ending.customer_id, key=key, reasons=[why], now=now)
    return IdleStep.NONE


def tell_person(
    office: Office, session: Session, customer: int, *, key: str, reasons: list[str], now: datetime
) -> None:
    """Tell our operator, once by key, that a registration waits for a person."""
    queue_operator_notice(
        session,
        kind="account_kept",
        key=f"account_kept:{key}"[:120],
        operator=office.settings.operator_email,
        facts={"customer": customer, "reasons": reasons},
        now=now,
    )


def _block(session: Session, ending: AccountEnding, now: datetime) -> IdleStep:
    """Suspend what still runs, and open the obligation to delete 90 days later. A notice unsent gives no block."""
    notice = _last_notice(session, ending)
    if notice is None or notice.sent_at is None:
        return IdleStep.NONE
    ending.noticed_at, ending.blocked_at = notice.sent_at, now
    for service in services_of(session, ending.customer_id, lock=True):
        if service.state is ServiceState.ACTIVE:
            service.state, service.suspended_for = ServiceState.SUSPENDED, "idle"
            why = "a registration without activity is blocked"
            note_service(session, service, kind="service.suspended", why=why, clause=IDLE, now=now)
    delete_at = in_calendar_days(now, DELETE_DAYS, qs.ZONE).due
    hours = timedelta(hours=RETENTION_POLICY.on(local_date(now, qs.ZONE)).destroy_hours)
    deadline = Deadline(due=delete_at + hours, zone=qs.ZONE)
    subject, what = subject_of(ending.customer_id), f"{DESTROY}the registration data"
    owed = open_obligation(session, clause=IDLE, subject=subject, what=what, deadline=deadline, now=now)
    owed.warn_at = delete_at + hours / 2
    _send(session, ending, "account_blocked", {"delete_at": delete_at.isoformat()}, now=now)
    return IdleStep.BLOCK
