"""The act of a destruction: its facts from the ledger, and the moment in which a proven purge is put on record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import LogPeriod, LogPurge, LogSegment, PurgeState, one_at_a_time, reading, transaction
from blocks.logs.segment import classes_of, classes_text
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.purging import Hold
from blocks.terms.retention import life, zone_of
from blocks.terms.retention_views import Absence, DestroyedDay, DestroyedSegment, DestructionAct
from tasks.documents import PDF, file_document
from tasks.log_absence import folders_of
from tasks.log_holds import standing
from tasks.log_journal import journal_head, note_log, segments_head
from tasks.log_periods import DESTROY, key_of, subject_of
from tasks.log_plan import Part, being_destroyed, living_parts
from tasks.numbering import by_number
from tasks.obligations import fulfil

JSON = "application/json"


def act_of(office: Office, number: str, absence: Absence) -> DestructionAct:
    """What the act of a purge says, once its absence is proven. Raises NotFound."""
    with reading(office.sessions) as session:
        purge = by_number(session, LogPurge, number)
        if purge.keys_destroyed_at is None or purge.deleted_at is None:
            raise Refused("unfinished", f"{number} is not carried out")
        return DestructionAct(
            number=number,
            provider=office.settings.provider,
            executor=purge.executor,
            planned_at=purge.planned_at,
            keys_destroyed_at=purge.keys_destroyed_at,
            deleted_at=purge.deleted_at,
            days=tuple(_days(session, purge, absence.checked_at)),
            segments=tuple(_segments(session, purge)),
            absence=absence,
            journal_head=journal_head(session),
            segments_head=segments_head(session),
        )


def _segments(session: Session, purge: LogPurge) -> list[DestroyedSegment]:
    rows = session.execute(
        select(
            LogSegment.name,
            LogSegment.sha256,
            LogPeriod.classes,
            LogPeriod.day,
            LogSegment.records,
            LogSegment.raw_bytes,
            LogSegment.size,
            LogSegment.first_at,
            LogSegment.last_at,
        )
        .join(LogPeriod, LogPeriod.id == LogSegment.period_id)
        .where(LogSegment.purge_id == purge.id)
        .order_by(LogPeriod.day, LogPeriod.classes, LogSegment.name)
    )
    return [DestroyedSegment(*row) for row in rows]


@dataclass(frozen=True)
class _Sum:
    """The destroyed segments of a period, added up."""

    segments: int = 0
    records: int = 0
    raw_bytes: int = 0
    size: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


def _sums(session: Session, purge: LogPurge) -> dict[int, _Sum]:
    rows = session.execute(
        select(
            LogSegment.period_id,
            func.count(),
            func.sum(LogSegment.records),
            func.sum(LogSegment.raw_bytes),
            func.sum(LogSegment.size),
            func.min(LogSegment.first_at),
            func.max(LogSegment.last_at),
        )
        .where(LogSegment.purge_id == purge.id)
        .group_by(LogSegment.period_id)
    )
    return {row[0]: _Sum(row[1], int(row[2]), int(row[3]), int(row[4]), row[5], row[6]) for row in rows}


def _days(session: Session, purge: LogPurge, now: datetime) -> list[DestroyedDay]:
    periods = _periods(session, purge)
    sums = _sums(session, purge)
    left = living_parts(session, [period.id for period in periods])
    holds = standing(session, now=now)
    return [_day(one, sums.get(one.id, _Sum()), left.get(one.id, []), holds, _died(purge, one)) for one in periods]


def _died(purge: LogPurge, period: LogPeriod) -> datetime:
    """From when on nobody could read what is destroyed of a period; of partitions that were held, the last one's."""
    moment = period.destroyed_at if key_of(period.classes, period.day) in purge.keys else None
    moment = moment or purge.keys_destroyed_at
    if moment is None:
        raise Refused("unfinished", f"{purge.number} is not carried out")
    return moment


def _periods(session: Session, purge: LogPurge) -> list[LogPeriod]:
    named = [folder.split("/")[1:3] for folder in folders_of(purge.keys)]
    days = {date.fromisoformat(day) for _, day in named}
    wanted = {(classes, date.fromisoformat(day)) for classes, day in named}
    rows = session.scalars(
        select(LogPeriod).where(LogPeriod.day.between(min(days), max(days))).order_by(LogPeriod.day, LogPeriod.classes)
    )
    return [row for row in rows if (row.classes, row.day) in wanted]


def _day(period: LogPeriod, total: _Sum, held: Sequence[Part], holds: Sequence[Hold], died: datetime) -> DestroyedDay:
    classes = classes_of(period.classes)
    lives = life(classes, period.day, today=local_date(died, zone_of(classes)))
    reaching = [hold.number for hold in holds for part in held if hold.covers(classes, period.day, part.project)]
    return DestroyedDay(
        classes=classes,
        day=period.day,
        zone=lives.zone,
        clauses=lives.clauses,
        kept_until=lives.kept_until,
        keys_destroyed_at=died,
        segments=total.segments,
        records=total.records,
        raw_bytes=total.raw_bytes,
        size=total.size,
        first_at=total.first_at,
        last_at=total.last_at,
        held_segments=sum(part.segments for part in held),
        held_records=sum(part.records for part in held),
        holds=tuple(dict.fromkeys(reaching)),
    )


def prove(office: Office, view: DestructionAct, *, pdf: bytes, annex: bytes, now: datetime) -> bool:
    """Put a proven destruction on record with its act, in one transaction; False where another run did so first.

    Its segments are gone, its obligations fulfilled by the act, the journal says so.
    """
    papers: Mapping[str, tuple[str, str, bytes]] = {
        "act": (f"{view.number}.pdf", PDF, pdf),
        "annex": (f"{view.number}.json", JSON, annex),
    }
    for _, _, content in papers.values():
        office.archive.put(content)
    with transaction(office.sessions) as session:
        one_at_a_time(session, "log purge")
        purge = by_number(session, LogPurge, view.number, lock=True)
        if purge.state is PurgeState.PROVEN:
            return False
        for kind, (file_name, media_type, content) in papers.items():
            file_document(
                session,
                None,
                key=f"{view.number}:{kind}",
                title=f"Акт об уничтожении логов {view.number}" + (" (приложение)" if kind == "annex" else ""),
                file_name=file_name,
                media_type=media_type,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                now=now,
            )
        key = f"{view.number}:act"
        purge.state, purge.proven_at, purge.incident, purge.act_key = PurgeState.PROVEN, now, None, key
        session.execute(update(LogSegment).where(LogSegment.purge_id == purge.id).values(gone_at=now, locked=False))
        for day in view.days:
            _fulfil(session, day, key, now)
        facts = {"act": hashlib.sha256(pdf).hexdigest(), "annex": hashlib.sha256(annex).hexdigest()}
        note_log(session, kind="proven", about=view.number, who=purge.executor, facts=facts, now=now)
    return True


def _fulfil(session: Session, day: DestroyedDay, act: str, now: datetime) -> None:
    """A day is no longer owed unless something of it is left that nothing holds, or that another purge has."""
    classes = classes_text(day.classes)
    released = day.held_segments and not day.holds
    if not released and not being_destroyed(session, classes, day.day):
        fulfil(session, subject=subject_of(classes, day.day), evidence=act, now=now, what=DESTROY)
