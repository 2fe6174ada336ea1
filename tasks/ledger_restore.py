"""Restoring the ledger from a copy, and destroying again in it what was destroyed since the copy was made.

The key store stands apart from the ledger and is not restored, so it knows: what it destroyed has a tombstone there.
A restore that was killed is run again: it goes on with what it finds restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from blocks.clients import ledger_copy
from blocks.clients.ledger_copy import Header
from blocks.clients.scratch import scratch
from blocks.errors import NotFound, Refused
from blocks.ledger import (
    AccountEnding,
    Customer,
    InboxEvent,
    InboxState,
    LogPeriod,
    LogSegment,
    Notice,
    NoticeState,
    Order,
    migrate,
    open_engine,
    reading,
    scrub,
    transaction,
)
from blocks.logs.segment import classes_of
from blocks.office import Office
from blocks.settings import Settings
from blocks.terms.copies import RestoreView
from tasks.account_deletion import TABLES, erase
from tasks.ledger_copies import key_of, made_at_of, object_of, scratch_of
from tasks.log_journal import note_log
from tasks.log_periods import DESTROY, open_period, subject_of
from tasks.obligations import fulfil

_DOUBTFUL = "restored from a copy: it may have been sent or done since, a person decides"
_LATE = timedelta(days=1)
"""A destruction noted so long before the copy may still not be in it: the ledger commits later than the key store."""


def bare_office(settings: Settings, url: str) -> Office:
    """An office on a ledger that is taken as it is, not migrated: it may be empty, or lost. Raises Refused("url")."""
    try:
        engine = open_engine(url)
    except (ArgumentError, ValueError):
        raise Refused("url", "that is not the URL of a database") from None
    settings = settings.model_copy(update={"ledger_url": url})
    return Office(settings, engine, sessionmaker(engine, expire_on_commit=False))


@dataclass(frozen=True)
class Doomed:
    """What the key store says is destroyed, by customer id and by the name of a period, each with its moment.

    `found` are periods that live in the key store.
    """

    customers: Mapping[int, datetime]
    periods: Mapping[tuple[str, date], datetime]
    found: Iterable[tuple[str, date]]


def preview(target: Office, name: str) -> RestoreView:
    """Open the whole copy and tell what a restore of it would do; nothing is written to any ledger.

    Raises NotFound when the copy or its key is not there, Refused when it is not whole.
    """
    with scratch(scratch_of(target)) as folder:
        key = _key(target, name)
        header = ledger_copy.read_through(_fetched(target, name, folder), key, name)
        ledger_copy.holds_already(target.engine, header)
        doomed = _doomed(target, header)
        newest, behind = _lost(target, header, folder)
    return RestoreView(
        **_told(header, newest, behind),
        customers=tuple(sorted(doomed.customers)),
        periods=_named(doomed.periods),
        found=(),
        letters=0,
        events=0,
        unknown_segments=0,
        done=False,
    )


def restore(target: Office, name: str, *, who: str, now: datetime) -> RestoreView:
    """Restore a copy into the empty ledger of `target`, bring its schema up to date, and destroy again.

    Raises Refused("not_empty") for a ledger that holds rows which are not this very copy's, and as `preview`.
    """
    with scratch(scratch_of(target)) as folder:
        key = _key(target, name)
        path = _fetched(target, name, folder)
        header = ledger_copy.restore(target.engine, path, key=key, name=name, folder=folder)
        newest, behind = _lost(target, header, folder)
    migrate(target.engine)
    unknown = _unknown_segments(target)
    with transaction(target.sessions) as session:
        letters, events = _set_aside(session, target.settings.operator_email, now)
        doomed = _doomed(target, header)
        customers = _erase(session, doomed.customers)
        periods = _end_periods(session, doomed.periods)
        found = _open_found(session, doomed.found, target.settings.operator_email, now)
        facts = {
            "made_at": header.made_at.isoformat(),
            "rows": header.rows,
            "digest": header.digest,
            "customers": len(customers),
            "periods": len(periods),
            "found": len(found),
            "letters": letters,
            "events": events,
            "newest": newest or "",
            "behind": dict(behind),
            "unknown_segments": unknown,
        }
        note_log(session, kind="restored", about=name, who=who, facts=facts, now=now)
    if customers:
        scrub(target.engine, TABLES)
    return RestoreView(
        **_told(header, newest, behind),
        customers=customers,
        periods=_named(periods),
        found=_named(found),
        letters=letters,
        events=events,
        unknown_segments=unknown,
        done=True,
    )


def _fetched(office: Office, name: str, folder: Path, to: str = "fetched.sealed") -> Path:
    path = folder / to
    office.objects.fetch(object_of(name), path)
    return path


def _key(office: Office, name: str) -> bytes:
    """The key of a copy. Raises Refused("destroyed") for a copy whose time was over."""
    try:
        return office.keys.get(key_of(name))
    except NotFound:
        if key_of(name) in office.keys.tombstones(key_of(name)):
            raise Refused("destroyed", f"the copy {name} was destroyed: its time was over") from None
        raise


def _doomed(office: Office, header: Header) -> Doomed:
    since = header.made_at - _LATE
    customers = {
        int(name.removeprefix("customer/")): at
        for name, at in office.keys.tombstones("customer/").items()
        if at >= since and name.removeprefix("customer/").isdigit()
    }
    periods = {_period(name): at for name, at in office.keys.tombstones("period/").items()}
    return Doomed(customers, periods, [_period(name) for name in office.keys.names("period/")])


def _period(name: str) -> tuple[str, date]:
    """Classes and day of the name of a period's key."""
    _, classes, day = name.split("/")
    return classes, date.fromisoformat(day)


