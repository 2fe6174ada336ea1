"""Legal holds on logs: placed, released, lapsed; the archive is told of them, so that its own lock stands as well."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.orm import Session

from blocks.clients.objects import Version
from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import (
    LogHold,
    LogJournal,
    LogPeriod,
    LogPurge,
    LogSegment,
    PurgeState,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.logs.segment import classes_of, classes_text
from blocks.office import Office
from blocks.terms.base import Deadline
from blocks.terms.deadlines import local_date
from blocks.terms.people import same_person
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.purging import Hold
from blocks.terms.retention import in_order, life
from blocks.terms.zones import MOSCOW
from tasks.log_forms import HoldForm, ReleaseForm
from tasks.log_journal import note_log
from tasks.log_periods import DESTROY, subject_of
from tasks.notices import queue_operator_notice
from tasks.numbering import add_numbered, by_number
from tasks.obligations import open_obligation

HOLDS = "log holds"
"""Placing a hold and destroying keys wait for one another under this name."""
_BATCH = 1000
log = logging.getLogger("dogovor.holds")


def _hold(row: LogHold) -> Hold:
    return Hold(
        number=row.number,
        classes=classes_of(row.classes) if row.classes else (),
        project=row.project or "",
        day_from=row.day_from,
        day_to=row.day_to,
        until=row.until,
        placed_at=row.placed_at,
        released_at=row.released_at,
    )


def standing(session: Session, *, now: datetime) -> list[Hold]:
    """The holds that stand, in order. One that is in the ledger stands, also where its clock was ahead of `now`."""
    rows = session.scalars(select(LogHold).where(LogHold.released_at.is_(None)).order_by(LogHold.id))
    entered = [hold.model_copy(update={"placed_at": min(hold.placed_at, now)}) for hold in map(_hold, rows)]
    return [hold for hold in entered if hold.stands(now)]


@dataclass(frozen=True)
class Placed:
    """A hold that was placed: how many segments and records it keeps as of now, and whether the archive locked them."""

    number: str
    segments: int
    records: int
    locked: bool


def place(office: Office, form: HoldForm, *, now: datetime) -> Placed:
    """Place a hold: it stands when this returns. Raises Refused("past") for one that would be over already.

    What was destroyed before stays so. Where the archive does not answer, its own lock follows with the next purge.
    """
    if form.until is not None and form.until < local_date(now, MOSCOW):
        raise Refused("past", f"a hold until {form.until} would be over already")
    with transaction(office.sessions) as session:
        one_at_a_time(session, HOLDS)
        row = LogHold(
            person=form.person,
            why=form.why,
            classes=classes_text(in_order(form.classes)) if form.classes else None,
            project=form.project,
            day_from=form.day_from,
            day_to=form.day_to,
            until=form.until,
            placed_at=now,
        )
        add_numbered(session, row, now=now)
        kept = session.execute(_reached(session, _hold(row), LogSegment.records)).scalars().all()
        facts = {**_scope(row), "segments": len(kept), "records": sum(kept)}
        note_log(
            session, kind="hold.placed", about=row.number, who=row.person, facts={**facts, "why": row.why}, now=now
        )
        _tell(office, session, "log_hold_placed", row, {**facts, "person": row.person, "why": row.why}, now=now)
        number = row.number
    return Placed(number, len(kept), sum(kept), locks_follow(office, now=now))


def release(office: Office, form: ReleaseForm, *, now: datetime) -> int:
    """Release a hold; what is over its term is owed to be destroyed from now on: of how many class-days.

    Raises Refused("same_person") for the one who placed it, Refused("released") when it no longer stands, NotFound.
    """
    with transaction(office.sessions) as session:
        one_at_a_time(session, HOLDS)
        row = by_number(session, LogHold, form.hold, lock=True)
        if not _hold(row).stands(now):
            raise Refused("released", f"{row.number} does not stand any more")
        if same_person(row.person, form.person):
            raise Refused("same_person", f"{row.number} was placed by {row.person}: another person releases it")
        row.released_at, row.released_by, row.release_why = now, form.person, form.why
        session.flush()
        owed = _owe_again(session, row, now)
        facts = {"why": form.why, "owed": owed}
        note_log(session, kind="hold.released", about=row.number, who=form.person, facts=facts, now=now)
        told = {**_scope(row), "person": form.person, "why": form.why, "owed": owed}
        _tell(office, session, "log_hold_released", row, told, now=now)
    locks_follow(office, now=now)
    return owed


def end_lapsed(office: Office, *, now: datetime) -> list[str]:
    """Note each hold that ended with its last day, once; what it kept is owed to be destroyed from now on."""
    noted = select(LogJournal.about).where(LogJournal.kind == "hold.released")
    ended = []
    with transaction(office.sessions) as session:
        one_at_a_time(session, HOLDS)
        rows = session.scalars(
            select(LogHold)
            .where(LogHold.released_at.is_(None), LogHold.until.is_not(None), LogHold.number.not_in(noted))
            .order_by(LogHold.id)
        )
        for row in rows.all():
            end = _hold(row).ends_at()
            if end is None or end > now:
                continue
            facts = {"why": "its last day is over", "ended_at": end.isoformat(), "owed": _owe_again(session, row, now)}
            note_log(session, kind="hold.released", about=row.number, who="dogovor", facts=facts, now=now)
            ended.append(row.number)
    return ended


def sync_locks(office: Office, *, now: datetime) -> tuple[int, int]:
    """Let the archive hold what holds reach, and nothing else: how many segments were locked and unlocked.

    Raises Transient, Refused. What was told to the archive and not yet recorded is told again, which changes nothing.
    """
    columns = (LogSegment.id, LogSegment.name, LogSegment.version)
    with reading(office.sessions) as session:
        wanted: dict[int, Version] = {}
        for hold in standing(session, now=now):
            for one, name, version in session.execute(_reached(session, hold, *columns)):
                wanted[one] = Version(name, version)
        rows = session.execute(select(*columns).where(LogSegment.locked, LogSegment.gone_at.is_(None)))
        locked = {one: Version(name, version) for one, name, version in rows}
    fresh = {one: version for one, version in wanted.items() if one not in locked}
    over = {one: version for one, version in locked.items() if one not in wanted}
    for chosen, on in ((fresh, True), (over, False)):
        for batch in _batches(chosen):
            _hold_each(office, list(batch.values()), on=on)
            with transaction(office.sessions) as session:
                session.execute(update(LogSegment).where(LogSegment.id.in_(batch)).values(locked=on))
    return len(fresh), len(over)


def _batches(chosen: Mapping[int, Version]) -> Iterator[dict[int, Version]]:
    items = iter(chosen.items())
    while batch := dict(islice(items, _BATCH)):
        yield batch


def _hold_each(office: Office, versions: Sequence[Version], *, on: bool) -> None:
    """One that the archive lost keeps no other from being held; `dogovor logs verify` tells of it."""
    try:
        office.objects.hold(versions, on=on)
    except NotFound as error:
        if len(versions) == 1:
            log.warning("cannot be held: %s", error)
            return
        for version in versions:
            _hold_each(office, [version], on=on)


def locks_follow(office: Office, *, now: datetime) -> bool:
    """`sync_locks`, where it can be done: without it holds stand all the same, and only our own purge minds them."""
    try:
        sync_locks(office, now=now)
    except (Transient, Refused) as error:
        log.warning("the archive's own locks follow with the next purge: %s", error)
        return False
    return True


def in_scope(session: Session, hold: Hold) -> ColumnElement[bool]:
    """The condition on periods and segments that a hold's scope is."""
    texts = [text for text in session.scalars(select(LogPeriod.classes).distinct()) if _has(hold, text)]
    scope: list[ColumnElement[bool]] = [LogPeriod.classes.in_(texts), LogPeriod.day.between(hold.day_from, hold.day_to)]
    if hold.project:
        scope.append(LogSegment.project == hold.project)
    return and_(*scope)


