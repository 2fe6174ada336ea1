"""Downtime as the ledger has it: what counts under an agreement, and the works that were allowed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Window, WindowState
from blocks.terms.intervals import Span, clip, subtract, union
from blocks.terms.works import Kind
from tasks.outages import effective_outages

_ALLOWED = (Kind.PLANNED, Kind.DAILY)


def counted_spans(session: Session, agreement: str, now: datetime) -> list[Span]:
    """The ended outages that count under an agreement, without allowed works, put together over its services."""
    by_service: dict[str, list[Span]] = {}
    for holds in effective_outages(session):
        if holds.ended_at is not None and holds.counts_for(agreement):
            by_service.setdefault(holds.outage.service, []).append(holds.span(now))
    works = works_of(session, now) if by_service else {}
    return list(union(span for name, spans in by_service.items() for span in subtract(spans, works.get(name, ()))))


def works_of(session: Session, now: datetime, kinds: tuple[Kind, ...] = _ALLOWED) -> dict[str, list[Span]]:
    """By service, the works of those kinds as they were done: from opening to closing, cut to their plan."""
    found: dict[str, list[Span]] = {}
    rows = session.scalars(
        select(Window).where(
            Window.kind.in_([kind.value for kind in kinds]),
            Window.opened_at.is_not(None),
            Window.state.in_([WindowState.OPEN, WindowState.CLOSED]),
        )
    )
    for row in rows:
        done = Span(row.opened_at or row.starts_at, row.closed_at or now)
        for span in clip([done], Span(row.starts_at, row.ends_at)):
            for service in row.services:
                found.setdefault(service, []).append(span)
    return found
