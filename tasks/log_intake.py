"""Log records that come as a batch: checked whole, sealed into the spool, entered in the ledger, then acknowledged.

A batch is taken once by (source, event_id). Nothing of it is ever on a disk in clear.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import LogBatch, LogBatchState, reading, transaction
from blocks.logs.gathering import Gathering, Piece
from blocks.logs.json_lines import lines_in
from blocks.logs.records import Sorting
from blocks.logs.spool import Spool, hour_of, key_name
from blocks.office import Office
from blocks.terms.retention import ResidencyFacts, residency
from tasks.log_clock import believe_clock
from tasks.log_journal import note_log


@dataclass(frozen=True)
class Taken:
    """Records that are stored, records that came too late to be stored, and whether it was all here before."""

    records: int
    dropped: int
    duplicate: bool = False


def the_spool(office: Office) -> Spool:
    """The spool of an office."""
    return Spool(office.settings.home / "spool")


def take_batch(office: Office, *, source: str, event_id: str, content: bytes, now: datetime) -> Taken:
    """Take JSON Lines whole or not at all. When it returns they are durable, sealed.

    Raises Refused: "records" with the faulty lines, "empty", "residency" (QS-3.8.3), "other_content" for another batch
    under a known id; Transient when it may be sent again.
    """
    mark = fingerprint_of(office, hashlib.sha256(content).hexdigest())
    with reading(office.sessions) as session:
        if (known := known_batch(session, source, event_id, mark)) is not None:
            return known
    sorting, pieces = _sorted(content, now)
    check_residency(office, russian=sorting.russian)
    if sorting.dropped:
        believe_clock(office, now=now)
    batch = {
        "source": source,
        "event_id": event_id,
        "fingerprint": mark,
        "records": sorting.records,
        "dropped": sorting.dropped,
        "raw_bytes": sorting.size,
        "received_at": now,
    }
    spool = the_spool(office)
    if not pieces:
        return _enter(office, batch | {"state": LogBatchState.SEALED, "sealed_at": now}, now)
    with spool.writing():
        name = spool.write(pieces, hour_of(now), spool_key(office, now))
        return _enter(office, batch | {"state": LogBatchState.SPOOLED, "spool": name}, now)


def _sorted(content: bytes, now: datetime) -> tuple[Sorting, list[Piece]]:
    """The records of a batch by partition. Raises Refused as `Sorting.close` does."""
    sorting, gathering, full = Sorting(now), Gathering(), list[Piece]()
    for line, (partition, at, russian) in sorting.run([lines_in(content)]):
        if (piece := gathering.add_line(partition, at, russian, line)) is not None:
            full.append(piece)
    sorting.close()
    return sorting, [*full, *gathering.take_out()]


def check_residency(office: Office, *, russian: bool) -> None:
    """Raise Refused("residency") where QS-3.8.3 forbids that such records are stored here."""
    facts = ResidencyFacts(russian_citizens=russian, country=office.settings.archive_country)
    if not (decision := residency(facts)).allowed:
        raise Refused("residency", f"{decision.clause}: {decision.what}")


def fingerprint_of(office: Office, sha256: str) -> str:
    """What stands in the ledger for the content of a batch: keyed, since few records can be tried one by one."""
    return office.sealer.page_token(f"log batch {sha256}")


def known_batch(session: Session, source: str, event_id: str, mark: str) -> Taken | None:
    """What was taken under that id before, None for nothing. Raises Refused("other_content")."""
    row = session.scalar(select(LogBatch).where(LogBatch.source == source, LogBatch.event_id == event_id))
    if row is None:
        return None
    if row.fingerprint != mark:
        raise Refused("other_content", f"batch {event_id} came before with another content")
    return Taken(row.records, row.dropped, duplicate=True)


def spool_key(office: Office, now: datetime) -> bytes:
    """The key of the spool's hour; a new one is copied before anything lies under it. Raises Transient."""
    name = key_name(hour_of(now))
    try:
        return office.keys.get(name)
    except NotFound:
        pass
    try:
        key = office.keys.make(name, now=now)
    except Refused as error:
        raise Transient(f"the clock went back: {error}") from error
    office.keys.renew_copy(now=now)
    return key


def _enter(office: Office, values: dict[str, object], now: datetime) -> Taken:
    """Enter a batch; of two that came at once under one id the second is a duplicate, its file is cleared later."""
    with transaction(office.sessions) as session:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        statement = insert(LogBatch).values(**values).on_conflict_do_nothing(index_elements=["source", "event_id"])
        entered = session.scalar(statement.returning(LogBatch.id))
        if entered is None:
            known = known_batch(session, str(values["source"]), str(values["event_id"]), str(values["fingerprint"]))
            if known is None:
                raise Transient("the batch is being entered elsewhere")
            return known
        facts = {name: values[name] for name in ("source", "records", "dropped", "raw_bytes")}
        note_log(session, kind="taken", about=f"batch {entered}", who=str(values["source"]), facts=facts, now=now)
    return Taken(int(str(values["records"])), int(str(values["dropped"])))
