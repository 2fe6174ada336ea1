"""Checking the two hash chains: no line of the journal and no segment was altered, taken out, put in or moved.

What a chain alone can't show, that it was cut off at its end or written anew, shows by the heads that acts of
destruction and copies of the ledger carry, and by grants that the journal must know as they stand. Lines cut off after
the last of those leave no trace here: compare the head that is told with one that was written down elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused
from blocks.ledger import (
    Document,
    LedgerCopy,
    LogGrant,
    LogGrantState,
    LogJournal,
    LogPeriod,
    LogPurge,
    LogSegment,
    PurgeState,
    reading,
)
from blocks.logs.segment import period_name
from blocks.office import Office
from tasks.log_access import scope_facts
from tasks.log_journal import BEGINNING, journal_content, link, segment_content

_AT_ONCE = 1000
_LINK = re.compile(r"[0-9a-f]{64}")
_PAGE = 100
JSON = "application/json"
_KINDS = {"asked", *(state.value for state in LogGrantState)}
Row = TypeVar("Row", LogJournal, LogSegment)
Link = tuple[int, Mapping[str, Any], str]
"""A row of a chain: its number, what its link stands for, its link."""


@dataclass(frozen=True)
class Walk:
    """A chain from its beginning to its end: how many rows, its head, and what is wrong, the first place first."""

    rows: int
    head: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Chains:
    """Both chains, how many heads they were compared with, and everything that is wrong."""

    journal: Walk
    segments: Walk
    heads: int
    faults: tuple[str, ...]


@dataclass
class _Heads:
    """The heads that other places tell of, each with those places; a walk strikes out those that it meets."""

    journal: dict[str, str] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def add(self, told: Any, where: str) -> None:
        """Take the heads out of what an act's annex or a copy's line tells, where it tells any."""
        if not isinstance(told, Mapping):
            return
        for known, names in (
            (self.journal, ("journal_head", "journal")),
            (self.segments, ("segments_head", "segments")),
        ):
            for head in (told.get(name) for name in names):
                if isinstance(head, str) and _LINK.fullmatch(head):
                    self.count += 1
                    if head != BEGINNING:
                        known.setdefault(head, where)


def verify_chains(office: Office) -> Chains:
    """Walk both chains, a thousand rows at a time, and compare them with every head and grant on record."""
    heads, grants = _Heads(), dict[str, dict[str, LogJournal]]()

    def noticed(rows: Iterable[LogJournal]) -> Iterator[Link]:
        for row in rows:
            heads.add(row.facts, f"journal line {row.id}")
            if row.kind in _KINDS:
                grants.setdefault(row.about, {})[row.kind] = row
            yield row.id, journal_content(row), row.chain

    with reading(office.sessions) as session:
        unread = _heads_of_documents(office, session, heads)
        journal = _walk("journal", noticed(_all(session, LogJournal)))
        segments = _walk("segments", ((row.id, segment_content(row), row.chain) for row in _all(session, LogSegment)))
        faults = [
            *journal.faults,
            *segments.faults,
            *_missing(session, LogJournal, "journal", heads.journal),
            *_missing(session, LogSegment, "segments", heads.segments),
            *_strange_grants(session, grants),
            *_unknown(session),
            *unread,
        ]
    return Chains(journal, segments, heads.count, tuple(faults))


def _all(session: Session, table: type[Row]) -> Iterator[Row]:
    return iter(session.scalars(select(table).order_by(table.id).execution_options(yield_per=_AT_ONCE)))


def _walk(name: str, rows: Iterator[Link]) -> Walk:
    """Follow a chain; after a link that fails it goes on from what is stored, so that each break is told once."""
    before, count, last = BEGINNING, 0, 0
    broken: list[int] = []
    unread: list[str] = []
    try:
        for number, content, chain in rows:
            if chain != link(before, content):
                broken.append(number)
            before, count, last = chain, count + 1, number
    except (ValueError, TypeError, LookupError):
        unread.append(f"{name}: a row after {last} can't be read at all")
    if broken:
        more = f"; {len(broken)} links fail in all" if len(broken) > 1 else ""
        unread.insert(0, f"{name}: row {broken[0]} was altered, or what stood before it was{more}")
    return Walk(count, before, tuple(unread))


def _missing(session: Session, table: type[Row], name: str, heads: Mapping[str, str]) -> Iterator[str]:
    """The heads that are told elsewhere and are no link of the chain."""
    for head, where in heads.items():
        if session.scalar(select(table.id).where(table.chain == head)) is None:
            yield f"{name}: the head {head[:16]}... of {where} is not in it: it was cut off at its end, or written anew"


def _heads_of_documents(office: Office, session: Session, heads: _Heads) -> list[str]:
    """Take in the heads that JSON documents (annexes of acts) tell; those that can't be read."""
    unread: list[str] = []
    for row in session.scalars(
        select(Document).where(Document.media_type == JSON, Document.sha256 != "").order_by(Document.id)
    ):
        try:
            heads.add(json.loads(office.archive.get(row.sha256)), row.key)
        except (NotFound, Refused, ValueError) as error:
            unread.append(f"document {row.key}: {error}")
    return unread


