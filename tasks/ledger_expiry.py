"""The end of copies of the ledger: the key first, which is the moment that counts, then the object, read back.

What a killed run or a lost ledger left without a row expires as well: a copy's name says when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from blocks.errors import Refused, Transient
from blocks.ledger import AccountEnding, LedgerCopy, reading, transaction
from blocks.office import Office
from blocks.terms.copies import CopyLine, expires_at
from tasks.ledger_copies import key_of, made_at_of, object_of, tell_failure
from tasks.object_store import recognise

_LATE = timedelta(hours=1)
"""Registration data destroyed this much before a copy was made is not in it, whatever clocks and commits were late."""
Known = tuple[Mapping[str, LedgerCopy], Sequence[AccountEnding]]
"""What the ledger knows: its copies by name, and the agreements that ended."""


@dataclass(frozen=True)
class Expired:
    """The copies that are gone, read back, and those that are not: name -> why."""

    gone: Sequence[str]
    left: Mapping[str, str]


def expire(office: Office, *, now: datetime) -> Expired:
    """Destroy every copy whose time has come, by the copy's own dates and the ends of agreements alone.

    What stays is told to the operator and tried again by the next run. Raises Transient when no store answers.
    """
    known = _known(office)
    # The keys wait for no store of objects: their moment counts, and that store may be away for days.
    doomed = _due(_lines(office, known, set()), now)
    _destroy_keys(office, doomed, now)
    due = sorted({*doomed, *_due(_living(office, known), now)})
    _destroy_keys(office, [name for name in due if name not in doomed], now)
    if not due:
        return Expired([], {})
    gone, left = [], {}
    for name in due:
        why = _destroy(office, name, now)
        if why:
            left[name] = why
        else:
            gone.append(name)
    _record(office, gone, left, now)
    return Expired(gone, left)


def _due(lines: Mapping[str, CopyLine], now: datetime) -> list[str]:
    return sorted(name for name, line in lines.items() if line.expires_at <= now)


def _destroy_keys(office: Office, names: Sequence[str], now: datetime) -> None:
    if names:
        office.keys.destroy([key_of(name) for name in names], now=now)
        office.keys.renew_copy(now=now)


def copies(office: Office) -> list[CopyLine]:
    """Every copy in the store, the newest first; the ledger's figures are added where one answers that knows it."""
    try:
        known = _known(office)
    except (Transient, DBAPIError):
        known = {}, []  # lost, or not migrated
    return sorted(_living(office, known).values(), key=lambda line: line.name, reverse=True)


def _living(office: Office, known: Known) -> dict[str, CopyLine]:
    """Every copy that is somewhere: in the store of objects, of keys, or on record."""
    return _lines(
        office, known, {version.name.removeprefix("ledger/") for version in office.objects.versions("ledger/")}
    )


def _lines(office: Office, known: Known, stored: AbstractSet[str]) -> dict[str, CopyLine]:
    rows, ends = known
    keys = {name.removeprefix("backup/") for name in office.keys.names("backup/")}
    lines = {}
    for name in keys | stored | {name for name, row in rows.items() if row.gone_at is None}:
        made_at = made_at_of(name)
        if made_at is None:
            continue  # none of ours
        row = rows.get(name)
        bound = expires_at(made_at, _held(ends, made_at))
        lines[name] = CopyLine(
            name=name,
            made_at=made_at,
            opens=name in keys,
            expires_at=min(row.expires_at, bound) if row else bound,
            size=row.size if row else None,
            rows=sum(row.counts.values()) if row else None,
            verified_at=row.verified_at if row else None,
        )
    return lines


def _known(office: Office) -> Known:
    with reading(office.sessions) as session:
        ended = select(AccountEnding).where(AccountEnding.ended_at.is_not(None), AccountEnding.resumed_at.is_(None))
        return {row.name: row for row in session.scalars(select(LedgerCopy))}, session.scalars(ended).all()


def _held(ends: Sequence[AccountEnding], made_at: datetime) -> list[datetime]:
    """The ends of the agreements whose registration data a copy of that moment holds."""
    return [
        ending.ended_at
        for ending in ends
        if ending.ended_at is not None and (ending.deleted_at is None or ending.deleted_at + _LATE > made_at)
    ]


def _destroy(office: Office, name: str, now: datetime) -> str:
    """Destroy the object in all its versions and read back; the answer is why it is still there, empty when not."""
    try:
        recognise(office)
        found = [version for version in office.objects.versions(object_of(name)) if version.name == object_of(name)]
        stayed = office.objects.destroy(found, now=now)
        if stayed:
            return ", ".join(sorted(set(stayed.values())))
        again = any(version.name == object_of(name) for version in office.objects.versions(object_of(name)))
    except (Transient, Refused) as error:
        return str(error)
    return "still there after it was destroyed" if again else ""


def _record(office: Office, gone: Sequence[str], left: Mapping[str, str], now: datetime) -> None:
    with transaction(office.sessions) as session:
        for row in session.scalars(select(LedgerCopy).where(LedgerCopy.name.in_(gone), LedgerCopy.gone_at.is_(None))):
            row.gone_at = now
        for name, why in left.items():
            _tell(session, office, name, why, now)


def _tell(session: Session, office: Office, name: str, why: str, now: datetime) -> None:
    text = f"its key is destroyed, but its object is not: {why}"
    tell_failure(session, office, name, text, now=now)
