"""Sealing: batches leave the spool for segments of the archive, a pack at a time; then the spool is cleared."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import LogBatch, LogBatchState, reading, transaction
from blocks.logs.spool import Spool, hour_in, hour_of, key_name
from blocks.office import Office
from tasks.log_intake import the_spool
from tasks.log_packing import Pack, open_periods, period_keys

Tell = Callable[[str], None]
"""Takes a line about how far long work has come."""
PACK_BYTES = 1024 * 1024 * 1024
_PACK_BATCHES = 500
_COUNTS = ("batches", "segments", "records", "dropped")
_KEY_REST = timedelta(hours=2)
"""An hour's key of the spool rests this long before it may be destroyed: no writer's clock is that late."""


@dataclass(frozen=True)
class Sealed:
    """What left the spool. `missing` are batches of the ledger whose files are not in this spool."""

    batches: int
    segments: int
    records: int
    dropped: int
    missing: tuple[str, ...]


def new_pack(now: datetime) -> str:
    """A name for a pack."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"


def seal_spool(office: Office, *, now: datetime, tell: Tell) -> Sealed:
    """Pack everything that is in the spool, killed packs first, then clear it. Raises Transient while another does."""
    spool, total = the_spool(office), Counter[str]()
    with spool.packing():
        clear_spool(office, spool, now)
        for pack in _unfinished(office, spool):
            total.update(_pack(office, spool, pack, now, again=True))
        while (fresh := _claim(office, spool, now)) is not None:
            total.update(_pack(office, spool, fresh, now, again=False))
            tell("{batches} batches, {records} records in {segments} segments".format_map(total))
        clear_spool(office, spool, now)
    return Sealed(**{name: total[name] for name in _COUNTS}, missing=_missing(office, spool))


def _unfinished(office: Office, spool: Spool) -> list[str]:
    """Packs of this spool that were begun and not finished. A batch of them whose file is elsewhere leaves the pack."""
    here = spool.names()
    with transaction(office.sessions) as session:
        rows = session.scalars(
            select(LogBatch)
            .where(LogBatch.state == LogBatchState.PACKING, LogBatch.spool.is_not(None))
            .with_for_update()
        ).all()
        ours = {row.pack for row in rows if row.spool in here}
        for row in rows:
            if row.pack in ours and row.spool not in here:
                row.state, row.pack = LogBatchState.SPOOLED, None
    return sorted(pack for pack in ours if pack)


def _claim(office: Office, spool: Spool, now: datetime) -> str | None:
    """Give the next batches of this spool, up to PACK_BYTES of them, to a new pack; None when there are none."""
    here, pack, size = sorted(spool.names())[:_PACK_BATCHES], new_pack(now), 0
    with transaction(office.sessions) as session:
        rows = session.scalars(
            select(LogBatch)
            .where(LogBatch.state == LogBatchState.SPOOLED, LogBatch.spool.in_(here))
            .order_by(LogBatch.id)
            .with_for_update()
        ).all()
        for row in rows:
            if size and size + row.raw_bytes > PACK_BYTES:
                break
            row.state, row.pack = LogBatchState.PACKING, pack
            size += row.raw_bytes
    return pack if rows else None


def _pack(office: Office, spool: Spool, name: str, now: datetime, *, again: bool) -> dict[str, int]:
    """Take one pack from the spool into the archive: what it counted."""
    with transaction(office.sessions) as session:
        batches = _batches(session, name)
        heads = [head for _, file in batches for head in spool.head(file, _key(office, file))]
        seen = {head.partition[:2] for head in heads}
        rows = open_periods(session, office, seen, now)
    periods = period_keys(office, rows, now, again=again)
    pack = Pack(office, name, periods, now, seen=seen, again=again)
    for batch, file in batches:
        for piece in spool.pieces(file, _key(office, file)):
            if pack.takes(piece.partition, batch, piece.records):
                pack.add(piece)
    return {"batches": len(batches), **vars(pack.finish())}


def _batches(session: Session, pack: str) -> list[tuple[int, str]]:
    """The batches of a pack in their order, each with its file."""
    found = session.execute(
        select(LogBatch.id, LogBatch.spool)
        .where(LogBatch.pack == pack, LogBatch.state == LogBatchState.PACKING)
        .order_by(LogBatch.id)
    )
    return [(batch, file) for batch, file in found if file]


def _key(office: Office, file: str) -> bytes:
    return office.keys.get(key_name(hour_in(file)))


def _waiting(session: Session) -> set[str]:
    """The files that batches still need."""
    states = (LogBatchState.SPOOLED, LogBatchState.PACKING)
    found = session.scalars(select(LogBatch.spool).where(LogBatch.state.in_(states)))
    return {file for file in found if file}


def _missing(office: Office, spool: Spool) -> tuple[str, ...]:
    with reading(office.sessions) as session:
        return tuple(sorted(_waiting(session) - spool.names()))


def clear_spool(office: Office, spool: Spool, now: datetime) -> None:
    """Remove files that no batch needs: packed ones, and those that were never entered. Then destroy idle hours' keys.

    No writer is at work meanwhile. A key is destroyed in its copy as well.
    """
    with spool.alone():
        with reading(office.sessions) as session:
            needed = _waiting(session)
        spool.remove(spool.names() - needed)
        living = {key_name(hour_in(name)) for name in spool.names() | needed}
        rested = key_name(hour_of(now - _KEY_REST))
        idle = [name for name in office.keys.names("spool/") if name not in living and name < rested]
        if idle:
            office.keys.destroy(idle, now=now)
            office.keys.renew_copy(now=now)
