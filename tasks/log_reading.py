"""Reading logs under a grant (QS-3.5.4): each segment has its line in the journal before any of its bytes is given out.

The line is committed first, so a reading that is killed is known as well as one that went through; a line may stand for
a segment of which nothing was given out in the end, never the other way round. Attempts that a grant does not cover are
lines too. Whoever holds the key store, its key-encryption key and the archive needs none of this: guard those files.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from blocks.errors import DogovorError, NotFound, Refused, TermsViolated
from blocks.ledger import LogGrant, LogPeriod, LogPurge, LogSegment, reading, transaction
from blocks.logs.segment import Label, classes_of, classes_text, partition_key, period_name, unseal
from blocks.office import Office
from blocks.terms.log_access import may_read
from blocks.terms.retention import LogClass, in_order
from tasks.log_access import grant_of
from tasks.log_journal import note_log
from tasks.log_periods import held_key_of, key_of
from tasks.numbering import by_number

log = logging.getLogger("dogovor.logs")


@dataclass(frozen=True)
class Wanted:
    """What a reader asks for: days of the end of handling, classes and project; empty ones mean the grant's own."""

    grant: str
    login: str
    days: tuple[date, ...]
    classes: tuple[LogClass, ...] = ()
    project: str = ""


@dataclass(frozen=True)
class _Piece:
    """A segment and what opens it. `purge` is the number of the destruction that took it, or is going to."""

    label: Label
    sha256: str
    records: int
    purge: str


def read(office: Office, wanted: Wanted, *, clock: Callable[[], datetime]) -> Iterator[bytes]:
    """The records under a grant as JSON lines, segment after segment in the order of their days.

    What is asked for is settled before the first line: raises NotFound for an unknown grant or when there is nothing of
    the kind, TermsViolated when the grant does not open all of it. It is looked at again before each segment, at the
    moment that `clock` gives: one that was taken back, or whose time is over, ends the reading.

    Raises Refused for a segment that was altered, NotFound for one that is missing: each is an incident in the journal.
    Where days were destroyed, the rest is given out first, and then NotFound says by which destruction.
    """
    full = _admitted(office, wanted, clock())
    pieces = _pieces(office, full)
    if not pieces:
        days = ", ".join(day.isoformat() for day in full.days)
        raise NotFound("log segment", f"of {classes_text(full.classes)}, {full.project}, {days}")
    return _lines(office, full, pieces, clock)


def _lines(office: Office, wanted: Wanted, pieces: Sequence[_Piece], clock: Callable[[], datetime]) -> Iterator[bytes]:
    destroyed: dict[str, str] = {}
    for piece in pieces:
        period = period_name(piece.label.classes, piece.label.day)
        try:
            key = _key(office, piece.label)
            if key is None:
                destroyed[period] = piece.purge
                continue
            _enter(office, wanted, piece, clock())
            content = unseal(_fetched(office, piece), piece.label, key)
        except (Refused, NotFound) as error:
            _incident(office, wanted, piece, error, clock())
            raise
        yield from io.BytesIO(content)
    if destroyed:
        told = "; ".join(f"{what}: destroyed by {purge or 'a purge'}" for what, purge in destroyed.items())
        raise NotFound("log segment", f"of {wanted.project}, {told}")


def _admitted(office: Office, wanted: Wanted, now: datetime) -> Wanted:
    """What is asked for, in full. Raises TermsViolated, after a line of it, when the grant does not open that."""
    with transaction(office.sessions) as session:
        row = by_number(session, LogGrant, wanted.grant)
        full = Wanted(
            grant=row.number,
            login=wanted.login,
            days=tuple(sorted(set(wanted.days))),
            classes=in_order(wanted.classes or classes_of(row.classes)),
            project=wanted.project or row.project,
        )
        why = _closed(row, full, full.classes, full.days, now)
        if why:
            facts = {
                "classes": classes_text(full.classes),
                "project": full.project,
                "days": [day.isoformat() for day in full.days],
                "why": why,
            }
            note_log(session, kind="refused", about=row.number, who=wanted.login, facts=facts, now=now)
    if why:
        raise TermsViolated("QS-3.5.4", f"{full.grant}: {why}")
    return full


