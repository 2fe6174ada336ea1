"""From a registration whose time is over to the act of its destruction. Killed anywhere, it goes on.

First the archive; then the ledger, and before its commit the tombstone in the key store: a ledger restored from an
older copy is cleared of the customer again. Then the bytes that the database still holds, and at last the act, which
ends the matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import (
    AccountEnding,
    AccountEntry,
    Customer,
    Document,
    LogJournal,
    OrderEvent,
    Payment,
    Service,
    ServiceState,
    reading,
    scrub,
    transaction,
)
from blocks.office import Office
from blocks.terms import qs
from blocks.terms.account_views import Destruction
from blocks.terms.base import Verdict
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.qs_ending import EndFacts, destroy_registration
from blocks.terms.qs_idle import DELETE_DAYS, IdleStep
from tasks.account_deletion import TABLES, erase, letters_of, papers
from tasks.account_endings import DESTROY, ENDS, IDLE, note_service, open_ending, open_endings
from tasks.account_facts import erased, obstacles, ordered_since, orders_of, services_of, subject_of
from tasks.account_idle import deletion_due, idle_turns, tell_person
from tasks.documents import PDF, file_document
from tasks.log_journal import note_log
from tasks.notices import envelope_of
from tasks.obligations import fulfil

ACT, ACT_DATA = "account-destruction:", "account-destruction-data:"
Render = Callable[[Destruction], tuple[bytes, bytes]]
"""The act as PDF and as JSON."""


@dataclass(frozen=True)
class Doomed:
    """A registration whose time is over: its clause, and what a person must settle before it is deleted."""

    customer: int
    clause: str
    waits_for: tuple[str, ...]


def tombstone(customer: int) -> str:
    """The name of a deleted customer in the key store."""
    return f"customer/{customer}"


def doomed(session: Session, *, now: datetime) -> list[Doomed]:
    """The registrations to be deleted now, by agreement (QS-8.3) or idleness (QS-3.6.1); and those without an act."""
    endings = open_endings(session)
    begun = erased(session) & endings.keys()
    ended = [one.customer_id for one in endings.values() if one.ended_at is not None and one.ended_at <= now]
    idle = [
        turn.customer
        for turn in idle_turns(session, now=now)
        if turn.step is IdleStep.DELETE and turn.customer in endings
    ]
    return [
        Doomed(customer, endings[customer].clause, tuple(obstacles(session, customer)))
        for customer in sorted({*ended, *idle, *begun})
    ]


def end_projects(office: Office, *, now: datetime) -> int:
    """Terminate the projects of agreements that have ended; how many. Access ends, whatever else must wait."""
    count = 0
    with transaction(office.sessions) as session:
        for customer, ending in sorted(open_endings(session).items()):
            if ending.clause != ENDS or ending.ended_at is None or ending.ended_at > now:
                continue
            later = ordered_since(session, ending)
            kept = {order.id for order in later}, {order.item.get("renews") for order in later}
            for service in services_of(session, customer, lock=True):
                if service.order_id in kept[0] or service.name in kept[1]:
                    continue  # the customer came back: a person decides
                if service.state is not ServiceState.TERMINATED:
                    service.state, service.suspended_for = ServiceState.TERMINATED, None
                    why = "the agreement has ended"
                    note_service(session, service, kind="service.terminated", why=why, clause=ENDS, now=now)
                    count += 1
    return count


def empty(office: Office, one: Doomed, *, now: datetime) -> bool:
    """Erase a registration from the archive and the ledger; False where a person must settle something before.

    The tombstone is written last before the commit, in the transaction that found nothing in the way: what it names is
    erased, or about to be when this was killed, and nobody can come back in between.
    """
    if _waits(office, one.customer, now):
        return False
    with reading(office.sessions) as session:
        sheets = [row.sha256 for row in papers(session, one.customer)]
        letters = letters_of(session, one.customer)
    for letter in letters if not office.settings.smtp_host else ():
        (office.settings.outbox / f"{envelope_of(office, letter)}.eml").unlink(missing_ok=True)
    for held in sheets:
        office.archive.destroy(held, now=now)
    with transaction(office.sessions) as session:
        session.get_one(Customer, one.customer, with_for_update=True)
        if _reasons(session, one.customer, now) != []:
            return False
        erased_now = erase(session, one.customer, now)
        if _erasure(session, one.customer) is None or erased_now.counts:
            facts = {"clause": one.clause, "counts": erased_now.counts}
            about_it = subject_of(one.customer)
            note_log(session, kind="account.deleted", about=about_it, who="dogovor", facts=facts, now=now)
        office.keys.bury(tombstone(one.customer), now=now)
    return True


def _reasons(session: Session, customer: int, now: datetime) -> list[str] | None:
    """What a person must settle before; None for one that came back. What is erased already only needs its act."""
    ending = open_ending(session, customer)
    if ending is None:
        return None
    if customer in erased(session):
        return []
    if ending.clause == IDLE and not deletion_due(session, ending, now=now):
        return None
    return obstacles(session, customer)


def _waits(office: Office, customer: int, now: datetime) -> bool:
    """Whether it is not to be deleted now: it came back, or a person must settle something and is told so.

    Told once for each set of reasons.
    """
    with transaction(office.sessions) as session:
        ending, reasons = open_ending(session, customer), _reasons(session, customer, now)
        if ending is None or reasons is None:
            return True
        if reasons:
            which = sha256("\n".join(reasons).encode()).hexdigest()[:16]
            tell_person(office, session, customer, key=f"{ending.id}:{which}", reasons=reasons, now=now)
        return bool(reasons)


def scrub_ledger(office: Office) -> None:
    """No page and no write-ahead log of the ledger's database holds the bytes of before. Raises Transient."""
    scrub(office.engine, TABLES)


