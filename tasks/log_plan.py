"""What a purge of logs would destroy now: read only, by class and day, with what is held back and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import LogPeriod, LogSegment, reading
from blocks.logs.segment import classes_of, period_name
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.purging import Fate, Hold, fate
from blocks.terms.retention import life, zone_of
from tasks.log_holds import standing
from tasks.log_periods import held_key_of, key_of

_CHUNK = 500


@dataclass(frozen=True)
class Part:
    """The living segments of a project in a period: counts, bytes before and after packing, the span of records."""

    project: str
    segments: int
    records: int
    raw_bytes: int
    size: int
    first_at: datetime
    last_at: datetime
    sealed: tuple[datetime, datetime]


@dataclass(frozen=True)
class PlannedDay:
    """A class-day that is due. `period_id` is None where a key is all there is; `destroyed`: its key is gone already.

    `locked_until`: the archive's own lock may last to that instant, under the terms of the day of sealing.
    """

    period_id: int | None
    classes: str
    day: date
    destroyed: bool
    fate: Fate
    doomed: tuple[Part, ...]
    held: tuple[Part, ...]
    locked_until: datetime | None

    @property
    def name(self) -> str:
        """The period's name: of its key and of its folder."""
        return period_name(self.classes, self.day)

    @property
    def keys(self) -> list[str]:
        """The names of the keys that would be destroyed: the period's, or those of partitions held until now."""
        if self.fate.key_dies:
            return [key_of(self.classes, self.day)]
        return [held_key_of(self.classes, self.day, part.project) for part in self.doomed]

    @property
    def holds(self) -> list[str]:
        """The holds that keep something of it back."""
        return sorted(
            {number for numbers in self.fate.held.values() for number in numbers} | set(self.fate.all_held_by)
        )


@dataclass(frozen=True)
class Plan:
    """What is due at `now`, the oldest day first. `contradictions` are told for every living period, due or not."""

    now: datetime
    days: tuple[PlannedDay, ...]
    contradictions: tuple[str, ...]

    @property
    def doomed(self) -> list[PlannedDay]:
        """The days of which something would be destroyed."""
        return [day for day in self.days if day.keys]

    @property
    def kept_back(self) -> list[PlannedDay]:
        """The days that are over their term and wholly held."""
        return [day for day in self.days if not day.keys]


@dataclass(frozen=True)
class _Candidate:
    period_id: int | None
    classes: str
    day: date
    destroyed: bool = False


def plan(office: Office, *, now: datetime) -> Plan:
    """The plan of a purge at that moment; nothing is changed."""
    with reading(office.sessions) as session:
        return plan_in(session, office, now=now)


def plan_in(session: Session, office: Office, *, now: datetime) -> Plan:
    """As `plan`, inside a transaction."""
    candidates, contradictions = [], set()
    for one in [*_periods(session), *_bare_keys(session, office)]:
        classes = classes_of(one.classes)
        lives = life(classes, one.day, today=local_date(now, zone_of(classes)))
        if lives.contradiction and not one.destroyed:
            contradictions.add(f"{one.classes}: {lives.contradiction}")
        if lives.kept_until <= now:
            candidates.append(one)
    parts = living_parts(session, [one.period_id for one in candidates if one.period_id is not None])
    holds = standing(session, now=now)
    days = [_planned(one, parts.get(one.period_id or 0, []), holds, now) for one in candidates]
    days.sort(key=lambda day: (day.day, day.classes))
    return Plan(now, tuple(days), tuple(sorted(contradictions)))


def _periods(session: Session) -> list[_Candidate]:
    """The periods whose key is there, and those of which a held partition is left."""
    columns = (LogPeriod.id, LogPeriod.classes, LogPeriod.day)
    alive = session.execute(select(*columns).where(LogPeriod.destroyed_at.is_(None)))
    left = session.execute(
        select(*columns)
        .where(LogPeriod.destroyed_at.is_not(None))
        .where(
            select(LogSegment.id)
            .where(LogSegment.period_id == LogPeriod.id, LogSegment.purge_id.is_(None), LogSegment.gone_at.is_(None))
            .exists()
        )
    )
    found = [_Candidate(one, classes, day) for one, classes, day in alive]
    return found + [_Candidate(one, classes, day, destroyed=True) for one, classes, day in left]


def _bare_keys(session: Session, office: Office) -> list[_Candidate]:
    """Keys of periods that the ledger does not know: a packing was killed before anything of it was recorded."""
    known = {period_name(classes, day) for classes, day in session.execute(select(LogPeriod.classes, LogPeriod.day))}
    found = []
    for name in office.keys.names("period/"):
        _, classes, day = name.split("/")
        if f"{classes}/{day}" not in known:
            found.append(_Candidate(None, classes, date.fromisoformat(day)))
    return found


def living_parts(session: Session, period_ids: Sequence[int]) -> Mapping[int, list[Part]]:
    """The partitions of those periods with segments that no purge has taken."""
    parts: defaultdict[int, list[Part]] = defaultdict(list)
    for start in range(0, len(period_ids), _CHUNK):
        rows = session.execute(
            select(
                LogSegment.period_id,
                LogSegment.project,
                func.count(),
                func.sum(LogSegment.records),
                func.sum(LogSegment.raw_bytes),
                func.sum(LogSegment.size),
                func.min(LogSegment.first_at),
                func.max(LogSegment.last_at),
                func.min(LogSegment.sealed_at),
                func.max(LogSegment.sealed_at),
            )
            .where(LogSegment.period_id.in_(period_ids[start : start + _CHUNK]))
            .where(LogSegment.purge_id.is_(None), LogSegment.gone_at.is_(None))
            .group_by(LogSegment.period_id, LogSegment.project)
        )
        for period, project, segments, records, raw, size, first, last, sealed, resealed in rows:
            part = Part(project, segments, int(records), int(raw), int(size), first, last, (sealed, resealed))
            parts[period].append(part)
    return parts


def being_destroyed(session: Session, classes: str, day: date) -> bool:
    """Whether a purge that is not proven has segments of that period."""
    query = (
        select(LogSegment.id)
        .join(LogPeriod, LogPeriod.id == LogSegment.period_id)
        .where(LogPeriod.classes == classes, LogPeriod.day == day)
        .where(LogSegment.purge_id.is_not(None), LogSegment.gone_at.is_(None))
    )
    return session.scalar(query.limit(1)) is not None


def _planned(one: _Candidate, parts: Iterable[Part], holds: Sequence[Hold], now: datetime) -> PlannedDay:
    by_project = {part.project: part for part in parts}
    found = fate(classes_of(one.classes), one.day, by_project.keys(), holds, destroyed=one.destroyed, now=now)
    doomed = tuple(by_project[project] for project in sorted(found.doomed))
    return PlannedDay(
        period_id=one.period_id,
        classes=one.classes,
        day=one.day,
        destroyed=one.destroyed,
        fate=found,
        doomed=doomed,
        held=tuple(by_project[project] for project in sorted(found.held)),
        locked_until=_locked_until(one, doomed, now),
    )


def _locked_until(one: _Candidate, parts: Sequence[Part], now: datetime) -> datetime | None:
    """Until when the archive may refuse: segments are locked as long as the terms of their sealing said."""
    classes = classes_of(one.classes)
    sealed = {local_date(moment, zone_of(classes)) for part in parts for moment in part.sealed}
    latest = max((life(classes, one.day, today=day).kept_until for day in sealed), default=now)
    return latest if latest > now else None
