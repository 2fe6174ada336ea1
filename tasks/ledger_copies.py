"""Copies of the ledger (OT-10): taken, sealed, put into the store, proven by a restore; the obligation of each day.

Killed at any point, a run leaves nothing plain behind and no copy that counts: only a proven one is on record as such.
What it left in the store of objects and of keys expires by the moment in its name (`ledger_expiry`).
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from blocks.clients import ledger_copy, postgres_tools
from blocks.clients.ledger_copy import Header, Taken
from blocks.clients.scratch import scratch
from blocks.errors import NotFound, Refused
from blocks.ledger import LedgerCopy, Obligation, ObligationState, one_at_a_time, transaction
from blocks.office import Office
from blocks.terms.base import Deadline, Decision
from blocks.terms.copies import CopyFacts, daily_copy, expires_at
from blocks.terms.deadlines import end_of_day, local_date
from blocks.terms.zones import KYIV
from tasks.log_journal import journal_head, note_log, segments_head
from tasks.notices import queue_operator_notice
from tasks.object_store import recognise
from tasks.obligations import fulfil, open_obligation

SUBJECT = "ledger"
CLAUSE = "OT-10"
_NAME = re.compile(r"(\d{8}T\d{6})Z-[0-9a-f]{8}")
log = logging.getLogger("dogovor.copies")


@dataclass(frozen=True)
class Copied:
    """A copy that was proven: its rows, its bytes in the store, until when it lives."""

    name: str
    rows: int
    size: int
    digest: str
    expires_at: datetime


def new_name(made_at: datetime) -> str:
    """The name of a copy made at that moment; it says the moment to the second."""
    return f"{made_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def made_at_of(name: str) -> datetime | None:
    """The moment that a name says; None for what is no name of a copy."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def object_of(name: str) -> str:
    """Where a copy lies in the store of objects."""
    return f"ledger/{name}"


def key_of(name: str) -> str:
    """The name of a copy's key."""
    return f"backup/{name}"


def scratch_of(office: Office) -> Path:
    """The folder in which copies are made and tried."""
    return office.settings.home / "copying"


def back_up(office: Office, *, who: str, now: datetime) -> Copied:
    """Take a copy of the ledger, put it into the store and prove it by restoring it; then the day's obligation is met.

    Raises Transient to be tried again, and Refused when the copy does not hold what the ledger held: that is an
    incident, told to the operator, and the obligation stays open.
    """
    made_at = now.astimezone(UTC).replace(microsecond=0)
    name = new_name(made_at)
    recognise(office)
    with transaction(office.sessions) as session:
        _owe(session, daily_copy(CopyFacts(last_copy_at=now)), now)
    with scratch(scratch_of(office)) as folder:
        key = office.keys.make(key_of(name), now=now)
        office.keys.renew_copy(now=now)
        taken = ledger_copy.take(office.engine, name=name, made_at=made_at, key=key, heads=_heads, folder=folder)
        version = office.objects.put_file(object_of(name), taken.path)
        expires = _record(office, taken, version)
    with scratch(scratch_of(office)) as folder:
        try:
            _prove(office, taken, folder)
        except (Refused, NotFound) as error:
            _incident(office, name, str(error), who=who, now=now)
            raise
    _settle(office, taken, who=who, now=now)
    log.info("copy %s: %s rows, %s bytes", name, taken.header.rows, taken.size)
    return Copied(name, taken.header.rows, taken.size, taken.header.digest, expires)


def _heads(connection: Connection) -> Mapping[str, str]:
    with Session(connection) as session:
        return {"journal": journal_head(session), "segments": segments_head(session)}


def _record(office: Office, taken: Taken, version: str) -> datetime:
    header = taken.header
    expires = expires_at(header.made_at)
    with transaction(office.sessions) as session:
        session.add(
            LedgerCopy(
                name=header.name,
                made_at=header.made_at,
                revision=header.revision,
                counts=dict(header.counts),
                digest=header.digest,
                size=taken.size,
                sha256=taken.sha256,
                version=version,
                expires_at=expires,
            )
        )
    return expires


def _prove(office: Office, taken: Taken, folder: Path) -> None:
    """Fetch the copy back from the store, open it with the key from the key store, restore and compare it."""
    name, fetched = taken.header.name, folder / "fetched.sealed"
    office.objects.fetch(object_of(name), fetched)
    key = office.keys.get(key_of(name))
    found = ledger_copy.rehearse(office.engine, fetched, key=key, name=name, folder=folder)
    ledger_copy.compare(taken.header, found)


def _incident(office: Office, name: str, why: str, *, who: str, now: datetime) -> None:
    with transaction(office.sessions) as session:
        note_log(session, kind="incident", about=f"copy {name}", who=who, facts={"why": why}, now=now)
        tell_failure(session, office, name, why, now=now)


def tell_failure(session: Session, office: Office, name: str, why: str, *, now: datetime) -> None:
    """Tell the operator that a copy is not proven, or cannot be destroyed; once a copy and reason."""
    queue_operator_notice(
        session,
        kind="ledger_copy_failed",
        key=f"ledger_copy_failed:{name}:{why}"[:120],
        operator=office.settings.operator_email,
        facts={"name": name, "why": why},
        now=now,
    )


def _settle(office: Office, taken: Taken, *, who: str, now: datetime) -> None:
    """The copy is proven: on record, in the journal, and the day's obligation met; the next day's is opened."""
    header = taken.header
    with transaction(office.sessions) as session:
        one_at_a_time(session, "ledger copies")
        row = session.scalars(select(LedgerCopy).where(LedgerCopy.name == header.name)).one()
        row.verified_at = now
        facts = {**header.heads, "rows": header.rows, "digest": header.digest, "sha256": taken.sha256}
        note_log(session, kind="copied", about=header.name, who=who, facts=facts, now=now)
        evidence = f"copy {header.name}, restored and compared: {header.rows} rows, sha256 {taken.sha256}"
        _meet(session, header, evidence, now)
        _owe(session, daily_copy(CopyFacts(last_copy_at=header.made_at)), now)


def _meet(session: Session, header: Header, evidence: str, now: datetime) -> None:
    """A copy meets what is owed for its own day and for days before; not for the next one."""
    until = end_of_day(local_date(header.made_at, KYIV), KYIV)
    query = select(Obligation.what).where(
        Obligation.clause == CLAUSE,
        Obligation.subject == SUBJECT,
        Obligation.state == ObligationState.OPEN,
        Obligation.due_at <= until,
    )
    for what in session.scalars(query).all():
        fulfil(session, subject=SUBJECT, evidence=evidence, now=now, what=what)


def _owe(session: Session, decision: Decision, now: datetime) -> None:
    """Open the obligation of a day, unless an earlier one is open still: then that one is what is owed."""
    waiting = select(Obligation.id).where(
        Obligation.clause == CLAUSE, Obligation.subject == SUBJECT, Obligation.state == ObligationState.OPEN
    )
    if session.scalar(waiting.limit(1)) is not None:
        return
    deadline: Deadline | None = decision.deadline
    if deadline is None:
        return
    what = f"{decision.what} {decision.values['day']}"
    open_obligation(session, clause=CLAUSE, subject=SUBJECT, what=what, deadline=deadline, now=now)


def check(office: Office) -> str:
    """Whether copies can be made and proven here, for the doctor. Raises Refused, Transient."""
    if office.engine.dialect.name == "sqlite":
        return "SQLite: copied and proven beside itself"
    with office.engine.connect() as connection:
        return postgres_tools.check(connection)