def _set_aside(session: Session, operator: str, now: datetime) -> tuple[int, int]:
    """What the copy had still to send and to work on may have been sent and done since: it waits for a person.

    Letters to our own operator go: a person reads them. The answer is how many letters and how many events wait.
    """
    unsent = Notice.state.in_([NoticeState.QUEUED, NoticeState.SENDING]), Notice.recipient != operator
    letters = session.execute(
        update(Notice)
        .where(*unsent)
        .values(state=NoticeState.FAILED, settled_at=now, diagnostic=_DOUBTFUL)
        .returning(Notice.id)
    ).all()
    unworked = InboxEvent.state.in_([InboxState.NEW, InboxState.CLAIMED])
    events = session.execute(
        update(InboxEvent)
        .where(unworked)
        .values(state=InboxState.PARKED, lease_owner=None, lease_until=None, outcome=_DOUBTFUL)
        .returning(InboxEvent.id)
    ).all()
    return len(letters), len(events)


def _erase(session: Session, customers: Mapping[int, datetime]) -> tuple[int, ...]:
    """Erase the customers that are there again. One who came after the destruction has the number of another."""
    erased = []
    for customer_id, at in sorted(customers.items()):
        row = session.get(Customer, customer_id)
        if row is not None and row.created_at <= at and not _came_back(session, customer_id, at):
            erase(session, customer_id, at)
            erased.append(customer_id)
    return tuple(erased)


def _came_back(session: Session, customer: int, at: datetime) -> bool:
    """Whether a destruction was killed before it was done, and the customer came back: the tombstone is void."""
    resumed = select(AccountEnding.id).where(AccountEnding.customer_id == customer, AccountEnding.resumed_at >= at)
    ordered = select(Order.id).where(Order.customer_id == customer, Order.ordered_at > at)
    return any(session.scalar(query.limit(1)) is not None for query in (resumed, ordered))


def _end_periods(session: Session, periods: Mapping[tuple[str, date], datetime]) -> tuple[tuple[str, date], ...]:
    """Mark the periods whose keys were destroyed since; a period's key is never made again, so no date is asked."""
    ended = []
    for row in session.scalars(select(LogPeriod).where(LogPeriod.destroyed_at.is_(None))).all():
        at = periods.get((row.classes, row.day))
        if at is not None:
            row.destroyed_at = at
            evidence = f"its key was destroyed at {at.isoformat()}, as the key store tells"
            fulfil(session, subject=subject_of(row.classes, row.day), evidence=evidence, now=at, what=DESTROY)
            ended.append((row.classes, row.day))
    return tuple(sorted(ended))


def _open_found(
    session: Session, found: Iterable[tuple[str, date]], operator: str, now: datetime
) -> tuple[tuple[str, date], ...]:
    """Give the periods that only the key store knows their rows and obligations back, so that they end in time."""
    known = {(row.classes, row.day) for row in session.scalars(select(LogPeriod))}
    missing = tuple(sorted(set(found) - known))
    for classes, day in missing:
        open_period(session, classes_of(classes), day, operator=operator, now=now)
    return missing


def _unknown_segments(office: Office) -> int:
    """How many segments lie in the archive without a row: sealed since the copy. Their period's end ends them, too."""
    stored = {version.name for version in office.objects.versions("logs/") if not version.marker}
    with reading(office.sessions) as session:
        return len(stored - set(session.scalars(select(LogSegment.name))))


def _lost(office: Office, header: Header, folder: Path) -> tuple[str | None, Mapping[str, int]]:
    """The newest copy made after this one that opens, and how many more rows each table has there."""
    names = [name.removeprefix("backup/") for name in office.keys.names("backup/")]
    for name in sorted((one for one in names if made_at_of(one) and one > header.name), reverse=True):
        try:
            path = _fetched(office, name, folder, "newer.sealed")
            newest = ledger_copy.read_through(path, _key(office, name), name)
        except (NotFound, Refused):
            continue
        more = {table: count - header.counts.get(table, 0) for table, count in newest.counts.items()}
        return name, {table: count for table, count in more.items() if count > 0}
    return None, {}


def _told(header: Header, newest: str | None, behind: Mapping[str, int]) -> dict[str, Any]:
    told = header.model_dump(include={"name", "made_at", "revision", "counts"})
    return {**told, "newest": newest, "behind": behind}


def _named(periods: Iterable[tuple[str, date]]) -> tuple[str, ...]:
    return tuple(sorted(f"{classes} {day.isoformat()}" for classes, day in periods))
