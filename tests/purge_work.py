"""Logs for tests: sealed segments put where they belong by the public functions, and what a purge makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from blocks.ledger import LogJournal, LogPeriod, LogSegment, reading, transaction
from blocks.logs.segment import Label, classes_text, partition_key, period_name, seal, unseal
from blocks.office import Office
from blocks.terms.retention import LogClass, in_order
from flows import destruction
from tasks.log_clock import IDLE, PLANNED
from tasks.log_journal import add_segment
from tasks.log_periods import open_period
from tasks.object_store import recognise

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAYLOAD = (LogClass.PAYLOAD,)
ENDED = date(2026, 5, 21)
SEALED = datetime(2026, 5, 22, 0, 10, tzinfo=UTC)
DUE = datetime(2026, 11, 21, 21, 0, tzinfo=UTC)
"""00:00 of 22 November in Moscow: from this instant on the payload logs of 21 May may be destroyed."""
MARK = b"SECRET-MARK-"


def period_of(office: Office, classes: Sequence[LogClass], day: date, *, now: datetime) -> int:
    """The period's id; opened with its obligation when there is none."""
    operator = office.settings.operator_email
    with transaction(office.sessions) as session:
        return open_period(session, in_order(classes), day, operator=operator, now=now).id


def sealed(
    office: Office,
    project: str,
    *,
    classes: Sequence[LogClass] = PAYLOAD,
    day: date = ENDED,
    pack: str = "p1",
    number: int = 0,
    keep_until: datetime | None = None,
    now: datetime = SEALED,
) -> str:
    """Seal one segment of a project and put it on record: its name."""
    text = classes_text(in_order(classes))
    name = f"logs/{period_name(text, day)}/{pack}-{project}-{number:04d}.seg"
    label = Label(name, text, day, project)
    key = partition_key(office.keys.make(f"period/{period_name(text, day)}", now=now), label)
    content = b'{"text":"' + MARK + project.encode() + b'"}\n'
    box = seal(content, label, key)
    recognise(office)
    version = office.objects.put(name, box, keep_until=keep_until)
    moment = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    row = LogSegment(
        name=name,
        period_id=period_of(office, classes, day, now=now),
        project=project,
        records=1,
        raw_bytes=len(content),
        size=len(box),
        sha256=hashlib.sha256(box).hexdigest(),
        version=version,
        first_at=moment,
        last_at=moment + HOUR,
        russian=False,
        pack=pack,
        sealed_at=now,
    )
    with transaction(office.sessions) as session:
        add_segment(session, row)
    return name


def opened(office: Office, name: str) -> bytes:
    """The content of a segment, by the key of its period, or of its partition where that is held. Raises NotFound."""
    with reading(office.sessions) as session:
        row, period = session.execute(
            select(LogSegment, LogPeriod).join(LogPeriod).where(LogSegment.name == name)
        ).one()
    label = Label(name, period.classes, period.day, row.project)
    folder = period_name(period.classes, period.day)
    if period.destroyed_at is None:
        key = partition_key(office.keys.get(f"period/{folder}"), label)
    else:
        key = office.keys.get(f"held/{folder}/{row.project}")
    return unseal(office.objects.get(name), label, key)


def purge(
    office: Office, now: datetime, *, after_pause: bool = False, executor: str = "Ночной прогон"
) -> destruction.Outcome:
    """A purge at one moment. Of the first one a person said that its clock is right."""
    first = not {PLANNED, IDLE} & {line.kind for line in every(office, LogJournal)}
    return destruction.purge(
        office,
        clock=lambda: now,
        executor=executor,
        after_pause=after_pause or first,
        tell=lambda _what, _percent: None,
    )


def every(office: Office, table: Any) -> list[Any]:
    """Every row of a table, in order."""
    with reading(office.sessions) as session:
        return list(session.scalars(select(table).order_by(table.id)))
