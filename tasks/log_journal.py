"""The journal of logs, and the two hash chains: of the journal's rows, and of the segments.

A link is the SHA-256 of the chain before it and of the row's unchanging columns in canonical JSON. So no row can be
altered, taken out or put in between without every later link failing; the last links stand in each act of destruction
and in each copy of the ledger, so that a chain cut off at its end, or written anew, shows as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import LogJournal, LogSegment, one_at_a_time

BEGINNING = "0" * 64


def link(before: str, row: Mapping[str, Any]) -> str:
    """The next link of a chain."""
    content = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{content}".encode()).hexdigest()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def journal_content(row: LogJournal) -> dict[str, Any]:
    """What of a journal row its link stands for."""
    return {"at": _utc(row.at), "kind": row.kind, "about": row.about, "who": row.who, "facts": row.facts}


def segment_content(row: LogSegment) -> dict[str, Any]:
    """What of a segment its link stands for: all of it that never changes."""
    return {
        "name": row.name,
        "period": row.period_id,
        "project": row.project,
        "records": row.records,
        "raw_bytes": row.raw_bytes,
        "size": row.size,
        "sha256": row.sha256,
        "version": row.version,
        "first_at": _utc(row.first_at),
        "last_at": _utc(row.last_at),
        "russian": row.russian,
        "pack": row.pack,
        "sealed_at": _utc(row.sealed_at),
    }


def journal_head(session: Session) -> str:
    """The last link of the journal."""
    return session.scalar(select(LogJournal.chain).order_by(LogJournal.id.desc()).limit(1)) or BEGINNING


def segments_head(session: Session) -> str:
    """The last link of the segments."""
    return session.scalar(select(LogSegment.chain).order_by(LogSegment.id.desc()).limit(1)) or BEGINNING


def note_log(
    session: Session, *, kind: str, about: str, who: str, facts: Mapping[str, Any] | None = None, now: datetime
) -> LogJournal:
    """Add a line to the journal. `facts` are numbers and names, never content of a record."""
    one_at_a_time(session, "log journal")
    row = LogJournal(at=now, kind=kind, about=about, who=who, facts=dict(facts or {}))
    row.chain = link(journal_head(session), journal_content(row))
    session.add(row)
    session.flush()
    return row


def add_segment(session: Session, row: LogSegment) -> None:
    """Add a segment at the end of its chain."""
    one_at_a_time(session, "log segments")
    row.chain = link(segments_head(session), segment_content(row))
    session.add(row)
    session.flush()
