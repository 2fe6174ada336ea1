"""The purge of logs: guarded, planned once, keys first. Objects, proof and act follow in `log_absence`, `log_act`.

The moment that counts is the one in which the keys die, and the key store's tombstones tell it: killed before the
ledger knows, the next run finds it there. An unfinished purge is gone on with; a new one begins when no planned one
is left, so that one object that cannot be deleted does not keep later days from being destroyed in time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused
from blocks.ledger import LogPeriod, LogPurge, LogSegment, PurgeState, one_at_a_time, reading, transaction
from blocks.logs.segment import Label, classes_of, partition_key
from blocks.office import Office
from blocks.terms.purging import Hold, fate
from tasks.log_clock import IDLE, PLANNED
from tasks.log_holds import HOLDS, standing
from tasks.log_journal import note_log
from tasks.log_periods import DESTROY, subject_of
from tasks.log_plan import Plan, being_destroyed, plan_in
from tasks.numbering import add_numbered, by_number
from tasks.obligations import lift

_LOCK = "log purge"
_KEYS = 5000


class PurgeIncident(Refused):
    """Raised when a destruction could not be proven: nothing is closed, and the next run goes on with the rest."""

    def __init__(self, detail: str) -> None:
        super().__init__("incident", detail)


def unfinished(office: Office) -> list[str]:
    """The numbers of the purges that are not proven, the oldest first."""
    with reading(office.sessions) as session:
        query = select(LogPurge.number).where(LogPurge.state != PurgeState.PROVEN).order_by(LogPurge.id)
        return list(session.scalars(query))


def begin(office: Office, *, now: datetime, executor: str) -> str | None:
    """The number of the purge whose keys are to be destroyed: one that is planned already, a new one, or None."""
    with transaction(office.sessions) as session:
        one_at_a_time(session, _LOCK)
        one_at_a_time(session, HOLDS)
        planned = session.scalar(select(LogPurge.number).where(LogPurge.state == PurgeState.PLANNED))
        if planned is not None:
            return planned
        found = plan_in(session, office, now=now)
        _lift_held(session, found)
        if not found.doomed:
            note_log(session, kind=IDLE, about="logs", who=executor, now=now)
            return None
        return _plan(session, found, executor).number


def _lift_held(session: Session, found: Plan) -> None:
    """What is wholly held is not owed: it is owed again when the hold ends. What an unproven purge has stays owed."""
    for day in found.kept_back:
        if being_destroyed(session, day.classes, day.day):
            continue
        why = f"held by {', '.join(day.holds)}"
        lift(session, subject=subject_of(day.classes, day.day), why=why, now=found.now, what=DESTROY)


def _plan(session: Session, found: Plan, executor: str) -> LogPurge:
    keys = [key for day in found.doomed for key in day.keys]
    purge = LogPurge(state=PurgeState.PLANNED, executor=executor, planned_at=found.now, keys=keys)
    add_numbered(session, purge, now=found.now)
    for day in found.doomed:
        if day.period_id is None:
            session.add(LogPeriod(classes=day.classes, day=day.day, made_at=found.now))
        else:
            _claim(session, purge, day.period_id, day.fate.held.keys())
    facts = {"days": [day.name for day in found.doomed], "keys": len(keys)}
    note_log(session, kind=PLANNED, about=purge.number, who=executor, facts=facts, now=found.now)
    return purge


def _claim(session: Session, purge: LogPurge, period_id: int, spared: Collection[str]) -> None:
    """The purge takes the living segments of a period, but for some projects, which it gives back."""
    out = sorted(spared)
    mine = [LogSegment.period_id == period_id, LogSegment.gone_at.is_(None)]
    session.execute(
        update(LogSegment)
        .where(*mine, LogSegment.purge_id.is_(None), LogSegment.project.not_in(out))
        .values(purge_id=purge.id)
    )
    session.execute(
        update(LogSegment)
        .where(*mine, LogSegment.purge_id == purge.id, LogSegment.project.in_(out))
        .values(purge_id=None)
    )


def destroy_keys(office: Office, number: str, *, now: datetime) -> int:
    """Destroy the keys of a planned purge, with every copy of them: how many. What happened before stays, and counts 0.

    Holds are looked at once more; no hold is placed meanwhile. Keys of held partitions are kept apart first. Raises
    Transient, Refused("key_remains"); nothing is recorded then, and the next run finds in the tombstones what is gone.
    """
    with transaction(office.sessions) as session:
        one_at_a_time(session, _LOCK)
        one_at_a_time(session, HOLDS)
        purge = by_number(session, LogPurge, number, lock=True)
        if purge.state is not PurgeState.PLANNED:
            return 0
        holds = standing(session, now=now)
        _, copied = office.keys.copied_names()
        periods = dict.fromkeys("/".join(key.split("/")[1:3]) for key in purge.keys)
        _wait_for_packings(session, periods)
        purge.keys = [key for name in periods for key in _settle(session, office, purge, name, holds=holds, now=now)]
        office.keys.renew_copy(now=now)  # the copy has the keys kept apart before those from which they derive die
        for start in range(0, len(purge.keys), _KEYS):
            office.keys.destroy(purge.keys[start : start + _KEYS], now=now)
        office.keys.renew_copy(now=now)
        _record(session, office, purge, copied, now)
        return len(purge.keys)


def _wait_for_packings(session: Session, periods: Iterable[str]) -> None:
    """Let no segment be entered while a key dies: a packing locks its periods too, and in this order."""
    days = [date.fromisoformat(name.split("/")[1]) for name in periods]
    chosen = LogPeriod.day.between(min(days), max(days))
    session.execute(select(LogPeriod.id).where(chosen).order_by(LogPeriod.id).with_for_update()).all()


def _settle(
    session: Session, office: Office, purge: LogPurge, name: str, *, holds: Sequence[Hold], now: datetime
) -> list[str]:
    """Which keys of a period die after all; its segments are taken into the purge or given back accordingly."""
    classes, day = name.split("/")
    query = select(LogPeriod).where(LogPeriod.classes == classes, LogPeriod.day == date.fromisoformat(day))
    period = session.scalars(query).one()
    whole = f"period/{name}"
    living = _living(session, purge, period)
    first = whole in purge.keys
    if first and whole in office.keys.tombstones(whole):
        _claim(session, purge, period.id, {key.rpartition("/")[2] for key in office.keys.names(f"held/{name}/")})
        return [whole]
    found = fate(classes_of(classes), period.day, living, holds, destroyed=not first, now=now)
    if first and found.key_dies:
        _keep_apart(session, office, period, found.held, now)
        _claim(session, purge, period.id, found.held.keys())
        # A killed run may have kept one apart whose hold is over since.
        kept = {f"held/{name}/{project}" for project in found.held}
        return [whole, *(key for key in office.keys.names(f"held/{name}/") if key not in kept)]
    gone = {key.rpartition("/")[2] for key in office.keys.tombstones(f"held/{name}/")} & living
    doomed = set() if first else found.doomed | gone
    _claim(session, purge, period.id, living - doomed)
    return [f"held/{name}/{project}" for project in sorted(doomed)]


def _living(session: Session, purge: LogPurge, period: LogPeriod) -> set[str]:
    """The projects of a period with segments that this purge has, or none."""
    free = LogSegment.purge_id.is_(None) | (LogSegment.purge_id == purge.id)
    query = select(LogSegment.project).where(LogSegment.period_id == period.id, LogSegment.gone_at.is_(None), free)
    return set(session.scalars(query.distinct()))


def _keep_apart(session: Session, office: Office, period: LogPeriod, held: Iterable[str], now: datetime) -> None:
    """Keep the keys of held partitions before the key from which they derive dies."""
    name = f"{period.classes}/{period.day.isoformat()}"
    for project in held:
        try:
            key = office.keys.get(f"period/{name}")
        except NotFound:
            facts = {"why": "its key was lost before: what is held cannot be read", "project": project}
            note_log(session, kind="incident", about=f"period/{name}", who="dogovor", facts=facts, now=now)
            continue
        label = Label("", period.classes, period.day, project)
        office.keys.put(f"held/{name}/{project}", partition_key(key, label), now=now)


def _record(session: Session, office: Office, purge: LogPurge, copied: Collection[str], now: datetime) -> None:
    """Note when the keys died, as the key store tells it: those that were still `copied` until now died now.

    A purge of which nothing is left is over.
    """
    if not purge.keys:
        purge.state, purge.proven_at = PurgeState.PROVEN, now
        note_log(session, kind="purged", about=purge.number, who=purge.executor, facts={"keys": 0}, now=now)
        return
    dead = office.keys.tombstones("period/") | office.keys.tombstones("held/")
    moments = {key: max(now, dead[key]) if key in copied else dead[key] for key in purge.keys}
    for key in purge.keys:
        kind, classes, day = key.split("/")[:3]
        if kind == "period":
            chosen = (LogPeriod.classes == classes, LogPeriod.day == date.fromisoformat(day))
            session.execute(update(LogPeriod).where(*chosen).values(destroyed_at=moments[key]))
    purge.state = PurgeState.KEYS_DESTROYED
    purge.keys_destroyed_at = max(moments[key] for key in purge.keys)
    count, records = session.execute(
        select(func.count(), func.coalesce(func.sum(LogSegment.records), 0)).where(LogSegment.purge_id == purge.id)
    ).one()
    facts = {
        "keys": purge.keys,
        "destroyed_at": purge.keys_destroyed_at.isoformat(),
        "segments": count,
        "records": int(records),
    }
    note_log(session, kind="purged", about=purge.number, who=purge.executor, facts=facts, now=now)
