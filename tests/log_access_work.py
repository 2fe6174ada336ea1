"""Access to logs in tests: sealed segments, grants, and what was read. Imports nothing of pytest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from blocks.ledger import LogGrant, LogJournal, LogPeriod, LogPurge, LogSegment, PurgeState, reading, transaction
from blocks.logs.segment import Label, classes_of, partition_key, period_name, seal
from blocks.office import Office
from blocks.terms.retention import LogClass, begins_at
from tasks.log_access import ask_access, decide_access
from tasks.log_access_forms import AccessDecision, AccessForm
from tasks.log_journal import add_segment
from tasks.log_reading import Wanted, read
from tasks.numbering import add_numbered
from tasks.object_store import recognise
from tests.work import NOW

DAY = date(2026, 11, 10)
HOUR = timedelta(hours=1)
SECRET = b"4111-1111-1111-1111"
LINES = (b'{"n":1,"text":"' + SECRET + b'"}\n', b'{"n":2}\n')
ASK = AccessForm(
    person="Анна Примерова",
    login="anna",
    need="Разобрать жалобу клиента",
    classes=(LogClass.PAYLOAD,),
    project="shop",
    day_from=DAY,
    day_to=DAY,
    hours=8,
)


def seal_lines(
    office: Office,
    name: str = "pack-0001",
    *,
    classes: str = "qs-payload",
    day: date = DAY,
    project: str = "shop",
    lines: Sequence[bytes] = LINES,
) -> str:
    """A sealed segment in the archive and in the ledger; its name."""
    period = period_name(classes, day)
    label = Label(f"logs/{period}/{name}.seg", classes, day, project)
    key = partition_key(office.keys.make(f"period/{period}", now=NOW), label)
    content = b"".join(lines)
    sealed = seal(content, label, key)
    recognise(office)
    version = office.objects.put(label.name, sealed)
    begins = begins_at(classes_of(classes), day)
    with transaction(office.sessions) as session:
        row = session.scalar(select(LogPeriod).where(LogPeriod.classes == classes, LogPeriod.day == day))
        if row is None:
            row = LogPeriod(classes=classes, day=day, made_at=NOW)
            session.add(row)
            session.flush()
        segment = LogSegment(
            name=label.name,
            period_id=row.id,
            project=project,
            records=len(lines),
            raw_bytes=len(content),
            size=len(sealed),
            sha256=hashlib.sha256(sealed).hexdigest(),
            version=version,
            first_at=begins,
            last_at=begins + HOUR,
            russian=False,
            pack=name,
            sealed_at=NOW,
        )
        add_segment(session, segment)
    return label.name


def destroy_period(office: Office, *, classes: str = "qs-payload", day: date = DAY, held: str = "") -> str:
    """Destroy a period's key as a purge does, saving the key of one held project; the purge's number."""
    name = f"period/{period_name(classes, day)}"
    if held:
        label = Label("", classes, day, held)
        key = partition_key(office.keys.get(name), label)
        office.keys.put(f"held/{period_name(classes, day)}/{held}", key, now=NOW)
    office.keys.destroy([name], now=NOW)
    with transaction(office.sessions) as session:
        purge = LogPurge(
            state=PurgeState.KEYS_DESTROYED, executor="dogovor", planned_at=NOW, keys=[name], keys_destroyed_at=NOW
        )
        add_numbered(session, purge, now=NOW)
        period = session.scalars(select(LogPeriod).where(LogPeriod.classes == classes, LogPeriod.day == day)).one()
        period.destroyed_at = NOW
        for row in session.scalars(select(LogSegment).where(LogSegment.period_id == period.id)):
            row.purge_id = purge.id if row.project != held else None
        return purge.number


def granted(office: Office, *, at: datetime = NOW, operator: str = "О. Петрова", **changes: Any) -> str:
    """A grant that another person gave at once; its number."""
    number = ask_access(office, ASK.model_copy(update=changes), now=at)
    decision = AccessDecision(grant=number, operator=operator, approve=True, reason="нужно для ответа")
    decide_access(office, decision, now=at)
    return number


def given(
    office: Office, grant: str, at: datetime = NOW, *, days: Sequence[date] = (DAY,), **changes: Any
) -> list[bytes]:
    """What a reading under a grant gives out."""
    wanted = Wanted(grant=grant, days=tuple(days), **{"login": "anna", **changes})
    return list(read(office, wanted, clock=lambda: at))


def journal(office: Office, *kinds: str) -> list[LogJournal]:
    """The lines of the journal of those kinds, or all."""
    query = select(LogJournal).order_by(LogJournal.id)
    with reading(office.sessions) as session:
        return list(session.scalars(query.where(LogJournal.kind.in_(kinds)) if kinds else query))


def grant_row(office: Office, number: str) -> LogGrant:
    with reading(office.sessions) as session:
        return session.scalars(select(LogGrant).where(LogGrant.number == number)).one()
