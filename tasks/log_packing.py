"""A pack: pieces of records become sealed segments in the archive, then rows of the ledger in one transaction.

Order of its steps: periods with their obligations are in the ledger, then their keys are made and copied, then objects
are put, then the segments are entered. So neither a key nor an object is ever without its period, and a pack that was
killed is begun again under the same names: what it had put before is found and used, or cleared as a stray.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.objects import Version
from blocks.errors import NotFound, Refused
from blocks.ledger import LogBatch, LogBatchState, LogPeriod, LogSegment, transaction
from blocks.logs.gathering import Gathering, Piece
from blocks.logs.records import Partition
from blocks.logs.segment import Label, classes_of, partition_key, period_name, seal, unseal
from blocks.office import Office
from tasks.log_clock import believe_clock
from tasks.log_journal import add_segment, note_log
from tasks.log_periods import key_of, life_at, open_period
from tasks.object_store import recognise

BUFFER = 128 * 1024 * 1024
"""Bytes of records that a pack holds at most, before the fullest pieces go into segments early."""

Period = tuple[str, date]


@dataclass(frozen=True)
class Open:
    """A period that takes records: its row's id, its key, and until when its objects must be kept."""

    row: int
    key: bytes
    kept_until: datetime


@dataclass(frozen=True)
class Packed:
    """What a pack has made: segments, their records and bytes before compression; records that came too late."""

    segments: int
    records: int
    raw_bytes: int
    dropped: int


def open_periods(session: Session, office: Office, periods: Iterable[Period], now: datetime) -> dict[Period, int]:
    """The rows of periods that still take records, by period. Those that are destroyed, or due to be, do not.

    Raises Transient where one seems due to be, but the clock is in doubt.
    """
    rows: dict[Period, int] = {}
    for classes, day in sorted(periods):
        ordered = classes_of(classes)
        if now >= life_at(ordered, day, now).kept_until:
            believe_clock(office, now=now)
            continue
        row = open_period(session, ordered, day, operator=office.settings.operator_email, now=now)
        if row.destroyed_at is None:
            rows[classes, day] = row.id
    return rows


def period_keys(office: Office, rows: dict[Period, int], now: datetime, *, again: bool) -> dict[Period, Open]:
    """The keys of periods, made where there are none. Made keys are copied before anything lies under them.

    `again` says that a killed run may have made a key without copying it. A period destroyed meanwhile is left out.
    Raises Transient, also where the object store is not the one of before.
    """
    if rows:
        recognise(office)
    there = set(office.keys.names("period/"))
    found: dict[Period, Open] = {}
    for (classes, day), row in rows.items():
        try:
            key = office.keys.make(key_of(classes, day), now=now)
        except Refused as error:
            if error.reason != "destroyed":
                raise
            continue
        found[classes, day] = Open(row, key, life_at(classes_of(classes), day, now).kept_until)
    if again or any(key_of(*period) not in there for period in found):
        office.keys.renew_copy(now=now)
    return found