def _erasure(session: Session, customer: int) -> LogJournal | None:
    """The first record of the erasure; a restored ledger may have had it again."""
    query = select(LogJournal).where(LogJournal.kind == "account.deleted", LogJournal.about == subject_of(customer))
    return session.scalar(query.order_by(LogJournal.id).limit(1))


def conclude(office: Office, customer: int, render: Render, *, now: datetime) -> str:
    """Make out the act of what was erased and scrubbed, fulfil what was owed, end the matter; the act's key."""
    with reading(office.sessions) as session:
        view = _view(office, session, customer, now)
    pdf, data = render(view)
    hashes = office.archive.put(pdf), office.archive.put(data)
    key = f"{ACT}{customer}"
    with transaction(office.sessions) as session:
        ending = open_ending(session, customer)
        if ending is None:
            return key
        for name, suffix, media, content, held in (
            (key, "pdf", PDF, pdf, hashes[0]),
            (f"{ACT_DATA}{customer}", "json", "application/json", data, hashes[1]),
        ):
            file_document(
                session,
                None,
                key=name,
                title="Акт об уничтожении регистрационных данных",
                file_name=f"account-destruction-{customer}.{suffix}",
                media_type=media,
                sha256=held,
                size=len(content),
                now=now,
            )
        evidence = f"{key} sha256 {hashes[0]}"
        fulfil(session, subject=subject_of(customer), evidence=evidence, now=now, what=DESTROY)
        ending.deleted_at, ending.act_key = now, key
    return key


def _view(office: Office, session: Session, customer: int, now: datetime) -> Destruction:
    ending, erased = open_endings(session)[customer], _erasure(session, customer)
    ended_at = ending.ended_at or ending.blocked_at or ending.opened_at
    at = erased.at if erased else now
    policy = RETENTION_POLICY.on(local_date(at, qs.ZONE))
    last_copy = at + timedelta(days=policy.copy_days)
    return Destruction(
        customer=customer,
        clause=ending.clause,
        ended_at=ended_at,
        due_at=_due(ending, ended_at, policy.destroy_hours),
        destroyed_at=at,
        counts=dict(erased.facts["counts"]) if erased else {},
        kept=_kept(session, customer),
        copies_until=local_date(last_copy, qs.ZONE),
        provider=office.settings.provider_name,
    )


def _due(ending: AccountEnding, ended_at: datetime, hours: int) -> datetime:
    if ending.clause == ENDS:
        decision = destroy_registration(EndFacts(ended_at=ended_at))
        if decision.verdict is Verdict.DUE and decision.deadline is not None:
            return decision.deadline.due
    return in_calendar_days(ended_at, DELETE_DAYS, qs.ZONE).due + timedelta(hours=hours)


def _kept(session: Session, customer: int) -> dict[str, int]:
    """What stays, without registration data of its own but for accounting documents, which a law keeps."""
    orders = [order.id for order in orders_of(session, customer)]
    held = Document.order_id.in_(orders), Document.sha256 != ""
    found = {
        "orders": len(orders),
        "order_events": _count(session, OrderEvent.order_id.in_(orders)),
        "payments": _count(session, Payment.order_id.in_(orders)),
        "account_entries": _count(session, AccountEntry.customer_id == customer),
        "services": _count(session, Service.customer_id == customer),
        "accounting_documents": _count(session, *held),
    }
    return {what: count for what, count in found.items() if count}


def _count(session: Session, *where: object) -> int:
    return session.scalar(select(func.count()).where(*where)) or 0  # type: ignore[arg-type]
