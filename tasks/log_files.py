"""Dropped files of log records, in a directory or under a prefix of the bucket: straight into segments, then erased."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.objects import Version
from blocks.durable import erase
from blocks.errors import Refused
from blocks.ledger import LogBatch, LogBatchState, reading, transaction
from blocks.logs.json_lines import read_lines
from blocks.logs.parquet import read_rows
from blocks.logs.records import Sorting
from blocks.office import Office
from tasks.log_clock import believe_clock
from tasks.log_intake import Taken, check_residency, fingerprint_of, the_spool
from tasks.log_journal import note_log
from tasks.log_packing import Pack, Period, open_periods, period_keys
from tasks.log_sealing import Tell, new_pack
from tasks.notices import queue_operator_notice

ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_WHY = 2000
_OURS = ("logs/", "ledger/", "documents/", "witness/")


@dataclass(frozen=True)
class Dropped:
    """What dropped files came to: how many were taken, their records, and the names of those that were refused.

    `stayed` are those that were taken but could not be erased, with the reason.
    """

    files: int
    records: int
    late: int
    refused: tuple[str, ...]
    stayed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """A file that is sound: its counts, its periods, and the moment as of which they hold."""

    sorting: Sorting
    periods: set[Period]
    seen_at: datetime


def is_log_file(name: str) -> bool:
    """Whether a name is that of a finished file of records."""
    return name.endswith(ENDINGS) and not name.startswith(".")


def take_drops(office: Office, *, now: datetime, tell: Tell) -> Dropped:
    """Take every finished file of the drop directory. A refused one stays, and the operator is told of it once.

    Raises Transient while another packing is at work.
    """
    office.settings.log_drops.mkdir(parents=True, exist_ok=True, mode=0o700)
    taken: list[Taken] = []
    refused: list[str] = []
    stayed: list[str] = []
    with the_spool(office).packing():
        for path in sorted(office.settings.log_drops.iterdir()):
            if not is_log_file(path.name) or path.is_symlink() or not path.is_file():
                continue
            try:
                taken.append(_File(office, path, path.name, "drop", now, tell).take())
            except Refused as error:
                refused.append(f"{path.name}: {error}")
            except OSError as error:
                stayed.append(f"{path.name}: {error.strerror}")
    return _told(taken, refused, stayed)


def take_objects(office: Office, *, now: datetime, tell: Tell) -> Dropped:
    """Take every finished file under the prefix of the bucket; all its versions are destroyed when it is stored.

    Raises Refused("prefix") for a prefix under which our own objects lie, and as `take_drops` does.
    """
    prefix, spool = office.settings.log_s3_prefix, the_spool(office)
    if prefix.startswith(_OURS):
        raise Refused("prefix", f"files of records are not dropped among our own objects, under {prefix}")
    taken: list[Taken] = []
    refused: list[str] = []
    stayed: list[str] = []
    with spool.packing():
        for name, versions in _objects(office, prefix).items():
            try:
                with spool.scratch("".join(PurePosixPath(name).suffixes[-2:])) as scratch:
                    office.objects.fetch(name, scratch)
                    taken.append(_File(office, scratch, name, "drop", now, tell).take())
            except Refused as error:
                refused.append(f"{name}: {error}")
            else:
                stayed += [f"{name}: {why}" for why in office.objects.destroy(versions, now=now).values()]
    return _told(taken, refused, stayed)


def _objects(office: Office, prefix: str) -> dict[str, list[Version]]:
    """The files under a prefix that are finished and not deleted, each with its versions."""
    found: dict[str, list[Version]] = {}
    for one in office.objects.versions(prefix) if prefix else ():
        if is_log_file(PurePosixPath(one.name).name):
            found.setdefault(one.name, []).append(one)
    return {name: found[name] for name in sorted(found) if office.objects.has(name)}


def _told(taken: list[Taken], refused: list[str], stayed: list[str]) -> Dropped:
    fresh = [one for one in taken if not one.duplicate]
    return Dropped(
        files=len(taken),
        records=sum(one.records for one in fresh),
        late=sum(one.dropped for one in fresh),
        refused=tuple(refused),
        stayed=tuple(stayed),
    )


def take_file(office: Office, path: Path, *, source: str = "drop", now: datetime, tell: Tell) -> Taken:
    """Take a file whole or not at all: checked first, then sealed piece by piece, then overwritten and unlinked.

    The same content a second time is a duplicate and only erased. Raises Refused as `take_batch` does, "unreadable",
    "bomb", "columns", or "changed" when it is still written to; the file then stays, and the operator is told once.
    Raises Transient while another packing is at work.
    """
    with the_spool(office).packing():
        return _File(office, path, path.name, source, now, tell).take()


@dataclass(frozen=True)
class _File:
    """A file that is being taken; `name` is how the operator knows it."""

    office: Office
    path: Path
    name: str
    source: str
    now: datetime
    tell: Tell

    @cached_property
    def mark(self) -> str:
        """What stands in the ledger for its content."""
        with self.path.open("rb") as file:
            return fingerprint_of(self.office, hashlib.file_digest(file, "sha256").hexdigest())

    def take(self) -> Taken:
        """See take_file."""
        was = self._state()
        with reading(self.office.sessions) as session:
            row = self._row(session)
            known = Taken(row.records, row.dropped, duplicate=True) if row and row.sealed_at else None
            # What was too late when a killed packing began decides when it goes on: its pieces stay the same.
            seen_at = row.received_at if row and row.pack else self.now
        if known is None:
            try:
                known = self._pack(self._checked(seen_at), was)
            except Refused as error:
                self._refuse(error)
                raise
        if self._state() != was:
            raise Refused("changed", "the file was changed after it was read: it stays, and is looked at again")
        erase(self.path)
        return known

    def _checked(self, seen_at: datetime) -> Checked:
        """Read it through without keeping anything. Raises Refused."""
        sorting = Sorting(seen_at)
        periods = {partition[:2] for _, (partition, _, _) in sorting.run(self._blocks())}
        sorting.close()
        check_residency(self.office, russian=sorting.russian)
        if sorting.dropped:
            believe_clock(self.office, now=seen_at)
        self.tell(f"{self.name}: {sorting.records} records are sound, {sorting.dropped} came too late")
        return Checked(sorting, periods, seen_at)

    def _pack(self, checked: Checked, was: tuple[int, ...]) -> Taken:
        """Pack it. Nothing of it is entered when it is not what was checked."""
        batch, name, again = self._begin(checked)
        with transaction(self.office.sessions) as session:
            rows = open_periods(session, self.office, checked.periods, self.now)
        keys = period_keys(self.office, rows, self.now, again=again)
        pack = Pack(self.office, name, keys, self.now, seen=checked.periods, again=again)
        sorting = Sorting(checked.seen_at)
        for line, (partition, at, russian) in sorting.run(self._blocks()):
            if pack.takes(partition, batch):
                pack.add_line(partition, at, russian, line)
        sorting.close()
        if self._state() != was or (sorting.records, sorting.size) != (checked.sorting.records, checked.sorting.size):
            raise Refused("changed", "the file was still being written to")
        packed = pack.finish()
        self.tell(f"{self.name}: {packed.records} records in {packed.segments} segments")
        return Taken(packed.records, sorting.dropped + packed.dropped)

    def _begin(self, checked: Checked) -> tuple[int, str, bool]:
        """Its batch, being packed: its id, its pack, and whether a killed run began that."""
        counts = checked.sorting
        with transaction(self.office.sessions) as session:
            row = self._row(session) or self._new_row()
            again = row.pack is not None
            row.records, row.dropped, row.raw_bytes = counts.records, counts.dropped, counts.size
            row.state, row.pack, row.why = LogBatchState.PACKING, row.pack or new_pack(self.now), None
            row.received_at = checked.seen_at
            session.add(row)
            session.flush()
            if not again:
                facts = {"records": row.records, "dropped": row.dropped, "raw_bytes": row.raw_bytes}
                about = f"batch {row.id}"
                note_log(session, kind="taken", about=about, who=self.source, facts=facts, now=self.now)
            return row.id, str(row.pack), again

    def _refuse(self, error: Refused) -> None:
        """Enter that it is refused and tell the operator, once by its content and the reason."""
        with transaction(self.office.sessions) as session:
            row = self._row(session) or self._new_row()
            row.state, row.why = LogBatchState.REFUSED, f"{error.reason}: {error}"[:_WHY]
            session.add(row)
            queue_operator_notice(
                session,
                kind="log_file_refused",
                key=f"log_file_refused:{self.mark}:{error.reason}",
                operator=self.office.settings.operator_email,
                facts={"file": self.name, "why": str(error)[:_WHY]},
                now=self.now,
            )

    def _row(self, session: Session) -> LogBatch | None:
        return session.scalar(select(LogBatch).where(LogBatch.source == self.source, LogBatch.event_id == self.mark))

    def _new_row(self) -> LogBatch:
        return LogBatch(
            source=self.source,
            event_id=self.mark,
            fingerprint=self.mark,
            records=0,
            dropped=0,
            raw_bytes=0,
            received_at=self.now,
        )

    def _blocks(self) -> Iterator[list[bytes]]:
        return read_rows(self.path) if self.path.suffix == ".parquet" else read_lines(self.path)

    def _state(self) -> tuple[int, ...]:
        seen = self.path.lstat()
        return seen.st_ino, seen.st_size, seen.st_mtime_ns