def _closed(row: LogGrant, wanted: Wanted, classes: Sequence[LogClass], days: Sequence[date], now: datetime) -> str:
    """Why the grant does not open that; empty when it does."""
    decision = may_read(grant_of(row), at=now, classes=classes, project=wanted.project, days=days, login=wanted.login)
    return "" if decision.allowed else decision.what


def _pieces(office: Office, wanted: Wanted) -> list[_Piece]:
    """The segments whose classes all are among those asked for; the others are told of, not opened."""
    query = (
        select(LogSegment, LogPeriod, LogPurge.number)
        .join(LogPeriod, LogPeriod.id == LogSegment.period_id)
        .outerjoin(LogPurge, LogPurge.id == LogSegment.purge_id)
        .where(LogPeriod.day.in_(wanted.days), LogSegment.project == wanted.project)
        .order_by(LogPeriod.day, LogSegment.id)
    )
    found: list[_Piece] = []
    beyond: set[str] = set()
    with reading(office.sessions) as session:
        for segment, period, purge in session.execute(query).tuples():
            classes = set(classes_of(period.classes))
            if classes <= set(wanted.classes):
                label = Label(segment.name, period.classes, period.day, segment.project)
                found.append(_Piece(label, segment.sha256, segment.records, purge or ""))
            elif classes & set(wanted.classes):
                beyond.add(period.classes)
    for text in sorted(beyond):
        log.warning("records of %s are not among those asked for: they stay closed", text)
    return found


def _key(office: Office, label: Label) -> bytes | None:
    """The partition's key: of its period, or the one that a legal hold saved; None when it was destroyed.

    Raises NotFound for a key that is neither there nor destroyed: it was lost.
    """
    of_period = key_of(label.classes, label.day)
    if key := _found(office, of_period):
        return partition_key(key, label)
    if key := _found(office, held_key_of(label.classes, label.day, label.project)):
        return key
    if of_period not in office.keys.tombstones(of_period):
        raise NotFound("key", of_period)
    return None


def _found(office: Office, name: str) -> bytes | None:
    try:
        return office.keys.get(name)
    except NotFound:
        return None


def _enter(office: Office, wanted: Wanted, piece: _Piece, now: datetime) -> None:
    """Look at the grant again and commit the line. Raises TermsViolated when the grant opens it no more."""
    label = piece.label
    with transaction(office.sessions) as session:
        row = by_number(session, LogGrant, wanted.grant, lock=True)
        why = _closed(row, wanted, classes_of(label.classes), [label.day], now)
        if not why:
            facts = _named(piece) | {"person": row.person, "records": piece.records, "sha256": piece.sha256}
            note_log(session, kind="read", about=row.number, who=wanted.login, facts=facts, now=now)
    if why:
        raise TermsViolated("QS-3.5.4", f"{wanted.grant}: {why}")


def _fetched(office: Office, piece: _Piece) -> bytes:
    """The sealed bytes. Raises NotFound, Refused when they are not those that were sealed."""
    sealed = office.objects.get(piece.label.name)
    if hashlib.sha256(sealed).hexdigest() != piece.sha256:
        raise Refused("segment", f"{piece.label.name} was altered: its sha256 is another one")
    return sealed


def _incident(office: Office, wanted: Wanted, piece: _Piece, error: DogovorError, now: datetime) -> None:
    with transaction(office.sessions) as session:
        facts = _named(piece) | {"what": str(error)}
        note_log(session, kind="incident", about=wanted.grant, who=wanted.login, facts=facts, now=now)


def _named(piece: _Piece) -> dict[str, object]:
    label = piece.label
    return {"segment": label.name, "period": period_name(label.classes, label.day), "project": label.project}