def _unknown(session: Session) -> Iterator[str]:
    """Proven copies and destructions whose line the journal lacks: it was cut off with what came after it."""
    copied = select(LogJournal.id).where(LogJournal.kind == "copied", LogJournal.about == LedgerCopy.name)
    purged = select(LogJournal.id).where(LogJournal.kind == "purged", LogJournal.about == LogPurge.number)
    copies = select(LedgerCopy.name).where(LedgerCopy.verified_at.is_not(None), ~copied.exists())
    purges = select(LogPurge.number).where(LogPurge.state == PurgeState.PROVEN, ~purged.exists())
    for query, what in ((copies.order_by(LedgerCopy.id), "copy "), (purges.order_by(LogPurge.id), "")):
        for name in session.scalars(query):
            yield f"{what}{name}: it was proven, and the journal does not say so"


def _strange_grants(session: Session, known: Mapping[str, Mapping[str, LogJournal]]) -> Iterator[str]:
    """Grants that the journal does not know as they stand: their scope, their state, who decided and until when."""
    for row in session.scalars(select(LogGrant).order_by(LogGrant.id).execution_options(yield_per=_AT_ONCE)):
        lines = known.get(row.number, {})
        wanted = ["asked"]
        if row.decided_at is not None:
            wanted.append("declined" if row.state is LogGrantState.DECLINED else "granted")
        if row.state not in {LogGrantState.ASKED, LogGrantState.DECLINED}:
            wanted.append(row.state.value)
        if any(kind not in lines for kind in wanted) or ("revoked" in lines and "revoked" not in wanted):
            yield f"{row.number}: it is {row.state.value}, and the journal does not say so"
        elif not _as_told(row, lines):
            yield f"{row.number}: it is not as the journal tells it"
    numbers = set(session.scalars(select(LogGrant.number)))
    for number in sorted(set(known) - numbers):
        yield f"{number}: the journal tells of it, and it is not there"


def _as_told(row: LogGrant, lines: Mapping[str, LogJournal]) -> bool:
    asked, granted = lines["asked"], lines.get("granted")
    if asked.facts != scope_facts(row) or asked.at != row.asked_at:
        return False
    if granted is None:
        return row.valid_until is None
    until = row.valid_until.isoformat() if row.valid_until else ""
    return granted.facts.get("until") == until and granted.at == row.decided_at and granted.who == row.decided_by


def verify_archive(office: Office, tell: Callable[[int, int], None]) -> list[str]:
    """Fetch every living segment and compare its hash; what is missing or altered. Raises Transient.

    Living is what was not proven gone and whose key was not destroyed, and what is held. `tell` gets how many were
    looked at and how many there are.
    """
    faults: list[str] = []
    living, held = _living(), set(office.keys.names("held/"))
    with reading(office.sessions) as session:
        total = session.scalar(select(func.count()).select_from(living.subquery())) or 0
    looked, after = 0, 0
    while True:
        with reading(office.sessions) as session:
            page = session.execute(living.where(LogSegment.id > after).order_by(LogSegment.id).limit(_PAGE)).all()
        if not page:
            return faults
        for segment, period in page:
            looked, after = looked + 1, segment.id
            kept = f"held/{period_name(period.classes, period.day)}/{segment.project}"
            if period.destroyed_at is None or kept in held:
                faults += _altered(office, segment)
        tell(looked, total)


def _living() -> Select[tuple[LogSegment, LogPeriod]]:
    return (
        select(LogSegment, LogPeriod)
        .join(LogPeriod, LogPeriod.id == LogSegment.period_id)
        .where(LogSegment.gone_at.is_(None))
    )


def _altered(office: Office, segment: LogSegment) -> Iterator[str]:
    try:
        sealed = office.objects.get(segment.name)
    except NotFound:
        yield f"{segment.name}: not in the archive"
        return
    if hashlib.sha256(sealed).hexdigest() != segment.sha256:
        yield f"{segment.name}: altered in the archive, its sha256 is another one"
