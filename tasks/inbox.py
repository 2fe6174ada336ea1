"""The inbox: outside events, stored once before they are acknowledged, then claimed under a lease and worked on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import InboxEvent, InboxState, Refusal, Sessions, reading, transaction

LEASE = timedelta(minutes=20)
"""Longer than any run may take. A dispatcher started again under its name takes its events back at once."""
MAX_ATTEMPTS = 12
"""With the back-off below, about an hour and a half of trying before a person is asked."""


@dataclass(frozen=True, eq=False)
class Event:
    """A claimed event."""

    id: int
    source: str
    event_id: str
    kind: str
    payload: Mapping[str, Any]
    received_at: datetime
    attempts: int


def _digest(payload: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def put_event(
    session: Session, *, source: str, event_id: str, kind: str, payload: Mapping[str, Any], now: datetime
) -> bool:
    """Store an event; False when it is there already.

    Raises Refused("conflict") when the same id came before with another content.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    digest = _digest(payload)
    stored = session.execute(
        insert(InboxEvent)
        .values(
            source=source,
            event_id=event_id,
            kind=kind,
            payload=dict(payload),
            payload_sha256=digest,
            received_at=now,
            state=InboxState.NEW,
            attempts=0,
            next_try_at=now,
        )
        .on_conflict_do_nothing(index_elements=["source", "event_id"])
        .returning(InboxEvent.id)
    ).scalar_one_or_none()
    if stored is not None:
        return True
    first = session.scalar(
        select(InboxEvent.payload_sha256).where(InboxEvent.source == source, InboxEvent.event_id == event_id)
    )
    if first != digest:
        raise Refused("conflict", f"event {event_id} came before with another content")
    return False


def _due(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(InboxEvent.state == InboxState.NEW, InboxEvent.next_try_at <= now),
        and_(InboxEvent.state == InboxState.CLAIMED, InboxEvent.lease_until < now),
    )


def ready(sessions: Sessions, *, now: datetime) -> int:
    """How many events can be claimed now."""
    with reading(sessions) as session:
        return session.scalar(select(func.count()).select_from(InboxEvent).where(_due(now))) or 0


def claim(sessions: Sessions, *, owner: str, now: datetime, limit: int) -> list[Event]:
    """Take up to `limit` events that are due, oldest first; each is ours until its lease ends."""
    with transaction(sessions) as session:
        rows = session.scalars(
            select(InboxEvent).where(_due(now)).order_by(InboxEvent.id).limit(limit).with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            row.state, row.lease_owner, row.lease_until = InboxState.CLAIMED, owner, now + LEASE
            row.attempts += 1
        return [Event(r.id, r.source, r.event_id, r.kind, r.payload, r.received_at, r.attempts) for r in rows]


def _mine(event: Event, owner: str) -> ColumnElement[bool]:
    return and_(InboxEvent.id == event.id, InboxEvent.lease_owner == owner)


def finish(sessions: Sessions, event: Event, *, owner: str, outcome: str, now: datetime) -> None:
    """Record that an event has been worked on."""
    finish_all(sessions, {event: outcome}, owner=owner, now=now)


def finish_all(sessions: Sessions, outcomes: Mapping[Event, str], *, owner: str, now: datetime) -> None:
    """Record many events as worked on, in one transaction."""
    with transaction(sessions) as session:
        for event, outcome in outcomes.items():
            session.execute(
                update(InboxEvent)
                .where(_mine(event, owner))
                .values(state=InboxState.DONE, done_at=now, outcome=outcome[:1000], lease_owner=None, lease_until=None)
            )


def put_back(
    sessions: Sessions, event: Event, *, owner: str, why: str, now: datetime, wait: timedelta | None = None
) -> bool:
    """Give an event back to be tried later (2, 4, 8 s ... at most 15 minutes); True when it was parked instead."""
    parked = event.attempts >= MAX_ATTEMPTS
    delay = wait or timedelta(seconds=min(2**event.attempts, 900))
    with transaction(sessions) as session:
        session.execute(
            update(InboxEvent)
            .where(_mine(event, owner))
            .values(
                state=InboxState.PARKED if parked else InboxState.NEW,
                next_try_at=now + delay,
                outcome=why[:1000],
                lease_owner=None,
                lease_until=None,
            )
        )
    return parked


def park(sessions: Sessions, event: Event, *, owner: str, why: str, now: datetime) -> None:
    """Put an event aside for a person: trying it again would not help."""
    with transaction(sessions) as session:
        session.execute(
            update(InboxEvent)
            .where(_mine(event, owner))
            .values(state=InboxState.PARKED, done_at=now, outcome=why[:1000], lease_owner=None, lease_until=None)
        )


def postpone(sessions: Sessions, event: Event, *, owner: str, now: datetime, wait: timedelta) -> None:
    """Give an event back without counting the attempt: the trouble was not the event's (Prefect down, a busy order)."""
    with transaction(sessions) as session:
        session.execute(
            update(InboxEvent)
            .where(_mine(event, owner))
            .values(
                state=InboxState.NEW,
                attempts=InboxEvent.attempts - 1,
                next_try_at=now + wait,
                lease_owner=None,
                lease_until=None,
            )
        )


def take_back(sessions: Sessions, *, owner: str, now: datetime) -> int:
    """At its start a dispatcher frees what its own killed predecessor of the same name had claimed."""
    with transaction(sessions) as session:
        freed = session.execute(
            update(InboxEvent)
            .where(InboxEvent.state == InboxState.CLAIMED, InboxEvent.lease_owner == owner)
            .values(state=InboxState.NEW, next_try_at=now, lease_owner=None, lease_until=None)
            .returning(InboxEvent.id)
        )
        return len(freed.all())


def unpark(sessions: Sessions, *, now: datetime) -> int:
    """A person lets every parked event be tried again."""
    with transaction(sessions) as session:
        freed = session.execute(
            update(InboxEvent)
            .where(InboxEvent.state == InboxState.PARKED)
            .values(state=InboxState.NEW, attempts=0, next_try_at=now)
            .returning(InboxEvent.id)
        )
        return len(freed.all())


def outcome_of(sessions: Sessions, *, source: str, event_id: str) -> tuple[InboxState, str] | None:
    """The state and outcome of an event, or None when there is none of that id."""
    with reading(sessions) as session:
        row = session.execute(
            select(InboxEvent.state, InboxEvent.outcome).where(
                InboxEvent.source == source, InboxEvent.event_id == event_id
            )
        ).first()
        return (row[0], row[1] or "") if row else None


def waiting(sessions: Sessions) -> dict[InboxState, int]:
    """How many events are in each state."""
    with reading(sessions) as session:
        counted = session.execute(select(InboxEvent.state, func.count()).group_by(InboxEvent.state))
        return {state: count for state, count in counted}  # noqa: C416 - rows are not pairs to mypy


def count_refusals(sessions: Sessions, counts: Mapping[tuple[str, str], int], *, now: datetime) -> None:
    """Add to the day's counts of refused requests, by (source, reason)."""
    with transaction(sessions) as session:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        for (source, reason), count in sorted(counts.items()):
            statement = insert(Refusal).values(day=now.date(), source=source, reason=reason, count=count)
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=["day", "source", "reason"], set_={"count": Refusal.count + count}
                )
            )