class Pack:
    """One packing, known by its name. Its segments are numbered by period in the order in which they fill.

    `seen` are the periods of its records, `periods` those that still take some. `again` says that a killed run may
    have put objects of it already.
    """

    def __init__(
        self,
        office: Office,
        name: str,
        periods: dict[Period, Open],
        now: datetime,
        *,
        seen: Collection[Period],
        again: bool,
    ) -> None:
        self._office, self._name, self._periods, self._now = office, name, periods, now
        self._seen = set(seen)
        self._gathering = Gathering()
        self._numbers: Counter[Period] = Counter()
        self._segments: list[LogSegment] = []
        self._late: Counter[int] = Counter()
        self._there = {one.name: one for period in periods if again for one in self._objects_of(period)}

    def takes(self, partition: Partition, batch: int, records: int = 1) -> bool:
        """Whether records of a partition are still stored; those that are not are counted as dropped."""
        if partition[:2] in self._periods:
            return True
        self._late[batch] += records
        return False

    def add(self, piece: Piece) -> None:
        """Take in a piece of records that were gathered before."""
        self._put(self._gathering.add(piece))
        self._make_room()

    def add_line(self, partition: Partition, at: float, russian: bool, line: bytes) -> None:
        """Take in a record."""
        if (full := self._gathering.add_line(partition, at, russian, line)) is not None:
            self._put(full)
        if self._gathering.size > BUFFER:
            self._make_room()

    def _make_room(self) -> None:
        if self._gathering.size > BUFFER:
            for piece in self._gathering.take_out(BUFFER // 2):
                self._put(piece)

    def _put(self, piece: Piece | None) -> None:
        """Seal a piece and put it into the archive, unless a killed run of this pack has done so."""
        if piece is None:
            return
        content, period = piece.content, self._periods[piece.partition[:2]]
        label, sealed = self._label(piece.partition), None
        key = partition_key(period.key, label)
        while label.name in self._there and (sealed := self._stored(label, key, content)) is None:
            label = self._label(piece.partition)
        if sealed is None:
            sealed = seal(content, label, key)
            version = self._office.objects.put(label.name, sealed, keep_until=period.kept_until)
        else:
            version = self._there[label.name].version
        self._segments.append(
            LogSegment(
                name=label.name,
                period_id=period.row,
                project=label.project,
                records=piece.records,
                raw_bytes=piece.size,
                size=len(sealed),
                sha256=hashlib.sha256(sealed).hexdigest(),
                version=version,
                first_at=piece.first_at,
                last_at=piece.last_at,
                russian=piece.russian,
                pack=self._name,
                sealed_at=self._now,
            )
        )

    def _label(self, partition: Partition) -> Label:
        """The next segment of a partition."""
        classes, day, project = partition
        self._numbers[classes, day] += 1
        name = f"{self._prefix((classes, day))}{self._numbers[classes, day]:04}.seg"
        return Label(name, classes, day, project)

    def _stored(self, label: Label, key: bytes, content: bytes) -> bytes | None:
        """The segment of that name when it holds just that content: sealing has a nonce, so its bytes differ."""
        sealed = self._office.objects.get(label.name)
        try:
            return sealed if unseal(sealed, label, key) == content else None
        except Refused:
            return None

    def _prefix(self, period: Period) -> str:
        return f"logs/{period_name(*period)}/{self._name}-"

    def _objects_of(self, period: Period) -> list[Version]:
        """What this pack has in the archive."""
        return [one for one in self._office.objects.versions(self._prefix(period)) if not one.marker]

    def finish(self) -> Packed:
        """Put what is left, then enter everything in one transaction. Raises Refused("pack") when it is not ours."""
        for piece in self._gathering.take_out():
            self._put(piece)
        with transaction(self._office.sessions) as session:
            batches = session.scalars(
                select(LogBatch)
                .where(LogBatch.pack == self._name, LogBatch.state == LogBatchState.PACKING)
                .with_for_update()
            ).all()
            if not batches:
                raise Refused("pack", f"the pack {self._name} was finished elsewhere")
            entered = self._enter(session)
            # No purge comes back for what a closed period is given now, so it goes before this pack is over.
            self._clear_strays(self._seen - self._entered_periods())
            for batch in batches:
                batch.state, batch.spool, batch.sealed_at = LogBatchState.SEALED, None, self._now
                batch.records -= self._late[batch.id]
                batch.dropped += self._late[batch.id]
            note_log(
                session,
                kind="sealed",
                about=f"pack {self._name}",
                who="dogovor",
                facts=vars(entered) | {"batches": [batch.id for batch in batches]},
                now=self._now,
            )
        self._clear_strays(self._entered_periods())
        return entered

    def _enter(self, session: Session) -> Packed:
        """The segments whose periods still stand. The others' records are dropped: they came too late."""
        ids = [period.row for period in self._periods.values()]
        rows = session.scalars(select(LogPeriod).where(LogPeriod.id.in_(ids)).order_by(LogPeriod.id).with_for_update())
        standing = {row.id for row in rows if row.destroyed_at is None and self._has_key(row)}
        kept = [one for one in self._segments if one.period_id in standing]
        dropped = self._late.total() + sum(one.records for one in self._segments if one.period_id not in standing)
        self._segments = kept
        for one in kept:
            add_segment(session, one)
        records, raw_bytes = sum(one.records for one in kept), sum(one.raw_bytes for one in kept)
        return Packed(len(kept), records, raw_bytes, dropped)

    def _has_key(self, row: LogPeriod) -> bool:
        try:
            self._office.keys.get(key_of(row.classes, row.day))
        except NotFound:
            return False
        return True

    def _entered_periods(self) -> set[Period]:
        rows = {one.period_id for one in self._segments}
        return {period for period, opened in self._periods.items() if opened.row in rows}

    def _clear_strays(self, periods: Iterable[Period]) -> None:
        """Destroy objects of this pack that no segment names; a locked one goes with its period."""
        entered = {(one.name, one.version) for one in self._segments}
        for period in periods:
            strays = [one for one in self._objects_of(period) if (one.name, one.version) not in entered]
            if strays:
                self._office.objects.destroy(strays, now=self._now)
