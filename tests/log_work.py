"""Log records as senders make them, and the archive opened again: every segment, as its ledger row says."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select

from blocks.ledger import Base, LogBatch, LogPeriod, LogSegment, reading
from blocks.logs.segment import Label, partition_key, unseal
from blocks.office import Office
from tasks.log_intake import Taken, take_batch
from tasks.log_periods import key_of
from tasks.log_sealing import Sealed, seal_spool

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def record(number: Any = 1, *, ended_at: Any = NOW - HOUR, **changes: Any) -> bytes:
    """One line without its line feed."""
    ended = ended_at if isinstance(ended_at, str) else ended_at.isoformat()
    fields = {"class": "qs-metadata", "project": "p-1", "ended_at": ended, "residency": "none", "n": number}
    return json.dumps(fields | changes, ensure_ascii=False).encode()


def batch(lines: Iterable[bytes]) -> bytes:
    """Lines as a sender joins them."""
    return b"".join(line + b"\n" for line in lines)


def take(office: Office, lines: Iterable[bytes], event_id: str = "evt-1", now: datetime = NOW) -> Taken:
    """Take a batch of the source `shop`."""
    return take_batch(office, source="shop", event_id=event_id, content=batch(lines), now=now)


def seal_all(office: Office, now: datetime = NOW) -> Sealed:
    """Seal what is in the spool."""
    return seal_spool(office, now=now, tell=silent)


def silent(_line: str) -> None:
    """Nobody listens."""


def rows(office: Office, table: type[Base]) -> list[Any]:
    """The rows of a table in their order."""
    with reading(office.sessions) as session:
        return list(session.scalars(select(table).order_by(table.id)))  # type: ignore[attr-defined]


def opened(office: Office) -> Counter[tuple[str, str, str, bytes]]:
    """Every sealed line with its classes, day and project; each segment is checked against its row."""
    periods = {row.id: row for row in rows(office, LogPeriod)}
    found: Counter[tuple[str, str, str, bytes]] = Counter()
    for row in rows(office, LogSegment):
        period = periods[row.period_id]
        sealed = office.objects.get(row.name)
        assert (len(sealed), hashlib.sha256(sealed).hexdigest()) == (row.size, row.sha256)
        label = Label(row.name, period.classes, period.day, row.project)
        key = partition_key(office.keys.get(key_of(period.classes, period.day)), label)
        content = unseal(sealed, label, key)
        lines = content.split(b"\n")[:-1]
        ended = [datetime.fromisoformat(orjson.loads(line)["ended_at"]) for line in lines]
        assert (len(content), len(lines)) == (row.raw_bytes, row.records)
        assert (min(ended), max(ended)) == (row.first_at, row.last_at)
        found.update((period.classes, period.day.isoformat(), row.project, line) for line in lines)
    return found


def lines_of(office: Office) -> Counter[bytes]:
    """Every sealed line."""
    return Counter(line for *_, line in opened(office).elements())


def states(office: Office) -> list[str]:
    """The states of the batches."""
    return [row.state.value for row in rows(office, LogBatch)]