def _has(hold: Hold, text: str) -> bool:
    return not hold.classes or bool(set(hold.classes) & set(classes_of(text)))


def _reached(session: Session, hold: Hold, *columns: Any) -> Select[Any]:
    """The segments that a hold still finds alive: those whose destruction has not begun."""
    alive = or_(LogSegment.purge_id.is_(None), LogPurge.state == PurgeState.PLANNED)
    return (
        select(*columns)
        .select_from(LogSegment)
        .join(LogPeriod, LogPeriod.id == LogSegment.period_id)
        .outerjoin(LogPurge, LogPurge.id == LogSegment.purge_id)
        .where(in_scope(session, hold), LogSegment.gone_at.is_(None), alive)
    )


def _owe_again(session: Session, row: LogHold, now: datetime) -> int:
    """Owe the destruction of what the hold kept beyond its term, within the hours of our policy."""
    periods = session.execute(_reached(session, _hold(row), LogPeriod.classes, LogPeriod.day).distinct()).all()
    due = now + timedelta(hours=RETENTION_POLICY.on(local_date(now, MOSCOW)).destroy_hours)
    owed = 0
    for classes, day in periods:
        lives = life(classes_of(classes), day, today=local_date(now, MOSCOW))
        if lives.kept_until > now or not lives.clauses:
            continue
        deadline = Deadline(due=max(due, lives.gone_by), zone=lives.zone)
        subject = subject_of(classes, day)
        open_obligation(session, clause=lives.clauses[0], subject=subject, what=DESTROY, deadline=deadline, now=now)
        owed += 1
    return owed


def _scope(row: LogHold) -> dict[str, object]:
    return {
        "classes": row.classes or "",
        "project": row.project or "",
        "day_from": row.day_from.isoformat(),
        "day_to": row.day_to.isoformat(),
        "until": row.until.isoformat() if row.until else "",
    }


def _tell(
    office: Office, session: Session, kind: str, row: LogHold, facts: Mapping[str, object], *, now: datetime
) -> None:
    queue_operator_notice(
        session,
        kind=kind,
        key=f"{kind}:{row.number}",
        operator=office.settings.operator_email,
        facts={"number": row.number, **facts},
        now=now,
    )
