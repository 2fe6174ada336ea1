"""The log file of an outage (OCP-P3.2.9): what the probes saw and what happened, an hour before it to an hour after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import (
    Document,
    Obligation,
    ObligationState,
    Outage,
    OutageDecision,
    ProbeSpan,
    Ticket,
    Window,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.intervals import Span
from tasks.documents import file_document
from tasks.effective import holding
from tasks.numbering import by_number
from tasks.outage_notices import LOGS_OWED, tell_partner

_AROUND = timedelta(hours=1)


def find_outage(session: Session, number: str, *, lock: bool = False) -> Outage:
    """The outage of that number. Raises NotFound."""
    return by_number(session, Outage, number, lock=lock)


def logs_of(office: Office, number: str) -> bytes:
    """JSON Lines in the order of time, moments in UTC. Raises NotFound, and Refused while the outage goes on.

    Where a person corrected the times, it covers what was recorded first and what holds now.
    """
    with reading(office.sessions) as session:
        outage = find_outage(session, number)
        holds = holding(session, outage)
        if outage.ended_at is None or holds.ended_at is None:
            raise Refused("state", f"{number} goes on: its log file is written when it has ended")
        began, ended = min(outage.began_at, holds.began_at), max(outage.ended_at, holds.ended_at)
        around = Span(began - _AROUND, ended + _AROUND)
        lines = sorted([*_own(session, outage), *_seen(session, outage, around), *_works(session, outage, around)],
                       key=lambda line: (line["at"], line["what"], json.dumps(line, sort_keys=True)))  # fmt: skip
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def _own(session: Session, outage: Outage) -> Iterator[dict[str, Any]]:
    for at, what in (
        (outage.began_at, "began"),
        (outage.discovered_at, "discovered"),
        (outage.told_at, "told"),
        (outage.ended_at, "ended"),
    ):
        if at is not None:
            yield {"at": at.isoformat(), "what": what, "outage": outage.number, "source": outage.source}
    for row in session.scalars(select(OutageDecision).where(OutageDecision.outage_id == outage.id)):
        yield {"at": row.at.isoformat(), "what": f"decided {row.kind}", "value": row.value}
    for ticket in session.scalars(select(Ticket).where(Ticket.outage_id == outage.id)):
        yield {"at": ticket.received_at.isoformat(), "what": "ticket", "ticket": ticket.number}


def _seen(session: Session, outage: Outage, around: Span) -> Iterator[dict[str, Any]]:
    rows = session.scalars(
        select(ProbeSpan)
        .where(ProbeSpan.service == outage.service)
        .where(ProbeSpan.until_at > around.start, ProbeSpan.began_at < around.end)
    )
    for row in rows:
        yield {
            "at": max(row.began_at, around.start).isoformat(),
            "what": f"seen {row.state.value}",
            "until": min(row.until_at, around.end).isoformat(),
            "service": row.service,
            "vantage": row.vantage,
            "detail": row.detail,
        }


def _works(session: Session, outage: Outage, around: Span) -> Iterator[dict[str, Any]]:
    rows = session.scalars(
        select(Window)
        .where(Window.opened_at < around.end)
        .where(or_(Window.closed_at.is_(None), Window.closed_at > around.start))
    )
    for row in rows:
        if outage.service in row.services and row.opened_at is not None:
            yield {"at": row.opened_at.isoformat(), "what": "works began", "window": row.number, "kind": row.kind}
            if row.closed_at is not None:
                yield {"at": row.closed_at.isoformat(), "what": "works ended", "window": row.number, "kind": row.kind}


def send_logs(office: Office, number: str, *, now: datetime) -> None:
    """Archive the log file as it is known now, and send it to the ОЦП Operator; the first one stays."""
    content = logs_of(office, number)
    sha256 = office.archive.put(content)
    key, name = f"outage-logs:{number}", f"{number}.jsonl"
    with transaction(office.sessions) as session:
        outage = find_outage(session, number, lock=True)
        if session.scalar(select(Document.id).where(Document.key == key)) is not None:
            return
        file_document(
            session,
            None,
            key=key,
            title=f"Журнал недоступности {number}",
            file_name=name,
            media_type="application/jsonl",
            sha256=sha256,
            size=len(content),
            now=now,
        )
        extra = {"files": [{"name": name, "sha256": sha256}]}
        tell_partner(office, session, outage, kind="outage_logs", extra=extra, owed=LOGS_OWED, now=now, documents=[key])


def send_owed_logs(office: Office, *, now: datetime) -> int:
    """Send every log file that is owed and was not sent yet, an hour after its outage ended; how many.

    Whatever was killed in between: what is owed stands in the ledger.
    """
    filed = select(Document.key).where(Document.key == "outage-logs:" + Obligation.subject).exists()
    with reading(office.sessions) as session:
        owing = session.scalars(
            select(Outage)
            .join(Obligation, Obligation.subject == Outage.number)
            .where(Obligation.state == ObligationState.OPEN, Obligation.what == LOGS_OWED, ~filed)
            .order_by(Outage.id)
        )
        ends = [(outage.number, holding(session, outage).ended_at) for outage in owing]
    whole = [number for number, ended in ends if ended is not None and ended + _AROUND <= now]
    for number in whole:
        send_logs(office, number, now=now)
    return len(whole)
